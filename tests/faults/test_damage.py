"""Damaged files: of the accounts what can be read counts, and a database is left as it is."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from e2e.client import PASSWORD
from e2e.process import PYTHON, chat, environment, hashed

from .conftest import Start
from .target import Target

DAMAGED_LINES = [
    "no colon at all",
    ":hash without a name",
    "no-hash:",
    "two words:hash",
    "a/b:hash",
    "\x1b[2Jbob:hash",
    "b\u00f6b:hash",
    "bob\x00:hash",
    "x" * 100_000,
    "a" * 33 + ":hash",
    "split\x0bhere",
    "split\u2028here",
    "split\x1chere",
    "split\x85here",
    "ANN:hash of a name that has been",
]


def test_damaged_lines_of_accounts_are_named_and_skipped(tmp_path: Path, start: Start) -> None:
    data = tmp_path / "data"
    data.mkdir()
    lines: list[bytes] = [f"ann:{hashed()}".encode(), b"# a comment", b""]
    for number, line in enumerate(DAMAGED_LINES):
        lines += [line.encode(), f"good{number}:{hashed()}".encode()]
    lines += [b"\xff\xfe\x80:hash", b"windows:" + hashed().encode() + b"\r"]
    content = b"\n".join(lines) + b"\n"
    (data / "user_pass.txt").write_bytes(content)
    server = start()
    damaged = {*range(4, 4 + 2 * len(DAMAGED_LINES), 2), len(lines) - 1}
    for number in damaged:
        server.wait_for_log(rf"user_pass\.txt line {number} ")
    assert server.log.count("user_pass.txt line ") == len(damaged)
    assert "hash" not in server.log.replace("name:hash", "")
    good = [f"good{number}" for number in range(len(DAMAGED_LINES))]
    for name in ("ann", "windows", *good):
        with server.json(name):
            pass
    added = chat("adduser", "--data", data, "--password-stdin", "new", typed=PASSWORD)
    assert added.returncode == 0, added.stderr
    kept = (data / "user_pass.txt").read_bytes()
    assert kept.startswith((content, content.replace(b"\r", b"")))
    with server.json("new"):
        pass


def refusal(data: Path) -> str:
    """Start a server that must not start; return the one line that it says of that."""
    process = subprocess.Popen(
        [*PYTHON, "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    with process:
        assert process.stdout
        assert process.stderr
        started = process.stdout.readline()
        if started:
            process.terminate()
        said = process.stderr.read()
    assert not started, "it has started as if nothing were wrong"
    assert process.returncode == 1
    *others, line = said.splitlines()
    assert all("was open to others" in each for each in others), said
    return line


def content_of(data: Path) -> dict[str, str]:
    """Return a digest of each file of the database that has something in it."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (data / "chat.db", data / "chat.db-wal")
        if size_of(path) or (path.name == "chat.db" and path.exists())
    }


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


PAGE = 4096
DAMAGES: dict[str, Callable[[Path], object]] = {
    "a page of noise": lambda path: overwrite(path, 5 * PAGE, os.urandom(PAGE)),
    "half": lambda path: os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE),
    "the end missing": lambda path: os.truncate(path, path.stat().st_size - 6 * PAGE - PAGE // 2),
    "only a header": lambda path: os.truncate(path, 100),
    "header of zeros": lambda path: overwrite(path, 0, bytes(100)),
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "empty": lambda path: os.truncate(path, 0),
    "not there": Path.unlink,
}


@pytest.fixture(scope="module")
def full_of_messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Data folders with a few hundred messages: of a server that was stopped, and of one killed."""
    folders = {}
    for end in ("stopped", "killed"):
        data = tmp_path_factory.mktemp(end) / "data"
        server = Target(data)
        ann = server.account("ann")
        with server.json(ann) as client:
            for number in [client.send("broadcast", text=f"{at} {'x' * 200}") for at in range(400)]:
                client.answer(number)
        if end == "stopped":
            server.stop()
        else:
            server.kill()
            fold_a_part(data)
        folders[end] = data
    return folders


def fold_a_part(data: Path) -> None:
    """Have a database file with most of it and a write-ahead log with the rest, as in real life."""
    with closing(sqlite3.connect(data / "chat.db")) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute("UPDATE messages SET text = text || '!' WHERE seq > 390")
        database.commit()
        copies = {path: path.read_bytes() for path in (data / "chat.db", data / "chat.db-wal")}
    for path, content in copies.items():
        path.write_bytes(content)  # closing has folded it


@pytest.mark.parametrize(
    ("end", "damage"),
    [("stopped", each) for each in DAMAGES if each != "not there"]
    + [("killed", each) for each in ("a page of noise", "half", "header of zeros", "empty")]
    + [("killed", "not there")],
)
def test_damaged_database_and_its_log_are_refused_and_left_as_they_are(
    full_of_messages: dict[str, Path], tmp_path: Path, end: str, damage: str
) -> None:
    data = copy_of(full_of_messages[end], tmp_path)
    assert bool(size_of(data / "chat.db-wal")) == (end == "killed")
    DAMAGES[damage](data / "chat.db")
    before = content_of(data)
    assert "chat.db" in refusal(data)
    assert content_of(data) == before


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def copy_of(data: Path, place: Path) -> Path:
    copy = place / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("control"))  # a socket
    copy.chmod(0o700)
    assert (copy / "chat.db").stat().st_size > 20 * PAGE
    return copy
