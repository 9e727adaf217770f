"""Connection against a scripted server: who gets which answer, and how it all ends."""

import random
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from msgspec import UNSET, structs, to_builtins

from chatclient.errors import ConnectFailed, LinkLost, NoAnswer, Refused
from chatclient.link.connection import Connection
from chatwire.events import Bye, Error, Event, Hello, Message, Ping, Presence, Replayed
from chatwire.replies import BroadcastReply, Reply, SendReply, StatusReply

from .fake import DEADLINE, FakeServer, Link, greeted, message, talking, welcome

# Coming in


@pytest.mark.parametrize("answer", [None, Error(code="not_logged_in", text="No.")])
def test_the_first_line_is_json_and_any_answer_will_do(answer: Error | None) -> None:
    def script(link: Link) -> None:
        assert link.sock.recv(1, socket.MSG_PEEK) == b"{"
        link.send(Hello(server="fake"))
        link.answer("ping", answer)
        link.until_closed()

    with FakeServer(script) as server, server.connect() as chat:
        assert chat.hello == Hello(server="fake")
        assert chat.lost is None


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "There is no host called nowhere: check"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "The address of nowhere cannot be looked up now"),
        (TimeoutError("timed out"), "nowhere port 4119 did not answer within 2 s: check"),
        (OSError(113, "No route to host"), r"cannot be reached \(No route to host\): check"),
        (UnicodeError("label empty"), "There is no host called nowhere: check"),
        (OverflowError("port"), "4119 is not a port"),
    ],
)
def test_no_way_there(monkeypatch: pytest.MonkeyPatch, raised: Exception, sentence: str) -> None:
    def fail(*_: object, **_named: object) -> None:
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectFailed, match=sentence) as caught:
        Connection.open("nowhere", timeout=2)
    assert "\n" not in caught.value.text


def test_a_listener_that_never_answers() -> None:
    with (
        FakeServer(Link.until_closed) as server,
        pytest.raises(ConnectFailed, match="took the connection but did not answer within"),
    ):
        Connection.open("127.0.0.1", server.port, timeout=0.05)


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.9\r\n", b'{"event":"hello","server":"x","protocol":"chat/9"}\n', b""],
)
def test_something_else_listens_there(greeting: bytes) -> None:
    def script(link: Link) -> None:
        number = link.expect("ping")["id"]
        if greeting:
            link.send(greeting, Reply(op="ping", re=number))

    with FakeServer(script) as server, pytest.raises(ConnectFailed):
        server.connect()


def test_turned_away_at_the_door() -> None:
    def script(link: Link) -> None:
        link.expect("ping")
        link.send(Bye(code="server_full", text="The server is full; try again later."))

    with FakeServer(script) as server, pytest.raises(ConnectFailed) as caught:
        server.connect()
    assert caught.value.code == "server_full"
    assert caught.value.text == "The server is full; try again later."


# Asking


def test_login_sends_what_it_was_given() -> None:
    seen = []

    def play(link: Link) -> None:
        seen.append(link.welcome(missed=2, hidden=True))
        seen.append(link.welcome(seq=41))

    with talking(play) as chat:
        reply = structs.replace(chat.login("alice", "secret"), re=UNSET)
        assert reply == welcome(missed=2, hidden=True)
        assert chat.login("alice", "secret", since=41).seq == 41
    assert [request["password"] for request in seen] == ["secret", "secret"]
    assert [request.get("since") for request in seen] == [None, 41]


def test_eight_threads_ask_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    each = 25

    def play(link: Link) -> None:
        waiting = []
        for _ in range(8 * each):
            waiting.append(link.expect("broadcast"))
            if len(waiting) == 8:  # all eight threads wait for an answer by now
                random.shuffle(waiting)
                for request in waiting:
                    seq = int(request["text"])
                    link.send(BroadcastReply(re=request["id"], seq=seq, busy={}))
                waiting = []

    def ask(chat: Connection, first: int) -> list[int]:
        return [chat.broadcast(str(number)).seq for number in range(first, first + each)]

    with talking(play) as chat, ThreadPoolExecutor(8) as pool:
        send, sending, overlaps = chat._transport.send, threading.Lock(), []

        def watched_send(data: bytes, **more: bool) -> None:
            overlaps.append(sending.locked())
            with sending:
                time.sleep(0)  # lets another thread come in between, if it can
                send(data, **more)

        monkeypatch.setattr(chat._transport, "send", watched_send)
        futures = [pool.submit(ask, chat, first * 1000) for first in range(8)]
        for first, future in enumerate(futures):
            assert future.result(DEADLINE) == [*range(first * 1000, first * 1000 + each)]
    assert len(overlaps) == 8 * each
    assert not any(overlaps)


def test_what_is_said_gets_a_key_of_its_own() -> None:
    seen: list[dict[str, Any]] = []
    broadcast = BroadcastReply(seq=1, busy={})
    sent = SendReply(seq=1, busy={}, delivered=("bob",), stored=(), unknown=())

    def play(link: Link) -> None:
        for reply in (broadcast, sent, sent, broadcast):
            seen.append(link.answer(reply.op, reply))

    with talking(play) as chat:
        chat.broadcast("one")
        chat.send("bob", "two")
        chat.send(("bob", "carol"), "three", key="mine")
        chat.submit("broadcast", text="four").result(DEADLINE)
    assert [request.get("to") for request in seen] == [None, ["bob"], ["bob", "carol"], None]
    keys = [request["key"] for request in seen]
    assert keys[2] == "mine"
    assert len(set(keys)) == 4
    assert all(0 < len(key) <= 64 for key in keys)


@pytest.mark.parametrize(
    "refusal",
    [
        {"code": "bad_credentials", "text": "Wrong.", "attempts_left": 2, "retry_after": None},
        {"code": "locked_out", "text": "Blocked.", "attempts_left": None, "retry_after": 60},
    ],
)
def test_a_refusal_carries_everything(refusal: dict[str, Any]) -> None:
    given = {name: value for name, value in refusal.items() if value is not None}
    with talking(lambda link: link.answer("login", Error(**given))) as chat:
        with pytest.raises(Refused) as caught:
            chat.login("alice", "x")
        assert chat.lost is None
    assert {name: getattr(caught.value, name) for name in refusal} == refusal


def test_no_answer_in_time_and_then_a_late_one() -> None:
    given_up = threading.Event()

    def play(link: Link) -> None:
        number = link.expect("who")["id"]
        assert given_up.wait(DEADLINE)
        link.send({"event": "reply", "re": number, "op": "who", "users": []}, message(1, "hi"))

    with talking(play) as chat:
        with pytest.raises(NoAnswer, match=r"did not answer 'who' within 0\.05 s"):
            chat.request("who", timeout=0.05)
        given_up.set()
        assert isinstance(chat.next_event(DEADLINE), Message)  # and not the late answer


def test_posted_requests_are_answered_among_the_events() -> None:
    def play(link: Link) -> None:
        link.send(message(1, "before"))
        link.answer("status", StatusReply(name="alice", busy=False, hidden=False, held=0))
        link.send(message(2, "between"))
        link.answer("nonsense", Error(code="unknown_command", text="What?"))

    with talking(play) as chat:
        numbers = [chat.post("status"), chat.post("nonsense")]
        got = [chat.next_event(DEADLINE) for _ in range(4)]
    assert [type(event) for event in got] == [Message, StatusReply, Message, Error]
    assert [event.re for event in got if isinstance(event, Reply | Error)] == numbers


def test_ack_expects_no_answer() -> None:
    seen = []

    with talking(lambda link: seen.append(link.read())) as chat:
        chat.ack(17)
    assert seen == [{"op": "ack", "upto": 17}]


def test_a_callback_must_not_wait_for_an_answer() -> None:
    told: Future[str] = Future()
    prepared = threading.Event()

    def play(link: Link) -> None:
        number = link.expect("ping")["id"]
        assert prepared.wait(DEADLINE)
        link.send(Reply(op="ping", re=number))

    with talking(play) as chat:

        def ask_again(_: Future[Reply]) -> None:
            try:
                chat.request("ping")
            except RuntimeError as error:
                told.set_result(str(error))

        chat.submit("ping").add_done_callback(ask_again)
        prepared.set()
        assert "callback" in told.result(DEADLINE)


# Listening


def test_events_come_in_order_and_end_with_the_reason() -> None:
    sent: list[Event] = [
        message(1, "old", replay=True),
        Replayed(count=1, more=0),
        Presence(name="bob", state="online"),
        message(2, "new"),
        message(3, "psst", to=("alice",)),
        Error(code="line_too_long", text="Too long."),
        Bye(code="idle_timeout", text="Logged out after 30 minutes without a command."),
    ]

    def play(link: Link) -> None:  # and what a newer server says besides is ignored
        known: dict[str, object] = to_builtins(sent[0])
        link.send({"event": "weather", "sky": "blue"}, known | {"mood": "!"}, *sent[1:])

    got: list[Event] = []
    with talking(play) as chat:
        with pytest.raises(LinkLost) as caught:
            got.extend(chat.events())
        assert chat.bye == sent[-1]
        with pytest.raises(LinkLost, match="30 minutes"):
            chat.request("who")
        with pytest.raises(LinkLost, match="30 minutes"):
            chat.post("who")
    assert got == sent
    assert caught.value.code == "idle_timeout"


def test_waiting_for_an_event_can_end() -> None:
    with talking() as chat:
        assert chat.next_event(0) is None
        assert chat.next_events(0.01) == []


@pytest.mark.parametrize("listen", [True, False])
def test_a_full_queue_stops_the_reader_until_somebody_listens_or_leaves(listen: bool) -> None:
    stopped = threading.Event()

    def script(link: Link) -> None:
        link.greet()
        link.send(message(1, "a"), message(2, "b"), message(3, "c"), Ping())
        link.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            link.sock.recv(1)  # no pong: the reader waits for room for the third
        link.sock.settimeout(DEADLINE)
        stopped.set()
        if listen:
            assert link.sock.recv(100) == b'{"op":"pong"}\n'
            link.send(message(4, "d"))
            assert link.sock.recv(100) == b""

    with FakeServer(script) as server, server.connect(queue_limit=2) as chat:
        assert stopped.wait(DEADLINE)
        if listen:
            got = [chat.next_event(DEADLINE) for _ in range(4)]
            assert [event.seq for event in got if isinstance(event, Message)] == [1, 2, 3, 4]
        else:
            chat.close()
            assert not chat._reader._thread.is_alive()


def test_a_full_queue_does_not_stop_an_answer() -> None:
    def play(link: Link) -> None:
        link.send(*(message(seq, "x") for seq in range(1, 10)))
        number = link.expect("ping")["id"]
        link.send(*(message(seq, "x") for seq in range(10, 20)), Reply(op="ping", re=number))

    with talking(play, queue_limit=2) as chat:
        chat.request("ping", timeout=DEADLINE)
        got = chat.next_events(DEADLINE)
    assert [event.seq for event in got if isinstance(event, Message)] == [*range(1, 20)]


# The end


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_lost_link_fails_everybody_who_waits(how: str) -> None:
    def script(link: Link) -> None:
        link.greet()
        for _ in range(3):
            link.expect("who")
        getattr(link, how)()

    with FakeServer(script) as server, server.connect() as chat:
        futures = [chat.submit("who") for _ in range(3)]
        wait(futures, DEADLINE)
        for future in futures:
            assert isinstance(future.exception(0), LinkLost)
        assert isinstance(chat.submit("who").exception(0), LinkLost)
        with pytest.raises(LinkLost) as caught:
            chat.next_event(DEADLINE)
    assert caught.value.code is None
    assert "connection" in caught.value.text


@pytest.mark.parametrize(
    "line",
    [
        b"\x80\xff\n",
        b"not json\n",
        b"[1]\n",
        b'{"event":"message","seq":"x"}\n',
        b'{"no":"event"}\n',
    ],
)
def test_a_line_that_is_no_event_ends_the_link(line: bytes) -> None:
    def play(link: Link) -> None:
        link.expect("who")
        link.send(message(1, "still good"), line)

    with talking(play) as chat:
        with pytest.raises(LinkLost, match="not chat/1"):
            chat.request("who", timeout=DEADLINE)
        assert chat.next_event(DEADLINE) == message(1, "still good")
        with pytest.raises(LinkLost, match="not chat/1"):
            chat.next_event(DEADLINE)


def test_the_wrong_kind_of_answer_is_an_error() -> None:
    wrong = Reply(op="ping")
    with talking(lambda link: link.answer("broadcast", wrong)) as chat, pytest.raises(LinkLost):
        chat.broadcast("hi")


def test_silence_is_asked_about_and_then_counts_as_the_end() -> None:
    def play(link: Link) -> None:
        link.answer("ping")
        link.expect("ping")

    with talking(play, quiet_seconds=0.05) as chat, pytest.raises(LinkLost, match="silent"):
        chat.next_event(DEADLINE)


def test_it_is_known_for_how_long_a_question_has_had_no_answer() -> None:
    asked, answer = threading.Event(), threading.Event()

    def play(link: Link) -> None:
        link.expect("ping")
        asked.set()
        assert answer.wait(DEADLINE)
        link.send(message(1, "hi"))  # any sign of life will do

    with talking(play, quiet_seconds=1.0) as chat:
        assert chat.unanswered_seconds == 0
        assert asked.wait(DEADLINE)
        first = chat.unanswered_seconds
        assert chat.unanswered_seconds > first
        answer.set()
        assert chat.next_event(DEADLINE) == message(1, "hi")
        assert chat.unanswered_seconds == 0


def test_close_from_another_thread_wakes_who_listens() -> None:
    listening = threading.Event()
    got: list[Event] = []

    def listen(chat: Connection) -> None:
        for event in chat.events():
            got.append(event)
            listening.set()

    with talking(lambda link: link.send(message(1, "hi"))) as chat:
        listener = threading.Thread(target=listen, args=(chat,))
        listener.start()
        assert listening.wait(DEADLINE)
        waiting = chat.submit("who")
        chat.close()
        chat.close()
        listener.join(DEADLINE)
        assert not listener.is_alive()
        assert isinstance(waiting.exception(DEADLINE), LinkLost)
    assert got == [message(1, "hi")]


def test_silence_frees_a_sender_whom_nobody_reads() -> None:
    blocked = threading.Event()

    def script(link: Link) -> None:
        link.greet()
        assert blocked.wait(2 * DEADLINE)

    def flood(chat: Connection) -> Future[Reply]:
        future = chat.submit("broadcast", text="x" * 1000)
        while not future.done():
            future = chat.submit("broadcast", text="x" * 1_000_000)
        return future

    with (
        FakeServer(script) as server,
        server.connect(quiet_seconds=0.05) as chat,
        ThreadPoolExecutor(1) as pool,
    ):
        flooding = pool.submit(flood, chat)
        with pytest.raises(LinkLost):
            chat.next_event(DEADLINE)
        assert isinstance(flooding.result(DEADLINE).exception(0), LinkLost)
        blocked.set()


@pytest.mark.parametrize("polite", [True, False])
def test_logout_ends_the_events_quietly(polite: bool) -> None:
    def impolite(link: Link) -> None:
        link.greet()
        link.expect("logout")

    script = greeted(Link.take_logout) if polite else impolite
    with FakeServer(script) as server, server.connect() as chat:
        chat.logout()
        got = list(chat.events())
        assert chat.leaving
        assert (chat.bye is not None) is polite
    assert got == ([Bye(code="logged_out", text="Goodbye.")] if polite else [])
