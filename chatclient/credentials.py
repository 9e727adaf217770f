"""Name and password from a person at a terminal, or from the environment and the input."""

import getpass
import sys
from collections.abc import Callable

from chatclient.entrance import refusal_line
from chatclient.errors import Refused
from chatwire.names import NAME_RULE, is_name


class AskedCredentials:
    """Asks a person. What is asked goes to standard error, so that output can go to a file."""

    def __init__(self, user: str | None, read_line: Callable[[], str]) -> None:
        """`user` is the name if known; `read_line` returns a typed line or raises EOFError."""
        self._user = user
        self._given = user is not None
        self._read_line = read_line

    def name(self) -> str:
        """Ask for the name, unless it was given; after a refusal Enter keeps the one before."""
        while not self._given:
            offer = f" [{self._user}]" if self._user else ""
            tell(f"Name{offer}: ", end="")
            typed = self._read_line().strip() or self._user or ""
            if is_name(typed):
                self._user = typed
                break
            if typed:
                tell(f"'{typed[:40]}' cannot be a name: {NAME_RULE}.")
        assert self._user is not None
        return self._user

    def password(self, name: str) -> str:
        """Ask for the password without showing it, and again while it is empty."""
        while True:
            password = getpass.getpass(f"Password for {name}: ")
            if password:
                return password

    def refused(self, refusal: Refused) -> bool:
        """Say why, and try again: the server counts, and ends it when it is enough."""
        tell(refusal_line(refusal))
        return True


class GivenCredentials:
    """Takes what was given and asks nobody, so a wrong password is final."""

    def __init__(
        self, user: str | None, password: str | None, read_line: Callable[[], str]
    ) -> None:
        """What is None is the next line that `read_line` returns."""
        self._user = user
        self._password = password
        self._read_line = read_line

    def name(self) -> str:
        """Return the name; raises EOFError when the input ended before it."""
        return self._read_line().strip() if self._user is None else self._user

    def password(self, name: str) -> str:  # noqa: ARG002
        """Return the password; raises EOFError when the input ended before it."""
        return self._read_line() if self._password is None else self._password

    def refused(self, refusal: Refused) -> bool:  # noqa: ARG002
        """Give up."""
        return False


def tell(text: str, end: str = "\n") -> None:
    """Write a line for the person, not for whatever reads standard output."""
    sys.stderr.write(text + end)
    sys.stderr.flush()
