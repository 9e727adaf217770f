"""A server under attack."""

import re
from pathlib import Path

from argon2 import PasswordHasher
from e2e.client import JsonClient
from e2e.process import ServerProcess, environment

SABOTAGE = Path(__file__).parent / "sabotage"


class Target(ServerProcess):
    """`chat serve` on 127.0.0.1. What it is expected to log as a fault matches `expected`."""

    expected = ""
    forgiven = False

    def __init__(
        self,
        data: Path,
        *options: str,
        faults: dict[str, object] | None = None,
        **settings: object,
    ) -> None:
        log = data.with_name(f"{data.name}.log")
        self._read_to = len(log.read_bytes()) if log.exists() else 0
        env = environment(**settings)
        if faults:
            env["PYTHONPATH"] = str(SABOTAGE)
            env |= {f"FAULT_{name.upper()}": str(value) for name, value in faults.items()}
        super().__init__(
            data, "--data", str(data), "--host", "127.0.0.1", *options, env=env, log=log
        )

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def check(self) -> None:
        """Fail when a fault was logged since the last check that was not expected."""
        fresh = self.log[self._read_to :]
        self._read_to += len(fresh)
        if self.forgiven:
            return
        if self.expected:
            fresh = re.sub(f"^.*(?:{self.expected}).*$", "", fresh, flags=re.MULTILINE)
        bad = re.search(r"Traceback|Exception|^Fatal| (ERROR|CRITICAL) ", fresh, re.MULTILINE)
        assert bad is None, f"a fault was logged:\n{fresh[max(0, bad.start() - 300) :][:4000]}"

    def guest(self, source: str | None = None) -> JsonClient:
        """Connect from an address of this machine, without a login. The caller closes it."""
        return JsonClient(self.place, source=source)

    def add_costing(
        self, name: str, password: str, time_cost: int, memory_kib: int, lanes: int = 1
    ) -> str:
        """Add an account whose hash costs that much, as the settings should say too."""
        hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=lanes)
        return self.add_line(f"{name}:{hasher.hash(password)}", name)
