"""A link that is cut at every byte: nothing is lost, doubled or out of order."""

import itertools
import threading
from contextlib import suppress

import pytest

from chatclient.errors import ConnectFailed, Refused
from chatclient.link.connection import Connection
from chatclient.link.resume import ResumingClient
from chatwire.events import (
    Deleted,
    Edited,
    Event,
    Message,
    Numbered,
    Presence,
    Reacted,
    RoomChanged,
)
from chatwire.replies import LoginReply, SendReply

from .client import PASSWORD
from .process import ServerProcess
from .proxy import STEP, CuttingProxy

DEADLINE = 20.0


def resuming(proxy: CuttingProxy, name: str) -> ResumingClient:
    return ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port, timeout=DEADLINE),
        name,
        PASSWORD,
        pause=0.002,
        longest_pause=0.01,
    )


def start(client: ResumingClient) -> None:
    """The first connection is the program's own to try again."""
    while True:
        with suppress(Exception):
            client.start()
            return


@pytest.mark.parametrize(
    ("proxy", "cuts"),
    [
        pytest.param(STEP, 100, id="normal"),
        pytest.param(1, 900, id="soak", marks=(pytest.mark.soak, pytest.mark.timeout(300))),
    ],
    indirect=["proxy"],
)
def test_nothing_is_lost_doubled_or_out_of_order(
    server: ServerProcess, proxy: CuttingProxy, cuts: int
) -> None:
    ann, bob = server.accounts("ann", "bob")
    room = f"room-{ann}"
    with server.json(bob) as person, server.json(ann) as owner:
        owner.request("create", room=room)
        person.request("join", room=room)
    sender, receiver = resuming(proxy, ann), resuming(proxy, bob)
    start(receiver)
    start(sender)
    heard: list[tuple[type[Event], str]] = []
    done: list[tuple[type[Event], str]] = []
    said = 0
    try:
        for number in itertools.count(1):
            text = f"number {number}"
            op, fields, kind = _asked(number, room, bob, said, text)
            future = sender.submit(op, **fields)
            done.append((kind, "" if kind is Deleted else text))
            while len(heard) < number:
                event = receiver.next_event(DEADLINE)
                assert event is not None, f"lost after {heard[-1:]}"
                if isinstance(event, Numbered):
                    heard.append((type(event), _words(event)))
                    receiver.ack(event.seq)
            seq = getattr(future.result(DEADLINE), "seq")  # noqa: B009 - of several kinds
            said = seq if kind is Message else said
            if proxy.cuts >= cuts:
                break
        proxy.heal()
        assert heard == done
        while (event := sender.next_event(0.05)) is not None:
            assert not isinstance(event, Numbered) or event.sender != ann
    finally:
        proxy.heal()
        sender.close()
        receiver.close()


def _asked(
    number: int, room: str, other: str, target: int, text: str
) -> tuple[str, dict[str, object], type[Event]]:
    """Return one request after the other of those that are asked again over a lost link."""
    requests: list[tuple[str, dict[str, object], type[Event]]] = [
        ("send", {"room": room, "text": text}, Message),
        ("edit", {"text": text}, Edited),
        ("react", {"target": target, "reaction": text.replace(" ", "")}, Reacted),
        ("topic", {"room": room, "topic": text}, RoomChanged),
        ("reply", {"target": target, "text": text}, Message),
        ("delete", {}, Deleted),
        ("send", {"to": [other], "text": text}, Message),
        ("mute", {"name": other, "room": room, "minutes": number}, RoomChanged),
    ]
    return requests[(number - 1) % len(requests)]


def _words(event: Numbered) -> str:
    match event:
        case Message(text=text) | Edited(text=text):
            return text
        case Reacted(reaction=reaction):
            return reaction.replace("number", "number ")
        case RoomChanged(change="topic", topic=topic):
            return str(topic)
        case RoomChanged(change="muted", minutes=minutes):
            return f"number {minutes}"
    return ""


def test_what_was_asked_twice_is_answered_as_if_once(server: ServerProcess) -> None:
    """Also where the second time finds another world: the name taken, the room gone, left."""
    ann = server.account("ann")
    with server.json(ann) as first, server.json(ann) as second:
        for op, key in (("create", "a"), ("leave", "b")):
            fields = {"room": f"room-{ann}", "key": key}
            reply = first.ask(op, **fields)
            again = second.ask(op, **fields)
            assert (again["seq"], again["duplicate"]) == (reply["seq"], True)
        assert first.refused("leave", room=f"room-{ann}", key="c")["code"] == "no_such_room"


def test_the_last_message_is_the_one_that_was_shown_or_is_on_its_way(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as person:
        person.send("send", to=[bob], text="first")
        person.send("send", to=[bob], text="secnod")
        person.ask("edit", text="second")  # its message has no answer yet, maybe
        with server.json(bob) as other:
            assert [each["text"] for each in other.messages(2)] == ["first", "second"]
            upto = other.ask("react", reaction="+1")["seq"]
        with server.json(bob, since=upto) as other:
            assert not [each for each in other.fence() if "seq" in each]  # nothing again
            other.ask("reply", text="thank you")
        last = person.expect(event="reacted")["target"]
        assert person.expect(event="message")["reply_to"] == last


def test_what_changed_before_the_login_is_given_once(
    server: ServerProcess, proxy: CuttingProxy
) -> None:
    """A replay of changes alone, without a message that was missed, is one as well."""
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as person, server.json(bob) as other:
        person.request("send", to=[bob], text="hello")
        seq = other.expect(event="message")["seq"]
        person.request("edit", text="hello!")
    proxy.heal()
    with resuming(proxy, bob) as client:
        welcome = client.start(since=seq)
        assert (welcome.missed, welcome.replay) == (0, True)
        event = client.next_event(DEADLINE)
        assert isinstance(event, Edited)
        assert (event.target, event.text) == (seq, "hello!")
        assert client.last_seq == event.seq
        with server.json(ann) as person:
            proxy.cut()
            person.request("edit", text="hello!!", target=seq)
            while not isinstance(event := client.next_event(DEADLINE), Edited):
                assert isinstance(event, LoginReply | Presence)
        assert event.text == "hello!!"


def test_an_answer_goes_to_whom_it_was_meant_for(
    server: ServerProcess, proxy: CuttingProxy
) -> None:
    """Also where it is asked again after somebody else has written."""
    ann, bob, carol = server.accounts("ann", "bob", "carol")
    proxy.heal()
    with (
        resuming(proxy, ann) as client,
        server.json(bob) as first,
        server.json(carol) as second,
    ):
        client.start()
        first.request("send", to=[ann], text="who is there?")
        while not isinstance(client.next_event(DEADLINE), Message):
            pass
        gone = threading.Event()
        client.watch = lambda state: gone.set() if state.state == "waiting" else None
        client._open, door = _closed, client._open
        proxy.cut()
        assert gone.wait(DEADLINE)
        answered = client.submit("answer", text="only me")
        second.request("send", to=[ann], text="and I?")
        client._open = door
        assert isinstance(answered.result(DEADLINE), SendReply)
        assert first.expect(event="message")["text"] == "only me"
        assert not second.heard()


def _closed() -> Connection:
    raise ConnectFailed("Not now.")


def test_what_is_refused_is_not_sent_for_ever(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    with resuming(proxy, server.account("ann")) as client:
        client.start()
        with pytest.raises(Refused):
            client.submit("send", to=["nobody.of.that.name"], text="hi").result(DEADLINE)


def test_a_wrong_password_ends_it(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    client = ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port), server.account("ann"), "wrong password"
    )
    with pytest.raises(Refused):
        client.start()
