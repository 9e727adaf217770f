"""Hashing and checking passwords, through passlib, a few at a time.

argon2id is meant to be expensive: 64 MiB and a tenth of a second each. So at most as many hashes
run at once as there are cores, a short queue waits for each caller, and whoever comes after that is
told to try later; memory stays bounded and other people's messages stay on time. A hash that would
cost very much more, from wherever it was taken over, is never computed.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from passlib.context import CryptContext
from passlib.registry import get_crypt_handler

from chatserver.accounts.queueing import FairSlots, QueueFull
from chatserver.errors import CommandError
from chatserver.settings import PasswordSettings
from chatserver.system.processors import roaming

MAX_PASSWORD_BYTES: Final = 128
"""Longer ones are refused before hashing, so that nobody can make a hash cost more."""

_LEGACY: Final = (
    "bcrypt",
    "sha512_crypt",
    "sha256_crypt",
    "md5_crypt",
    "des_crypt",
    "hex_sha512",
    "hex_sha256",
    "hex_sha1",
)
_QUEUE_LENGTH: Final = 24
"""For each caller: about three seconds on two cores; longer, and people think that it hangs."""

_CALLERS: Final = 16
"""So many queues may be full at once: more are for the firewall in front."""

_MOST_ROUNDS: Final = {"bcrypt": 13, "sha512_crypt": 1_000_000, "sha256_crypt": 1_000_000}
_MOST_KIB: Final = 1 << 20
_MOST_KIB_ROUNDS: Final = 4 << 20
_MOST_LANES: Final = 64
_MOST_CHARACTERS: Final = 512
"""What a hash may cost: a few seconds, at most, of one core, and for argon2 1 GiB. All of them are
well above what the tools that make such hashes take by themselves."""

_RETRY_SECONDS: Final = 5

_SHORT_OF: Final = ("memory", "threading")
"""What the hash itself says it could not get, in an error that passlib hands on as ValueError."""


class Passwords:
    """Hash and verify passwords. All methods may be called from any thread."""

    def __init__(self, settings: PasswordSettings, slots: int | None = None) -> None:
        self.min_length = settings.min_length
        self._context = CryptContext(
            schemes=["argon2", *_LEGACY],
            deprecated="auto",
            argon2__type="ID",
            argon2__time_cost=settings.time_cost,
            argon2__memory_cost=settings.memory_kib,
            argon2__parallelism=settings.parallelism,
        )
        self._settings = settings
        slots = slots or os.cpu_count() or 1
        self._slots = FairSlots(slots, _QUEUE_LENGTH, _CALLERS * _QUEUE_LENGTH)

    def problem_with(self, password: str) -> str | None:
        """Return in one sentence why `password` cannot be given to an account, or None."""
        if len(password) < self.min_length:
            return f"A password needs at least {self.min_length} characters."
        if too_long(password):
            return f"A password may have at most {MAX_PASSWORD_BYTES} bytes."
        if not password.isprintable():
            return "A password may not hold control characters."
        return None

    def hash(self, password: str) -> str:
        """Return the argon2id hash of `password`, with its parameters and salt."""
        with self._slot():
            return str(self._context.hash(password))

    def verify(
        self,
        password: str,
        stored: str | None,
        caller: str = "",
        before: Callable[[], None] = lambda: None,
    ) -> tuple[bool, str | None]:
        """Tell whether `password` belongs to the hash `stored`.

        `stored` is None for an unknown or disabled account: that is always wrong, and takes as
        long; so does one that is `too_dear`. The second value is a new hash to store where the old
        one is of a kind or a cost of yesterday. Callers wait in turn; `before` is called when the
        turn has come, and what it raises is raised. Raises CommandError (try_later) when too many
        are waiting already.
        """
        with self._slot(caller):
            before()
            if stored is None or self.too_dear(stored):
                self._check(password, self._dummy)
                return False, None
            right, better = self._check(password, stored)
            if not right and not self._costs_as_now(stored):
                self._check(password, self._dummy)  # a cheap old hash must not show in the time
            return right, better

    def scheme(self, stored: str) -> str | None:
        """Return the name of the kind of hash that `stored` is, or None for no known kind."""
        name = self._context.identify(stored)
        return None if name is None else str(name)

    def too_dear(self, stored: str) -> bool:
        """Tell whether computing this hash would take too long or too much memory."""
        if len(stored) > _MOST_CHARACTERS:
            return True
        scheme = self.scheme(stored)
        if scheme != "argon2" and scheme not in _MOST_ROUNDS:
            return False
        try:
            parts = get_crypt_handler(scheme).from_string(stored)
        except (ValueError, TypeError):
            return False  # damaged: it is never computed
        if scheme != "argon2":
            return bool(parts.rounds > _MOST_ROUNDS[scheme])
        own = self._settings  # whatever the operator has chosen is allowed
        kib, rounds = parts.memory_cost, parts.rounds
        return bool(
            kib > max(_MOST_KIB, own.memory_kib)
            or kib * rounds > max(_MOST_KIB_ROUNDS, own.memory_kib * own.time_cost)
            or parts.parallelism > max(_MOST_LANES, own.parallelism)
        )

    def can_verify(self, stored: str) -> bool:
        """Tell whether a password can be right for `stored` at all; one cut short has none."""
        kind = self.scheme(stored)
        try:
            return kind is not None and bool(
                self._context.handler(kind).from_string(stored).checksum
            )
        except (ValueError, TypeError):
            return False

    def warm_up(self) -> None:
        """Do what would make the first login slower than the others."""
        self.verify("", None)

    def _costs_as_now(self, stored: str) -> bool:
        try:
            return not self._context.needs_update(stored)
        except (ValueError, TypeError):
            return False

    @cached_property
    def _dummy(self) -> str:
        return str(self._context.hash(secrets.token_hex()))

    def _check(self, password: str, stored: str) -> tuple[bool, str | None]:
        try:
            right, better = self._context.verify_and_update(password, stored)
        except (ValueError, TypeError) as error:  # a hash cut short, or NUL in the password
            if any(word in str(error).lower() for word in _SHORT_OF):
                raise _no_memory() from error
            return False, None
        except MemoryError as error:
            raise _no_memory() from error
        return bool(right), better

    @contextmanager
    def _slot(self, caller: str = "") -> Iterator[None]:
        try:
            with self._slots.taken(caller), roaming():
                yield
        except QueueFull:
            raise CommandError(
                "try_later",
                f"Too many people are logging in; try again in {_RETRY_SECONDS} seconds.",
                retry_after=_RETRY_SECONDS,
            ) from None


def _no_memory() -> CommandError:
    return CommandError(
        "try_later",
        f"The server is short of memory; try again in {_RETRY_SECONDS} seconds.",
        retry_after=_RETRY_SECONDS,
    )


def too_long(password: str) -> bool:
    """Tell whether `password` is over the limit in UTF-8, or cannot be written in it at all."""
    return len(password.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES
