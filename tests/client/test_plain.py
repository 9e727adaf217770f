"""The client in a pipe: lines in, lines out, and an exit code."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chatclient.errors import ChatError, LinkLost
from chatclient.faces.plain import Plain
from chatclient.link.connection import Connection
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import GivenCredentials
from chatclient.setup.entrance import enter
from chatclient.setup.inputlines import InputLines, RawInput
from chatwire.protocol import (
    BroadcastReply,
    Bye,
    Error,
    Presence,
    Reply,
    StatusReply,
    WhoReply,
)

from .environ import CLEAN_ENVIRON
from .fake import DEADLINE, FakeServer, Link, at_home, message

STAMP = re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d ")


def plain(server: FakeServer, source: RawInput, out: io.StringIO) -> Plain:
    """Log in, and return a client that does not come back when the link is lost."""
    entry = enter(server.connect, GivenCredentials("alice", "secret", str), print)
    client = ResumingClient(server.connect, "alice", entry.password, patience=0)
    return Plain(entry, client, InputLines(source, "utf-8"), out)


def chat(server: FakeServer, typed: str) -> list[str]:
    """Run the plain client over `typed` and return what it wrote, without the times."""
    out = io.StringIO()
    plain(server, io.BytesIO(typed.encode()), out).run()
    return list(map(unstamped, out.getvalue().splitlines()))


def unstamped(line: str) -> str:
    """Return a line that begins with a time without it."""
    stamp = STAMP.match(line)
    assert stamp, line
    return line[stamp.end() :]


class OpenInput:
    """An input in which nothing comes until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def read(self, _size: int, /) -> bytes:
        self._closed.wait(DEADLINE)
        return b""

    def close(self) -> None:
        self._closed.set()


@pytest.fixture
def open_input() -> Iterator[OpenInput]:
    source = OpenInput()
    yield source
    source.close()


def test_it_answers_then_logs_out_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    def script(link: Link) -> None:
        link.let_in()
        said, asked = link.expect("broadcast"), link.expect("status")
        link.send(
            message(1, "hello\nyou"),
            StatusReply(re=asked["id"], name="alice", busy=False, hidden=False, held=0),
            BroadcastReply(re=said["id"], seq=2, busy={}),
            message(3, "psst", to=("alice",)),
        )
        assert link.read() == {"op": "ack", "upto": 3}
        link.take_logout()
        link.until_closed()

    with FakeServer(script) as server:
        lines = chat(server, "broadcast hi\n\nbrodcast hi\n/status")  # no line feed at the end
    assert lines == [
        "Welcome, alice. Here now: bob. Type help for the commands.",
        "bob: hello / you",
        "You are alice: not busy, visible.",
        "Sent to everybody here.",
        "bob → you: psst",
    ]
    assert "did you mean broadcast?" in capsys.readouterr().err


def test_a_refusal_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        number = link.expect("send")["id"]
        link.send(Error(re=number, code="no_such_user", text="No such user: bbo."))

    with FakeServer(at_home(play)) as server:
        assert len(chat(server, "send bbo hi\n")) == 1
    assert capsys.readouterr().err == "No such user: bbo.\n"


def test_nothing_behind_logout_is_carried_out() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.take_logout()
        assert link.until_closed() == b""

    with FakeServer(script) as server:
        assert len(chat(server, "/quit\nbroadcast too late\n")) == 1


def test_it_keeps_a_few_requests_ahead_and_no_more() -> None:
    def script(link: Link) -> None:
        link.let_in()
        waiting = [link.expect("broadcast")["id"] for _ in range(32)]
        link.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            link.sock.recv(1)
        link.sock.settimeout(DEADLINE)
        for seq in range(100):
            link.send(BroadcastReply(re=waiting.pop(0), seq=seq, busy={}))
            if seq < 68:
                waiting.append(_read_raw(link))
        assert b'"logout"' in link.sock.recv(100)
        link.send(Bye(code="logged_out", text="Goodbye."))

    with FakeServer(script) as server:
        lines = chat(server, "broadcast hi\n" * 100)
    assert lines.count("Sent to everybody here.") == 100


def _read_raw(link: Link) -> int:
    """Read the one request that is on its way; the link's own reader has timed out once."""
    line = link.sock.recv(1000)
    assert line.count(b"\n") == 1
    return int(line.partition(b'"id":')[2].partition(b",")[0])


def test_a_lost_link_ends_it_while_the_input_is_open(open_input: OpenInput) -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.send(message(1, "last words"), Bye(code="kicked", text="You were logged out."))

    out = io.StringIO()
    with FakeServer(script) as server, pytest.raises(LinkLost, match="You were logged out"):
        plain(server, open_input, out).run()
    assert unstamped(out.getvalue().splitlines()[-1]) == "bob: last words"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\r\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfwho\n\xef\xbb\xbfx\n", ["who", "\ufeffx"]),
        (b"\xff\n", ["\ufffd"]),
        (b"a\n" + b"x" * 2_000_000 + b"\nb\n", ["a"]),
    ],
)
def test_input_in_lines(data: bytes, lines: list[str]) -> None:
    assert list(InputLines(io.BytesIO(data), "utf-8")) == lines


def test_no_input_at_all() -> None:
    assert list(InputLines(None, "utf-8")) == []


# The command as a process


def run(port: int, typed: str, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "chatclient", "127.0.0.1", str(port), *options],
        input=typed,
        capture_output=True,
        encoding="utf-8",
        env=CLEAN_ENVIRON | {"PYTHONIOENCODING": "utf-8"} | environ,
        timeout=DEADLINE,
        check=False,
    )


def leave(link: Link) -> None:
    link.let_in("Alice")
    link.take_logout()


def refuse(link: Link) -> None:
    link.greet()
    login = link.expect("login")
    assert (login["name"], login["password"]) == ("alice", "secret")
    link.send(Error(re=login["id"], code="bad_credentials", text="Wrong.", attempts_left=2))
    assert link.until_closed() == b""  # one try only


@pytest.mark.parametrize(
    ("typed", "options", "environ"),
    [
        ("alice\nsecret\n", (), {}),
        ("secret\n", ("--user", "alice"), {}),
        ("secret\n", (), {"CHAT_USER": "alice"}),
        ("alice\n", (), {"CHAT_PASSWORD": "secret"}),
        ("", ("--user", "alice"), {"CHAT_PASSWORD": "secret"}),
    ],
)
def test_name_and_password_come_from_anywhere(
    typed: str, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    with FakeServer(refuse) as server:
        done = run(server.port, typed, *options, **environ)
    assert done.returncode == 4
    assert (done.stdout, done.stderr) == ("", "Wrong. (2 tries left)\n")


def test_leaving_in_good_order_is_a_success() -> None:
    with FakeServer(leave) as server:
        done = run(server.port, "alice\nsecret\n")
    assert (done.returncode, done.stderr) == (0, "")
    welcome = "Welcome, Alice. Here now: bob. Type help for the commands.\n"
    assert unstamped(done.stdout) == welcome


def test_nobody_listens() -> None:
    with FakeServer() as server:
        pass
    done = run(server.port, "")
    assert done.returncode == 3
    assert done.stderr.startswith("Nobody is listening at 127.0.0.1 port ")
    assert done.stderr.count("\n") == 1


def test_a_lost_link_has_its_own_code() -> None:
    def script(link: Link) -> None:
        link.let_in()

    with FakeServer(script) as server:
        done = run(server.port, "secret\nwho\n", "--user", "alice")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "connection" in done.stderr


@pytest.mark.parametrize(
    ("typed", "options", "word"),
    [
        ("", ("--user", "a b"), "cannot be a name"),
        ("", ("--nonsense",), "No such option"),
        ("alice\n", (), "The input ended before name and password"),
    ],
)
def test_wrong_usage(typed: str, options: tuple[str, ...], word: str) -> None:
    def script(link: Link) -> None:
        link.greet()
        link.until_closed()

    with FakeServer(*([script] if typed else [])) as server:
        done = run(server.port, typed, *options)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_alone_loads_no_screen() -> None:
    code = "import sys, chatclient.cli.connect; sys.exit('prompt_toolkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
def test_at_a_terminal_the_cursor_is_left_alone() -> None:
    pexpect = pytest.importorskip("pexpect")

    def play(link: Link) -> None:
        link.send(message(1, "\x1b[2Jhello"), Presence(name="bob", state="busy"))
        who = link.expect("who")
        link.send(message(2, "more"), WhoReply(re=who["id"], users=()))

    with FakeServer(at_home(play)) as server:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "chatclient", "127.0.0.1", str(server.port), "--user", "alice", "--plain"],
            env=CLEAN_ENVIRON | {"TERM": "xterm-256color", "PYTHONUTF8": "1"},
            timeout=DEADLINE,
            encoding="utf-8",
        )
        child.delaybeforesend = None
        child.logfile_read = seen = io.StringIO()
        child.expect("Password for alice: ")
        child.sendline("secret")
        child.expect("bob is busy.")
        child.sendline("who")
        child.expect("bob: more")
        child.sendeof()
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    lines = seen.getvalue().split("\r\n")
    assert "".join(lines).isprintable()  # so there is no ESC, no BS and no bare CR
    stamped = [
        line[line.index(" bob") + 1 :] for line in lines if STAMP.match(line) and " bob" in line
    ]
    assert stamped[1:] == ["bob: [2Jhello", "bob is busy.", "bob: more"]


@contextmanager
def asking(server: FakeServer, stdout: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The command as a process that has asked who is there; it must say nothing more than that."""
    with subprocess.Popen(
        [sys.executable, "-m", "chatclient", "127.0.0.1", str(server.port), "--user", "a"],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=CLEAN_ENVIRON,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"secret\nwho\n")
        process.stdin.flush()
        yield process
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE manners")
def test_an_output_nobody_reads_ends_it_quietly() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        reader.close()
        link.send(message(1, "hi"))
        link.until_closed()

    reading, writing = os.pipe()
    reader = os.fdopen(reading)
    with FakeServer(script) as server, asking(server, writing) as process:
        os.close(writing)
        assert process.wait(DEADLINE) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_is_clean() -> None:
    asked = threading.Event()

    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        asked.set()
        link.until_closed()

    with FakeServer(script) as server, asking(server, subprocess.DEVNULL) as process:
        assert asked.wait(DEADLINE)
        process.send_signal(2)
        assert process.wait(DEADLINE) == 130


def test_a_request_may_still_be_open_when_the_link_goes() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        link.reset()

    with FakeServer(script) as server, pytest.raises(LinkLost):
        chat(server, "who\n")


def test_answers_without_words_are_silent() -> None:
    def play(link: Link) -> None:
        link.send(Reply(op="new_thing", re=link.expect("idle")["id"]))

    with FakeServer(at_home(play)) as server:
        assert len(chat(server, "idle\n")) == 1


def test_what_is_typed_goes_to_whom_one_talks_to(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        said = link.expect("send")
        assert (said["to"], said["text"]) == (["bob"], "who")
        link.send(BroadcastReply(re=said["id"], seq=1, busy={}))
        link.send(
            StatusReply(
                re=link.expect("status")["id"], name="alice", busy=False, hidden=False, held=0
            )
        )

    with FakeServer(at_home(play)) as server:
        chat(server, "talk bob\nwho\n/status\n")
    assert "What you type goes to bob" in capsys.readouterr().err


def test_a_lost_link_is_told_even_if_the_input_has_ended() -> None:
    """The lost link answers what was open, and that lets the typist close the client at once."""

    def script(link: Link) -> None:
        link.let_in()

    with FakeServer(script) as server:
        client = plain(server, io.BytesIO(b"who\n"), io.StringIO())
        keeper = client._client._keeper
        let_go = keeper._let_go
        closed = threading.Event()
        close = client._client.close

        def slowly(connection: Connection, error: ChatError) -> None:
            let_go(connection, error)
            assert closed.wait(DEADLINE)

        def closing() -> None:
            client._client._mailbox.close()
            closed.set()
            close()

        keeper._let_go = slowly  # type: ignore[method-assign]
        client._client.close = closing  # type: ignore[method-assign]
        with pytest.raises(LinkLost):
            client.run()
