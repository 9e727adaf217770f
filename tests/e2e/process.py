"""A real server in a process of its own, and the command line."""

import atexit
import itertools
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TypeVar

from argon2 import PasswordHasher

from .client import PASSWORD, PATIENCE, Client, JsonClient, Place, TextClient, eventually
from .web import WebClient

AnyClient = TypeVar("AnyClient", bound=Client)

PYTHON = (sys.executable, "-m", "chatserver")

DEFAULTS = {
    "server_host": "127.0.0.1",
    # Hashing at its real price would be most of the time these tests take.
    "passwords_time_cost": 1,
    "passwords_memory_kib": 8,
    "passwords_parallelism": 1,
    # All tests come from one address and say much; test_login and test_rate are about these.
    "login_address_failures": 0,
    "login_logins_per_minute": 0,
    "session_rate_per_second": 0,
    # A crowd of an attack logs in as one account.
    "session_max_sessions_per_account": 0,
}


@cache
def hashed(password: str = PASSWORD) -> str:
    """Return a hash that the server takes as its own, made once."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def environment(**settings: object) -> dict[str, str]:
    """Return an environment with these settings and none of the tester's own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
    clean["PYTHONUNBUFFERED"] = "1"
    clean["CHAT_CLIENT_CONFIG"] = os.devnull  # the tester's own settings are not for tests
    clean.pop("PYTHONDONTWRITEBYTECODE", None)  # so many processes must not all compile
    return clean | {
        f"CHAT_{name.upper()}": str(value) for name, value in (DEFAULTS | settings).items()
    }


def environment_of(place: Place, name: str, **more: str) -> dict[str, str]:
    """Return the environment of a client's command, for somebody with the usual password."""
    who = {"CHAT_HOST": "{}:{}".format(*place), "CHAT_USER": name, "CHAT_PASSWORD": PASSWORD}
    return environment() | {"PYTHONUTF8": "1"} | who | more


def chat(
    *arguments: str | Path, typed: str | bytes = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `chat …` to its end."""
    done = subprocess.run(
        [*PYTHON, *map(str, arguments)],
        input=typed if isinstance(typed, bytes) else typed.encode(),
        capture_output=True,
        env=environment() if env is None else env,
        timeout=PATIENCE * 2,
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


_WATCH = """
import os, signal, sys
watched = set()
for line in sys.stdin:
    watched ^= {int(line)}
for each in watched:
    try:
        os.kill(each, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


@cache
def _watchdog() -> IO[str]:
    """Return where to write the id of a process that must not outlive the tests, and write it
    again when it has ended: pytest may be killed, by its own time-out among others."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", _WATCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is not for it
    )
    assert process.stdin is not None
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
    return process.stdin


def _watch(process: subprocess.Popen[bytes]) -> None:
    print(process.pid, file=_watchdog(), flush=True)


_certificate: dict[str, bytes] = {}
"""The files of a certificate that a server has made in this run, as they were then."""


class ServerProcess:
    """`chat serve` on a free port. `log` is what it has written to standard error."""

    running: "list[ServerProcess]" = []  # noqa: RUF012 - for the check after each test

    def __init__(
        self,
        data: Path,
        *options: str,
        env: dict[str, str] | None = None,
        log: Path | None = None,
        prepared: bool = True,
    ) -> None:
        """Start it on `data`. In a `prepared` folder there is a certificate already, which takes
        as long to make as all the rest."""
        self.data = data
        self.passwords = data / "user_pass.txt"
        self.output = ""
        self._numbers = itertools.count(1)
        self._checked = 0
        self._stopping = False
        self._log_path = data.with_name(f"{data.name}.log") if log is None else log
        tls = data / "tls"
        makes_its_own = not tls.exists()
        if prepared and makes_its_own and _certificate:
            data.mkdir(mode=0o700, exist_ok=True)
            tls.mkdir(mode=0o700)
            for name, content in _certificate.items():
                (tls / name).touch(0o600)
                (tls / name).write_bytes(content)
        with self._log_path.open("ab") as stderr:
            self._checked = stderr.tell()
            self.process = subprocess.Popen(
                [*PYTHON, "serve", "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment() if env is None else env,
            )
        self.running.append(self)
        _watch(self.process)
        try:
            self.output = self._read_output("\n")
            found = re.search(r"listening on (\S+):(\d+)", self.output)
            assert found, f"no place in {self.output!r}"
        except BaseException:
            self.kill()
            raise
        self.place: Place = (found[1], int(found[2]))
        if makes_its_own and not _certificate and tls.exists():
            _certificate.update({each.name: each.read_bytes() for each in tls.iterdir()})

    @property
    def log(self) -> str:
        """What the server has logged until now."""
        return self._log_path.read_text("utf-8")

    def read_output(self, until: str) -> str:
        """Wait until the server has printed this; return all it has printed."""
        if until not in self.output:
            self.output = self._read_output(until, self.output)
        return self.output

    def account(self, name: str, password: str = PASSWORD) -> str:
        """Add an account whose name begins like this and is nobody's yet; return the name."""
        return self.add(f"{name}{next(self._numbers):03d}", password)

    def accounts(self, *names: str) -> list[str]:
        """Add several accounts; return their names."""
        return [self.account(name) for name in names]

    def add(self, name: str, password: str = PASSWORD) -> str:
        """Add an account with exactly this name."""
        return self.add_line(f"{name}:{hashed(password)}", name)

    def add_line(self, line: str, name: str = "") -> str:
        """Add a line to the file of accounts."""
        self.passwords.touch(0o600)
        with self.passwords.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        return name

    def json(self, name: str = "", **fields: object) -> JsonClient:
        """Connect a json client and, given a name, log it in. The caller closes it."""
        return self._logged_in(JsonClient(self.place), name, **fields)

    def text(self, name: str = "") -> TextClient:
        """Connect a text client and, given a name, log it in. The caller closes it."""
        return self._logged_in(TextClient(self.place), name)

    def client(self, dialect: str, name: str = "", *, secure: bool = False) -> Client:
        """Connect in json, text or web, inside TLS or not, and given a name log in."""
        kinds: dict[str, type[Client]] = {"json": JsonClient, "text": TextClient, "web": WebClient}
        return self._logged_in(kinds[dialect](self.place, secure=secure), name)

    @contextmanager
    def people(self, *names: str) -> Iterator[list[JsonClient]]:
        """Add accounts like these and log each in from a json client, until the block ends."""
        with ExitStack() as here:
            yield [here.enter_context(self.json(name)) for name in self.accounts(*names)]

    def _logged_in(self, client: AnyClient, name: str, **fields: object) -> AnyClient:
        if name:
            try:
                client.login(name, **fields)
                if isinstance(client, JsonClient):
                    client.expect(event="hello")
            except BaseException:
                client.close()
                raise
        return client

    def wait_for_log(self, pattern: str) -> str:
        """Wait for a line in the log that matches; return it."""

        def found() -> str:
            match = re.search(f".*{pattern}.*", self.log)
            return match[0] if match else ""

        return str(eventually(found))

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def wait(self, within: float = PATIENCE) -> int:
        """Wait for the process to end; return its exit code."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.data}: not ended within {within} s") from None
        self._let_go()
        return code

    def begin_to_stop(self) -> None:
        """Ask it to end, as an operator would, without waiting for that."""
        if not self._stopping and self.process.poll() is None:
            self._stopping = True
            self.signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it as an operator would; anything but a clean end is a failure."""
        if self in self.running:
            self.begin_to_stop()
            code = self.wait()
            assert code == 0, f"{self.data}: exit code {code}: {self.log[-2000:]}"
        self.check()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
        self._let_go()

    def check(self) -> None:
        """Fail when a fault was logged since the last check."""
        with self._log_path.open("rb") as file:
            file.seek(self._checked)
            fresh = file.read()
        self._checked += len(fresh)
        text = fresh.decode("utf-8")
        bad = re.search(r"Traceback|Exception|^Fatal| (ERROR|CRITICAL) ", text, re.MULTILINE)
        assert bad is None, (
            f"the server logged a fault:\n{text[max(0, bad.start() - 300) :][:4000]}"
        )

    def _let_go(self) -> None:
        if self in self.running:
            self.running.remove(self)
            _watch(self.process)
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.output += self.process.stdout.read().decode()
            self.process.stdout.close()

    def _read_output(self, until: str, output: str = "") -> str:
        """Read standard output until it contains `until`."""
        stream = self.process.stdout
        assert stream is not None
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while until not in output:
                assert selector.select(deadline - time.monotonic()), f"only {output!r} was printed"
                more = os.read(stream.fileno(), 4096)
                assert more, f"the server ended: {self.log[-2000:]}"
                output += more.decode()
        return output


def port_of(server: ServerProcess) -> str:
    """Return the port as an option takes it."""
    return str(server.place[1])
