"""One message: tried again until it is stored, with one key, and not when that is no use."""

import io

import click
import pytest

from chatclient.cli.exits import FAILED, NO_LINK, NOT_LET_IN, code_of
from chatclient.cli.send import _text, send
from chatclient.cli.tail import tail
from chatclient.errors import ConnectFailed, LinkLost, NoAnswer, Refused
from chatclient.link.connection import Connection
from chatclient.link.oneshot import Parcel, deliver
from chatwire.events import Bye, Error
from chatwire.replies import BroadcastReply, Reply, SendReply

from .fake import DEADLINE, FakeServer, Link, greeted
from .process import run


def post(parcel: Parcel, *ports: int, within: float = DEADLINE) -> Reply:
    """Deliver a parcel; each try is at the next port, and all after that at the last."""
    left = list(ports)

    def connect(seconds: float) -> Connection:
        port = left.pop(0) if len(left) > 1 else left[0]
        return Connection.open("127.0.0.1", port, timeout=seconds)

    return deliver(parcel, connect, "alice", "secret", within, pause=0.01)


@pytest.fixture
def nobody_there() -> int:
    """A port at which nobody listens."""
    with FakeServer() as server:
        return server.port


def test_the_same_key_until_there_is_an_answer() -> None:
    parcel = Parcel("hi", ("bob",))
    keys = []

    def heard(link: Link) -> int:
        link.take_login_again()
        said = link.expect("send")
        assert (said["to"], said["text"]) == (["bob"], "hi")
        keys.append(said["key"])
        return int(said["id"])

    def cut(link: Link) -> None:
        heard(link)
        link.reset()

    def going(link: Link) -> None:
        link.greet()
        link.send(Bye(code="shutting_down", text="The server is shutting down."))

    def busy(link: Link) -> None:
        link.greet()
        link.answer("login", Error(code="try_later", text="Busy.", retry_after=0))
        link.until_closed()

    def full_and_then_well(link: Link) -> None:
        link.send(Error(re=heard(link), code="storage_full", text="The disk is full."))
        # On this connection: another login would cost the server another hash.
        reply = SendReply(seq=7, delivered=("bob",), stored=(), busy={}, unknown=(), duplicate=True)
        keys.append(link.answer("send", reply)["key"])
        link.take_logout()

    with FakeServer(cut, going, busy, full_and_then_well) as server:
        reply = post(parcel, server.port)
    assert isinstance(reply, SendReply)
    assert reply.seq == 7
    assert keys == [parcel.key] * 3


def test_a_server_that_comes_later_is_waited_for(nobody_there: int) -> None:
    def script(link: Link) -> None:
        link.take_login_again()
        link.take_broadcast("hi", 1)
        link.take_logout()

    with FakeServer(script) as server:
        assert isinstance(post(Parcel("hi"), nobody_there, server.port), BroadcastReply)


@pytest.mark.parametrize(
    ("op", "code", "exit_code"),
    [
        ("login", "bad_credentials", NOT_LET_IN),
        ("login", "locked_out", NOT_LET_IN),
        ("broadcast", "text_too_long", FAILED),
        ("broadcast", "bad_request", FAILED),
    ],
)
def test_a_refusal_is_the_end(op: str, code: str, exit_code: int) -> None:
    def play(link: Link) -> None:
        if op != "login":
            link.welcome()
        link.answer(op, Error(code=code, text="No."))

    with FakeServer(greeted(play)) as server, pytest.raises(Refused) as raised:
        post(Parcel("hi"), server.port)
    assert code_of(raised.value) == exit_code


def test_a_line_too_long_is_the_end() -> None:
    def script(link: Link) -> None:
        link.take_login_again()
        link.expect("broadcast")
        text = "A line may have at most 65536 bytes."
        link.send(Error(code="line_too_long", text=text), Bye(code="line_too_long", text=text))

    with FakeServer(script) as server, pytest.raises(LinkLost) as raised:
        post(Parcel("hi"), server.port)
    assert code_of(raised.value) == FAILED


def test_no_time_left(nobody_there: int) -> None:
    parcel = Parcel("hi")
    with pytest.raises(ConnectFailed) as raised:
        post(parcel, nobody_there, within=0)
    assert code_of(raised.value) == NO_LINK
    assert not parcel.handed_over


def test_a_server_that_does_not_answer() -> None:
    def play(link: Link) -> None:
        link.welcome()
        link.expect("broadcast")

    parcel = Parcel("hi")
    with FakeServer(greeted(play)) as server, pytest.raises(NoAnswer) as raised:
        post(parcel, server.port, within=0)
    assert code_of(raised.value) == NO_LINK
    assert parcel.handed_over  # so it may have arrived
    assert Parcel("hi").key != parcel.key


def test_who_cannot_know_is_told_the_key() -> None:
    def script(link: Link) -> None:
        link.take_login_again()
        assert link.expect("broadcast")["key"] == "my own"

    with FakeServer(script) as server:
        environ = {"CHAT_PORT": str(server.port), "CHAT_USER": "alice", "CHAT_PASSWORD": "secret"}
        done = run("chatserver", "send", "--timeout", "0", "--key", "my own", "hi", **environ)
    assert (done.returncode, done.stdout) == (NO_LINK, "")
    first, second = done.stderr.splitlines()
    assert first == "It may have arrived all the same; with --key my own it is not said twice."
    assert "connection" in second


# -- how it is used, and what it takes for a message --


@pytest.mark.parametrize(
    ("command", "arguments", "problem"),
    [
        (send, ("two", "words"), "unexpected extra argument"),
        (send, ("--to", "a b", "hi"), "cannot be a name"),
        (send, ("--key", "k" * 65, "hi"), "A key has 1 to 64"),
        (send, ("--key", "", "hi"), "A key has 1 to 64"),
        (send, ("--timeout", "nan", "hi"), "not a valid integer"),
        (tail, ("-n", "1", "--since", "1"), "Choose one"),
        (tail, ("-n", "-1"), "not in the range"),
    ],
)
def test_wrong_usage(command: click.Command, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        command.main(list(arguments), standalone_mode=False)
    assert problem in raised.value.format_message()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hi", "hi"),
        (b"\xef\xbb\xbf a\r\nb\n\n", " a\nb"),
        (b"\xffx\0\x1b[1m", "\ufffdx[1m"),
        (b"x" * 1_048_576, "x" * 1_048_576),
    ],
)
@pytest.mark.parametrize("argument", [None, "-"])
def test_the_input_is_the_message(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, data: bytes, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert _text(argument) == text


@pytest.mark.parametrize("data", [b"", b" \n\0\n", b"x" * 1_048_577])
def test_an_input_that_is_no_message(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    with pytest.raises(click.UsageError):
        _text(None)


def test_what_stands_on_the_command_line() -> None:
    assert _text("h\udcffi ") == "hi "  # a byte that is no UTF-8
    with pytest.raises(click.UsageError):
        _text("")
