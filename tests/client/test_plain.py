"""Lines in and lines out, where there is no terminal to draw on."""

import io
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from chatclient.errors import ChatError, LinkLost
from chatclient.faces.plain import Plain
from chatclient.link.connection import Connection
from chatclient.link.resume import ResumingClient
from chatclient.setup.inputlines import InputLines, RawInput
from chatwire.events import Bye, Error
from chatwire.replies import BroadcastReply, HistoryReply, Reply, StatusReply

from .fake import (
    COMMANDS,
    DEADLINE,
    HISTORY,
    FakeServer,
    Link,
    at_home,
    commands,
    message,
    refuse_history,
    take_history,
)
from .process import unstamped


def plain(server: FakeServer, source: RawInput, out: io.StringIO) -> Plain:
    """Log in, and return a client that does not come back when the link is lost."""
    entry = server.enter()
    client = ResumingClient(server.connect, "alice", entry.password, patience=0)
    return Plain(entry, client, InputLines(source, "utf-8"), out)


def chat(server: FakeServer, typed: str) -> list[str]:
    """Run the plain client over `typed` and return what it wrote, without the times."""
    out = io.StringIO()
    plain(server, io.BytesIO(typed.encode()), out).run()
    return list(map(unstamped, out.getvalue().splitlines()))


class OpenInput:
    """An input in which nothing comes until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def read(self, _size: int, /) -> bytes:
        self._closed.wait(DEADLINE)
        return b""

    def close(self) -> None:
        self._closed.set()


STANDING = StatusReply(name="alice", busy=False, hidden=False, held=0)


def test_it_answers_then_logs_out_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        said, asked = link.expect("broadcast"), link.expect("status")
        link.answer("idle", Reply(op="new_thing"))  # an answer without words is silent
        link.answer("send", Error(code="no_such_user", text="No such user: bbo."))
        link.send(
            message(1, "hello\nyou"),
            structs.replace(STANDING, re=asked["id"]),
            BroadcastReply(re=said["id"], seq=2, busy={}),
            message(3, "psst", to=("alice",)),
        )
        assert link.read() == {"op": "ack", "upto": 3}

    with FakeServer(at_home(play)) as server:
        # There is no line feed at the end.
        lines = chat(server, "broadcast hi\n\nbrodcast hi\n/status\nidle\nsend bbo hi")
    assert lines == [
        "Welcome, alice. Here now: bob. Type help for the commands.",
        "bob: hello / you",
        "You are alice: not busy, visible.",
        "Sent to everybody here.",
        "bob → you: psst",
    ]
    first, second = capsys.readouterr().err.splitlines()
    assert "did you mean broadcast?" in first
    assert second == "No such user: bbo."


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
            link.read()
        link = Link(link.sock)  # what has timed out once reads no more
        for seq in range(100):
            link.send(BroadcastReply(re=waiting.pop(0), seq=seq, busy={}))
            if seq < 68:
                waiting.append(link.expect("broadcast")["id"])
        link.take_logout()

    with FakeServer(script) as server:
        lines = chat(server, "broadcast hi\n" * 100)
    assert lines.count("Sent to everybody here.") == 100


def test_a_lost_link_ends_it_while_the_input_is_open() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.send(message(1, "last words"), Bye(code="kicked", text="You were logged out."))

    out = io.StringIO()
    with FakeServer(script) as server, closing(OpenInput()) as source:
        client = plain(server, source, out)
        with pytest.raises(LinkLost, match="You were logged out"):
            client.run()
    assert unstamped(out.getvalue().splitlines()[-1]) == "bob: last words"


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (None, []),
        (b"", []),
        (b"a\nb\r\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfwho\n\xef\xbb\xbfx\n", ["who", "\ufeffx"]),
        (b"\xff\n", ["\ufffd"]),
        (b"a\n" + b"x" * 2_000_000 + b"\nb\n", ["a"]),
    ],
)
def test_input_in_lines(data: bytes | None, lines: list[str]) -> None:
    source = None if data is None else io.BytesIO(data)
    assert list(InputLines(source, "utf-8")) == lines


def test_what_is_typed_goes_to_whom_one_talks_to(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        said = link.answer("send", BroadcastReply(seq=1, busy={}))
        assert (said["to"], said["text"]) == (["bob"], "who")
        link.answer("status", STANDING)

    with FakeServer(at_home(play)) as server:
        chat(server, "talk bob\nwho\n/status\n")
    assert "What you type goes to bob" in capsys.readouterr().err


WITH_HISTORY = (*COMMANDS, HISTORY)


def test_nobody_is_not_talked_to(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        refuse_history(link)
        take_history(link, 1, True, **{"with": "carol"})
        later = Error(code="try_later", text="Later.")
        assert link.answer("send", later)["to"] == ["carol"]

    with FakeServer(at_home(play, commands=WITH_HISTORY)) as server:
        lines = chat(server, "talk bbo\nfor bob alone\ntalk carol\nhi\n")
    assert len(lines) == 1  # the welcome
    said = capsys.readouterr().err
    assert "There is nobody called bbo. Did you mean bob?" in said
    assert "No such user" not in said


def test_more_goes_on_where_history_began(capsys: pytest.CaptureFixture[str]) -> None:
    def play(link: Link) -> None:
        take_history(link, 5, True, limit=2)
        take_history(link, 3, True, limit=2, before=5)
        take_history(link, 1, False, limit=2, before=3)

    with FakeServer(at_home(play, commands=WITH_HISTORY)) as server:
        lines = chat(server, "more\nhistory 2\nmore\n/more\nmore\n")
    assert [line[-1] for line in lines if "number" in line] == list("563412")
    assert capsys.readouterr().err.count("There is nothing to go on with") == 2


def test_what_stands_around_has_numbers_and_goes_on_back() -> None:
    def play(link: Link) -> None:
        there = (message(7, "seven", room="ops"), message(8, "eight", room="ops"))
        link.answer("around", HistoryReply(messages=there, more=True))
        before = (message(6, "six", room="ops"),)
        asked = link.answer("history", HistoryReply(messages=before, more=False))
        assert (asked["room"], asked["before"]) == ("ops", 7)

    with FakeServer(at_home(play, commands=(*WITH_HISTORY, *commands("around")))) as server:
        lines = chat(server, "around ^8\nmore\n")
    assert [line for line in lines if line.startswith("^")] == [
        "^7 bob → #ops: seven",
        "^8 bob → #ops: eight",
        "^6 bob → #ops: six",
    ]


def test_whoever_is_ignored_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(link: Link) -> None:
        number = link.expect("status")["id"]
        link.send(message(1, "hi"), message(2, "hello", "carol"))
        link.send(StatusReply(re=number, name="alice", busy=False, hidden=False, held=0))

    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path)
    with FakeServer(at_home(play)) as server:
        lines = chat(server, "ignore bob\nstatus\n")
    assert "You hear nothing of bob any more" in capsys.readouterr().err
    assert not any("bob: hi" in line for line in lines)
    assert any("carol: hello" in line for line in lines)


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
