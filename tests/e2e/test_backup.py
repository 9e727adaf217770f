"""backup, restore and export as an operator types them, beside servers that people talk on."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from kept import Kept

from chatserver.cli.main import main
from chatserver.storage.backup import restore

from .client import PATIENCE, Event, Flood, JsonClient
from .conftest import StartServer
from .process import chat, environment

DAY = 86_400_000
FIRST_DAY = 1_767_225_600_000  # 2026-01-01, in ms
MANY = 40
HOSTILE = "\x1b[2J\x1b]0;evil\x07red\x9b31m \u202egnissim\u2028bob: one\r\x00\x7f\nbob: two"


def everything(client: JsonClient) -> list[Event]:
    """Return the whole history of the room, page by page."""
    found: list[Event] = []
    more = True
    while more:
        after = found[-1]["seq"] if found else 0
        page = client.ask("history", after=after, limit=500)
        found += page["messages"]
        more = page["more"]
    return found


def test_a_backup_in_a_storm_has_all_that_was_acknowledged_before_it(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as one, server.json(bob) as two:
        one.tell(eve, "for eve")
        with Flood(one) as first, Flood(two, 3) as second:
            first.wait_for(200)
            before = {ann: first.sent, bob: second.sent}
            done = chat("backup", tmp_path / "copy", "--data", server.data)
            assert (done.returncode, done.stderr) == (0, "")
            first.wait_for(20)
            said = {ann: first.sent, bob: second.sent}
    size = (tmp_path / "copy").stat().st_size
    assert done.stdout == f"Backed up to {tmp_path / 'copy'}, {size:,} bytes.\n"
    folder = tmp_path / "restored" / "data"
    done = chat("restore", tmp_path / "copy", "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"chat serve --data {folder}\n")
    restored = start_server(data=folder)
    with restored.json(ann) as reader:
        kept = everything(reader)
        for name, count in before.items():
            texts = [each["text"] for each in kept if each["from"] == name]
            assert texts == [str(number + 1) for number in range(len(texts))]
            assert count <= len(texts) <= said[name]
            for number in (1, count // 2, count):
                found = reader.ask("search", query=f"from:{name} {number}")["messages"]
                assert [(each["from"], each["text"]) for each in found] == [(name, str(number))]
        assert [each["seq"] for each in kept] == [*range(2, len(kept) + 2)]
        assert reader.say("on it goes") == len(kept) + 2
    with restored.json(eve) as reader:
        assert reader.expect(event="message")["text"] == "for eve"


# -- what goes wrong --


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data folder with a day between one message and the next, and then a lot."""
    folder = tmp_path_factory.mktemp("backup") / "data"
    folder.mkdir()
    kept = Kept(folder / "chat.db", "Alice", "Bob", "carol")
    alice, bob, carol = kept.state.accounts
    kept.say("good morning", bob, at=FIRST_DAY)
    kept.say("lunch?", alice, bob, carol, at=FIRST_DAY + DAY)
    kept.say("yes\nat noon", bob, alice, at=FIRST_DAY + 2 * DAY)
    kept.say("note to self", bob, bob, at=FIRST_DAY + 3 * DAY)
    kept.say(HOSTILE, carol, at=FIRST_DAY + 4 * DAY)
    for number in range(MANY):
        # What takes the room is the key, which is not exported.
        kept.say("x" * 4000, carol, at=FIRST_DAY + 9 * DAY, key=f"{number} {'k' * 60_000}")
    kept.leave()
    kept.close()
    (folder / "user_pass.txt").write_text("Bob:hash\n")
    return folder


@pytest.fixture(scope="module")
def file(data: Path) -> Path:
    """Give a backup of it."""
    file = data.with_name("chat.backup")
    main(["backup", str(file), "--data", str(data)], standalone_mode=False)
    return file


def altered(code: str, *arguments: str | Path) -> list[str]:
    """Return how to run `chat …` with something about it changed."""
    program = f"""
import os, resource, shutil, signal, tarfile
from chatserver.cli import progress as progress_cli
from chatserver.storage import backup
from chatserver.cli.main import main as cli
{code}
cli.main()
"""
    return [sys.executable, "-c", program, *map(str, arguments)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE * 2,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a command says that has failed."""
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("chat: ")
    return line


def test_what_cannot_be_is_refused_in_a_line(data: Path, file: Path, tmp_path: Path) -> None:
    half, other, full = tmp_path / "half", tmp_path / "other", tmp_path / "full"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    other.write_text("something else\n" * 1000)
    full.mkdir()
    (full / "mine").write_text("mine")
    nothing = f"There is no chat.db in {full}"
    for command, folder, line in (
        (("restore", half), tmp_path / "data", f"{half} is not a backup of chat."),
        (("restore", other), tmp_path / "data", f"{other} is not a backup of chat."),
        (("restore", file), full, f"{full} is not empty; restore into an empty folder."),
        (("backup", tmp_path / "copy"), full, nothing),
        (("export",), full, nothing),
        (("backup", file / "copy"), data, f"{file / 'copy'} cannot be written: Not a directory."),
        (("export", "--with", "typo"), data, "no account typo"),
        (("export", "--room", "x"), data, "no room #x"),
    ):
        assert line in refusal(chat(*command, "--data", folder))
    assert {each.name for each in tmp_path.iterdir()} == {"half", "other", "full"}
    assert [each.name for each in full.iterdir()] == ["mine"]


FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"


def test_a_full_disk_leaves_neither_half_a_backup_nor_half_a_folder(
    data: Path, file: Path, tmp_path: Path
) -> None:
    old = tmp_path / "copy"
    old.write_text("the one before")
    line = refusal(run(altered(FULL, "backup", old, "--data", data)))
    assert str(data / "chat.db") in line
    assert old.read_text() == "the one before"
    line = refusal(run(altered(FULL, "restore", file, "--data", tmp_path / "data")))
    assert str(tmp_path / "data") in line
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_what_is_interrupted_leaves_what_was_there_before(
    data: Path, file: Path, tmp_path: Path, command: str, sent: str
) -> None:
    old = tmp_path / "copy"
    old.write_text("the one before")
    code = f"""
def copy(source, target, *_, **__):
    target.write(source.read(1))
    target.flush()
    os.kill(os.getpid(), signal.{sent})
{"tarfile" if command == "backup" else "shutil"}.copyfileobj = copy
"""
    copy, folder = (old, data) if command == "backup" else (file, tmp_path / "data")
    done = run(altered(code, command, copy, "--data", folder))
    if sent == "SIGKILL":
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    else:
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "\nAborted!\n")
    assert old.read_text() == "the one before"
    assert_tidy(tmp_path, sent, {"copy"})
    restore(file, tmp_path / "data")  # and it can be tried again
    assert (tmp_path / "data" / "chat.db").exists()


def assert_tidy(folder: Path, sent: str, expected: set[str]) -> None:
    """Fail when something was left behind; what SIGKILL leaves is hidden, and the owner's."""
    left = [each for each in folder.iterdir() if each.name not in expected]
    if sent == "SIGKILL":
        (hidden,) = left
        assert hidden.name.startswith(".chat-")
        assert hidden.stat().st_mode & 0o077 == 0
    else:
        assert left == []


# -- export --


def exported(capfd: pytest.CaptureFixture[str], data: Path, *options: str) -> str:
    main(["export", "--data", str(data), *options], standalone_mode=False)
    return capfd.readouterr().out


def lines_of(text: str) -> list[str]:
    """Return the lines; Python's own idea of a line's end is another."""
    return text.split("\n")[:-1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 2, 3, 4, 5]),
        (["--with", "BOB"], [2, 3, 4]),
        (["--with", "carol"], [2]),
        (["--room", "lobby"], [1, 5]),
        (["--since", "2026-01-03"], [3, 4, 5]),
        (["--since", "2026-01-03T00:00:01"], [4, 5]),
        (["--since", "2026-01-02", "--with", "alice"], [2, 3]),
        (["--since", "2026-01-02", "--room", "lobby"], [5]),
        (["--since", "1900-01-01"], [1, 2, 3, 4, 5]),
        (["--since", "2026-02-01"], []),
    ],
)
def test_what_is_exported_can_be_chosen(
    capfd: pytest.CaptureFixture[str], data: Path, options: list[str], expected: list[int]
) -> None:
    events = [json.loads(line) for line in lines_of(exported(capfd, data, *options))]
    assert [each["seq"] for each in events if each["seq"] <= 5] == expected


def test_what_is_stopped_is_copied_where_nothing_can_be_written(data: Path, tmp_path: Path) -> None:
    for end in ("wal", "shm"):
        (data / f"chat.db-{end}").unlink(missing_ok=True)
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-o", "bind,ro", data, data], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a folder can be mounted read-only by root alone")
    try:
        done = chat("export", "--data", data)
        assert done.returncode == 0, done.stderr
        assert len(lines_of(done.stdout)) >= 5
        assert chat("backup", tmp_path / "copy", "--data", data).returncode == 0
    finally:
        subprocess.run(["umount", data], check=True)


def test_an_exported_message_is_the_event_that_its_readers_got(
    capfd: pytest.CaptureFixture[str], data: Path
) -> None:
    said, sent = map(json.loads, lines_of(exported(capfd, data))[:2])
    assert said == {
        "event": "message",
        "seq": 1,
        "at": "2026-01-01T00:00:00.000Z",
        "from": "Bob",
        "room": "lobby",
        "text": "good morning",
    }
    assert (sent["from"], sent["to"]) == ("Alice", ["Bob", "carol"])
    assert "room" not in sent


def test_an_export_to_read(capfd: pytest.CaptureFixture[str], data: Path) -> None:
    assert exported(capfd, data, "--format", "text", "--with", "bob") == (
        "2026-01-02 00:00:00 Alice → Bob, carol: lunch?\n"
        "2026-01-03 00:00:00 Bob → Alice: yes\n"
        "    at noon\n"
        "2026-01-04 00:00:00 Bob → Bob: note to self\n"
    )


def test_what_somebody_wrote_cannot_steer_the_terminal(
    capfd: pytest.CaptureFixture[str], data: Path
) -> None:
    text = exported(capfd, data, "--format", "text", "--since", "2026-01-05", "--room", "lobby")
    first, second, *_ = text.split("\n")
    assert first == "2026-01-05 00:00:00 carol: [2J]0;evilred31m gnissimbob: one"
    assert second == "    bob: two"
    assert text.replace("\n", "").isprintable()
    lines = exported(capfd, data, "--room", "lobby")
    assert not {"\x1b", "\x07", "\x00"} & set(lines)


def test_nobody_need_read_an_export_to_its_end(data: Path) -> None:
    with subprocess.Popen(
        altered("", "export", "--data", data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["seq"] == 1
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_export_that_cannot_be_written_says_so(data: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            altered("", "export", "--data", data),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "chat: The messages cannot be written: No space left on device.\n"


def test_what_is_copied_stays_as_it_is(data: Path, file: Path) -> None:
    with closing(sqlite3.connect(data / "chat.db")) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (5 + MANY,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
