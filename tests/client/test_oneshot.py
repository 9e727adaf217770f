"""One message: tried again until it is stored, with one key, and not when that is no use."""

import socket
import subprocess
import sys
import threading

import pytest

from chatclient.cli.exits import FAILED, NO_LINK, NOT_LET_IN, code_of
from chatclient.errors import ChatError, ConnectFailed, LinkLost, NoAnswer, Refused
from chatclient.link.connection import Connection
from chatclient.link.oneshot import Parcel, deliver
from chatwire.protocol import BroadcastReply, Bye, Error, Reply, SendReply

from .environ import CLEAN_ENVIRON
from .fake import DEADLINE, FakeServer, Link


def post(port: int, parcel: Parcel, within: float = DEADLINE) -> Reply:
    return deliver(
        parcel,
        lambda seconds: Connection.open("127.0.0.1", port, timeout=seconds),
        "alice",
        "secret",
        within,
        pause=0.01,
    )


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
        link.send(
            Error(re=link.expect("login")["id"], code="try_later", text="Busy.", retry_after=0)
        )
        link.until_closed()

    def full_and_then_well(link: Link) -> None:
        link.send(Error(re=heard(link), code="storage_full", text="The disk is full."))
        said = link.expect("send")  # here: another login would cost the server another hash
        keys.append(said["key"])
        reply = {"seq": 7, "delivered": ("bob",), "stored": (), "busy": {}, "unknown": ()}
        link.send(SendReply(re=said["id"], duplicate=True, **reply))
        link.take_logout()

    with FakeServer(cut, going, busy, full_and_then_well) as server:
        reply = post(server.port, parcel)
    assert isinstance(reply, SendReply)
    assert reply.seq == 7
    assert keys == [parcel.key] * 3


def test_a_server_that_comes_later_is_waited_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there yet
        tried = threading.Event()

        def connect(seconds: float) -> Connection:
            try:
                return Connection.open(*taken.getsockname(), timeout=seconds)
            finally:
                tried.set()

        def serve() -> None:
            tried.wait(DEADLINE)
            taken.listen()
            link = Link(taken.accept()[0])
            link.take_login_again()
            link.send(BroadcastReply(re=link.expect("broadcast")["id"], seq=1, busy={}))
            link.take_logout()
            link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        reply = deliver(Parcel("hi"), connect, "alice", "secret", DEADLINE, pause=0.01)
        thread.join()
    assert isinstance(reply, BroadcastReply)


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
    def script(link: Link) -> None:
        if op == "login":
            link.greet()
        else:
            link.take_login_again()
        link.send(Error(re=link.expect(op)["id"], code=code, text="No."))
        link.until_closed()

    with FakeServer(script) as server, pytest.raises(Refused) as raised:
        post(server.port, Parcel("hi"))
    assert code_of(raised.value) == exit_code


def test_a_line_too_long_is_the_end() -> None:
    def script(link: Link) -> None:
        link.take_login_again()
        link.expect("broadcast")
        text = "A line may have at most 65536 bytes."
        link.send(Error(code="line_too_long", text=text), Bye(code="line_too_long", text=text))

    with FakeServer(script) as server, pytest.raises(LinkLost) as raised:
        post(server.port, Parcel("hi"))
    assert code_of(raised.value) == FAILED


def test_no_time_left() -> None:
    with FakeServer() as server:
        pass
    parcel = Parcel("hi")
    with pytest.raises(ConnectFailed) as raised:
        post(server.port, parcel, within=0)
    assert code_of(raised.value) == NO_LINK
    assert not parcel.handed_over


def test_a_server_that_does_not_answer() -> None:
    released = threading.Event()

    def script(link: Link) -> None:
        link.take_login_again()
        link.expect("broadcast")
        assert released.wait(DEADLINE)

    parcel = Parcel("hi")
    with FakeServer(script) as server:
        try:
            with pytest.raises(NoAnswer) as raised:
                post(server.port, parcel, within=0)
        finally:
            released.set()
    assert code_of(raised.value) == NO_LINK
    assert parcel.handed_over  # so it may have arrived


def test_each_parcel_has_a_key_of_its_own() -> None:
    assert Parcel("hi").key != Parcel("hi").key
    assert code_of(ChatError("x")) == NO_LINK


def test_who_cannot_know_is_told_the_key() -> None:
    def script(link: Link) -> None:
        link.take_login_again()
        assert link.expect("broadcast")["key"] == "my own"

    with FakeServer(script) as server:
        done = subprocess.run(
            [sys.executable, "-m", "chatserver", "send", "--timeout", "0", "--key", "my own", "hi"],
            env=CLEAN_ENVIRON
            | {"CHAT_PORT": str(server.port), "CHAT_USER": "alice", "CHAT_PASSWORD": "secret"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (NO_LINK, "")
    first, second = done.stderr.splitlines()
    assert first == "It may have arrived all the same; with --key my own it is not said twice."
    assert "connection" in second
