"""Start-up: how long until the server listens, and until the command line answers."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from bench.server import CHAT
from bench.target import Target
from bench.turns import Figures, Measures, in_turns
from bench.usage import memory_kib


@dataclass(frozen=True)
class Startup:
    """Seconds until the server listens and until `chat --help` has answered."""

    name: ClassVar = "startup"
    case: ClassVar = "what"
    rounds: int = 7

    @classmethod
    def tiny(cls) -> "Startup":
        """Return the smallest one that checks everything."""
        return cls(rounds=1)

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure."""
        listening = in_turns(self.rounds, {each.title: partial(_listen, each) for each in targets})
        helped = in_turns(self.rounds, {CHAT.title: _help})
        return {"listening": listening, "chat --help": helped}


def _listen(target: Target) -> Measures:
    with target.start(["alice"]) as running:
        return {"s": running.ready_after, "MiB": memory_kib(running.pid) / 1024}


def _help() -> Measures:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "chatserver", "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return {"s": time.monotonic() - started}
