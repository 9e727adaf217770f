"""Hashing and checking passwords, through passlib, a few at a time.

argon2id is meant to be expensive: 64 MiB and a tenth of a second each. So at most as many hashes
run at once as there are cores, a short queue waits, and whoever comes after that is told to try
later; memory stays bounded and other people's messages stay on time.
"""

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from passlib.context import CryptContext

from chatserver.errors import CommandError
from chatserver.processors import roaming
from chatserver.settings import PasswordSettings

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
"""About three seconds of waiting on two cores: longer, and people think that it hangs."""

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
        slots = slots or os.cpu_count() or 1
        self._running = threading.Semaphore(slots)
        self._admitted = threading.Semaphore(slots + _QUEUE_LENGTH)

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

    def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Tell whether `password` belongs to the hash `stored`.

        `stored` is None for an unknown or disabled account: that is always wrong, and takes as
        long. The second value is a new hash to store where the old one is of a kind or a cost of
        yesterday. Raises CommandError (try_later) when too many are waiting already.
        """
        with self._slot():
            if stored is None:
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
    def _slot(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise CommandError(
                "try_later",
                f"Too many people are logging in; try again in {_RETRY_SECONDS} seconds.",
                retry_after=_RETRY_SECONDS,
            )
        try:
            with self._running, roaming():
                yield
        finally:
            self._admitted.release()


def _no_memory() -> CommandError:
    return CommandError(
        "try_later",
        f"The server is short of memory; try again in {_RETRY_SECONDS} seconds.",
        retry_after=_RETRY_SECONDS,
    )


def too_long(password: str) -> bool:
    """Tell whether `password` is over the limit in UTF-8, or cannot be written in it at all."""
    return len(password.encode("utf-8", "replace")) > MAX_PASSWORD_BYTES
