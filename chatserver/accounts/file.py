"""`user_pass.txt`: one `name:hash` a line, edited so that nothing is ever lost.

An edit takes a lock file (so two `chat adduser` at once wait for each other), writes a temporary
file, syncs it and renames it over the old one; a reader sees the old file or the new one, whole.
A running server looks at the file's identity before each login and some times a second, and reads
it again when it has changed. A hash that starts with `!` is switched off, as in /etc/shadow. Lines
that cannot be understood are named, skipped, and kept as they are.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from chatserver.system.files import make_folder, open_private, target_of, tighten, write_atomically
from chatwire.names import RESERVED_RULE, fold, is_name, is_reserved

FILE_NAME: Final = "user_pass.txt"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Account:
    """One line of the file: the name as its owner spells it, and the hash."""

    name: str
    hash: str

    @property
    def disabled(self) -> bool:
        """Nobody can log in with this account until the `!` before its hash is taken away."""
        return self.hash.startswith("!")


_Identity = tuple[int, int, int, int] | None

_SETTLED_SECONDS: Final = 0.05
"""The system counts a file's time in steps of some ms: what is younger may still change unseen."""


class Accounts:
    """The accounts in one file. Reading is safe from any thread, editing also between processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # One tuple, replaced whole: a thread sees the identity and the accounts that belong to it.
        self._unreadable: _Identity = None  # of the file that was complained of
        self._loaded: tuple[_Identity, Mapping[str, Account]] = (None, MappingProxyType({}))
        self._renewed: dict[str, str] = {}  # hashes that we made, and the ones they stand for

    def find(self, name: str) -> Account | None:
        """Return the account called `name` in whatever case, or None.

        A name that was there at the last look is answered from that; only for others, the file is
        looked at. `look_up` always looks.
        """
        # Only of ASCII: folding turns some letters into ASCII ones that look alike.
        known = self._loaded[1].get(fold(name)) if name.isascii() else None
        return known or self.look_up(name)

    def look_up(self, name: str) -> Account | None:
        """Return the account called `name` as the file has it now, or None."""
        return self.all().get(fold(name)) if is_name(name) else None

    def exists(self, name: str) -> bool:
        """Tell whether there is such an account now; one that cannot be looked up is not gone."""
        try:
            return self.look_up(name) is not None
        except OSError:
            return True

    def identity(self, account: Account) -> str:
        """Return what makes an account this one, and no later one of its name: its password.

        Switching it off and on, and a hash that was only renewed, change nothing.
        """
        stored = account.hash.removeprefix("!")
        return self._renewed.get(stored, stored)

    def renew(self, account: Account, better: str) -> bool:
        """Give the account a better hash of the same password, unless it has changed meanwhile.

        Raises OSError when the file cannot be written.
        """
        with self.edit() as draft:
            if self.look_up(account.name) != account:
                return False
            # Before anybody can read the new hash: it is no other password.
            self._renewed[better] = self.identity(account)
            draft.put(Account(account.name, better))
        return True

    def all(self) -> Mapping[str, Account]:
        """Return every account by its folded name, as the file has them now.

        A file that is not there has no accounts. Raises OSError when it cannot be read.
        """
        identity, accounts = self._loaded
        now = self._identity()
        if now != identity:
            try:
                accounts = MappingProxyType(_parse(_read_lines(self.path), self.path))
            except OSError as error:
                if identity is None:
                    raise
                # Out of descriptors, perhaps: what is known is still better than nothing.
                if now != self._unreadable:
                    _log.warning("%s cannot be read: %s", self.path, error.strerror)
                self._unreadable = now
                return accounts
            # Read again at the next look, where the file is so young that a change of it could
            # leave no trace in what we look at.
            settled = now is None or abs(time.time() - now[1] / 1e9) > _SETTLED_SECONDS
            self._loaded = (now if settled else (0, 0, 0, 0), accounts)
        return accounts

    def skipped(self) -> list[tuple[int, str]]:
        """Return the number of each line that is no account, and why. Raises OSError."""
        return skipped(_read_lines(self.path))

    @contextmanager
    def edit(self) -> Iterator["Draft"]:
        """Give a draft of the file that replaces it when the block ends without an exception.

        Blocks while another process edits. Raises OSError when the file cannot be written; then
        it is as it was.
        """
        make_folder(self.path.parent)
        # Where the file really is: that is what two folders may share.
        path = target_of(self.path)
        lock = open_private(path.with_name(f"{path.name}.lock"))
        try:
            tighten(self.path.parent)
            fcntl.flock(lock, fcntl.LOCK_EX)
            draft = Draft(_read_lines(self.path))
            yield draft
            if draft.changed:
                text = "".join(f"{line}\n" for line in draft.lines)
                # What is not UTF-8 was damaged before and is given back as it was.
                write_atomically(self.path, text.encode("utf-8", "surrogateescape"))
                self._loaded = ((0, 0, 0, 0), self._loaded[1])
                self.all()
        finally:
            os.close(lock)

    def _identity(self) -> _Identity:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


class Draft:
    """The lines of the file while they are edited."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.changed = False
        self._at = {fold(name): at for at, (name, _) in _entries(lines)}

    def __contains__(self, name: str) -> bool:
        return fold(name) in self._at

    def get(self, name: str) -> Account | None:
        """Return the account of that name, in whatever case, or None."""
        at = self._at.get(fold(name))
        return None if at is None else Account(*split_line(self.lines[at]))

    def put(self, account: Account) -> None:
        """Add the account, or replace the one of that name."""
        line = f"{account.name}:{account.hash}"
        key = fold(account.name)
        if key in self._at:
            self.lines[self._at[key]] = line
        else:
            self._at[key] = len(self.lines)
            self.lines.append(line)
        self.changed = True

    def remove(self, name: str) -> None:
        """Take the account out. Raises KeyError when there is none of that name."""
        del self.lines[self._at[fold(name)]]
        self._at = {fold(each): at for at, (each, _) in _entries(self.lines)}
        self.changed = True


def split_line(line: str) -> tuple[str, str]:
    """Return name and hash in a line; white space around them, and a byte order mark, is nothing.

    Without a colon the hash is empty.
    """
    name, _, hashed = line.lstrip("\ufeff").partition(":")
    return name.strip(), hashed.strip()


def is_comment(line: str) -> bool:
    """Tell whether there is nothing in a line, or nothing for us."""
    return line.lstrip("\ufeff").strip()[:1] in ("", "#")


def skipped(lines: list[str]) -> list[tuple[int, str]]:
    """Return the number of each line that is no account, from 1, and why."""
    entries = dict(_entries(lines))
    found = []
    for at, line in enumerate(lines):
        name, hashed = split_line(line)
        if at in entries and is_reserved(name):
            found.append((at + 1, f"{name} is no name to have: {RESERVED_RULE}"))
        elif at not in entries and not is_comment(line):
            repeats = hashed and is_name(name)
            found.append((at + 1, "repeats a name" if repeats else "is not name:hash"))
    return found


def _entries(lines: list[str]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the lines that are accounts, with their index: the first of a name counts."""
    seen = set()
    for at, line in enumerate(lines):
        name, hashed = split_line(line)
        if hashed and is_name(name) and fold(name) not in seen:
            seen.add(fold(name))
            yield at, (name, hashed)


def _parse(lines: list[str], path: Path) -> dict[str, Account]:
    for number, why in skipped(lines):
        _log.warning("%s line %d %s; skipped", path, number, why)
    return {
        fold(name): Account(name, hashed)
        for _, (name, hashed) in _entries(lines)
        if not is_reserved(name)
    }


def _read_lines(path: Path) -> list[str]:
    try:
        # Not splitlines(), which knows line ends that nobody meant.
        return path.read_text("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    except FileNotFoundError:
        return []
