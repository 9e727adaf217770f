"""Delivery: who gets a message, who is answered what, and how often it is written."""

from typing import ClassVar

import pytest
from server.fakes import Client

from chatserver.dialects.json import JsonRenderer, JsonRequest
from chatserver.dialects.text import RENDERER as TEXT
from chatserver.errors import CommandError
from chatserver.order.delivery import Delivery
from chatserver.order.items import AccountMade, Busy, Came, Hidden, Item, Said
from chatserver.order.outcome import Delivered, Registered
from chatserver.order.pending import Entry, Question
from chatserver.order.presence import Presence
from chatserver.order.records import LOBBY_ID
from chatserver.order.state import first_state
from chatserver.sessions.directory import UserDirectory
from chatserver.speech import Renderer, Traits
from chatwire.events import Event, Message

AT = 1_795_361_042_123


class CountingRenderer(JsonRenderer, frozen=True):
    """Json, and the messages that were written. All of them are equal."""

    written: ClassVar[list[Message]] = []

    def event(self, event: Event, viewer: str = "") -> bytes:
        if isinstance(event, Message):
            self.written.append(event)
        return super().event(event, viewer)


class EchoingRenderer(JsonRenderer, frozen=True):
    """Json for a client that wants to be shown what it says."""

    traits = Traits(acknowledges=True, echoes=True)


class Room:
    """A directory and deliveries into it, in the test's own thread, with no disk."""

    def __init__(self) -> None:
        self.directory = UserDirectory(first_state())
        presence = Presence(self.directory, 0, lambda _: None)
        presence.silent = True
        self.delivery = Delivery(self.directory, presence)

    def account(self, name: str) -> int:
        (made,) = self.happen(AccountMade(at=AT, name=name))
        assert isinstance(made.result, Registered)
        return made.result.account

    def join(self, name: str, renderer: Renderer | None = None) -> Client:
        client = Client(name) if renderer is None else Client(name, renderer)
        session = client.session
        session.account_id = self.account(name)
        self.directory.enter(session)
        self.happen(Came(at=AT, account=session.account_id, session=session.id, name=name))
        client.connection.outbox.release()
        return client

    def busy(self, name: str, reply: str) -> None:
        self.happen(Busy(at=AT, account=self.account(name), reply=reply))

    def hide(self, name: str) -> None:
        self.happen(Hidden(at=AT, account=self.account(name)))

    def post(
        self,
        sender: Client,
        text: str,
        *to: str,
        re: int | None = None,
        key: str | None = None,
        unknown: tuple[str, ...] = (),
    ) -> Entry:
        said = Said(
            at=AT,
            account=sender.session.account_id,
            session=sender.session.id,
            text=text,
            room=None if to else LOBBY_ID,
            to=tuple(map(self.account, to)),
            key=key,
        )
        sender.connection.appended()
        return Entry(
            said,
            Question(
                sender.session, JsonRequest("send", re, b""), unknown, "send" if to else "broadcast"
            ),
        )

    def happen(self, *items: Item) -> list[Entry]:
        entries = [Entry(each, None) for each in items]
        self.deliver(*entries)
        return entries

    def deliver(self, *entries: Entry) -> None:
        self.directory.apply(entries)
        self.delivery.tell(entries)


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_broadcast_goes_to_everybody_but_the_session_that_said_it(room: Room) -> None:
    alice, laptop, bob = room.join("alice"), room.join("alice"), room.join("bob")
    room.deliver(room.post(alice, "hi", re=4))
    message = {
        "event": "message",
        "seq": 1,
        "at": "2026-11-22T15:24:02.123Z",
        "from": "alice",
        "room": "lobby",
        "text": "hi",
    }
    assert bob.events() == laptop.events() == [message]
    assert alice.events() == [{"event": "reply", "re": 4, "op": "broadcast", "seq": 1, "busy": {}}]


def test_a_private_message_goes_to_those_named_and_the_senders_other_sessions(room: Room) -> None:
    alice, laptop = room.join("alice"), room.join("alice")
    bob, bobs_phone, carol = room.join("bob"), room.join("bob"), room.join("carol")
    room.deliver(room.post(alice, "psst", "bob", re=5))
    assert bob.said() == bobs_phone.said() == laptop.said() == ["psst"]
    assert carol.events() == []
    (reply,) = alice.events()
    assert reply == {
        "event": "reply",
        "re": 5,
        "op": "send",
        "seq": 1,
        "delivered": ["bob"],
        "stored": [],
        "busy": {},
        "unknown": [],
    }


def test_every_account_named_is_in_exactly_one_answer(room: Room) -> None:
    alice, *_ = [room.join(name) for name in ("alice", "bob", "Carol", "dave", "eve")]
    room.busy("carol", "at lunch")
    room.hide("dave")
    room.busy("eve", "never seen")
    room.hide("eve")
    names = ("Alice", "bob", "Carol", "dave", "eve", "frank")
    room.deliver(room.post(alice, "hi", *names, unknown=("bbo",)))
    reply, message = alice.events()  # what is said to oneself comes back
    assert message["text"] == "hi"
    assert reply["delivered"] == ["alice", "bob"]
    assert reply["busy"] == {"Carol": "at lunch"}
    assert reply["stored"] == ["dave", "eve", "frank"]
    assert reply["unknown"] == ["bbo"]


def test_the_hidden_get_what_is_stored_for_them(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.hide("bob")
    room.deliver(room.post(alice, "one"), room.post(alice, "two", "bob"))
    assert bob.said() == ["one", "two"]


def test_a_broadcast_names_the_busy_that_can_be_seen_but_not_oneself(room: Room) -> None:
    alice = room.join("alice")
    for name in ("bob", "carol", "dave"):
        room.join(name)
        room.busy(name, f"{name} is away")
    room.busy("alice", "I am busy")
    room.hide("carol")
    room.deliver(room.post(alice, "hi"))
    (reply,) = alice.events()
    assert reply["busy"] == {"bob": "bob is away", "dave": "dave is away"}


def test_the_busy_get_nothing_of_others_or_of_their_own_other_sessions(room: Room) -> None:
    desk, laptop, alice = room.join("bob"), room.join("bob"), room.join("alice")
    room.busy("bob", "")
    room.deliver(room.post(desk, "one"), room.post(desk, "two", "alice", "bob"))
    assert alice.said() == ["one", "two"]
    room.deliver(room.post(alice, "three"), room.post(alice, "four", "bob"))
    assert laptop.events() == []
    assert [each["op"] for each in desk.events()] == ["broadcast", "send"]


def test_everybody_gets_the_same_order(room: Room) -> None:
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    room.deliver(
        room.post(alice, "1"),
        room.post(bob, "2"),
        room.post(alice, "3", "carol"),
        room.post(carol, "4"),
        room.post(bob, "5"),
    )
    assert alice.said() == ["2", "4", "5"]
    assert bob.said() == ["1", "4"]
    assert carol.said() == ["1", "2", "3", "5"]


def test_what_has_been_written_is_the_newest_of_a_run(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.deliver(room.post(alice, "1"), room.post(bob, "2"), room.post(alice, "3"))
    assert bob.connection.outbox.written_seq == 3
    assert alice.connection.outbox.written_seq == 3


def test_a_message_to_the_room_is_written_once_for_everybody(room: Room) -> None:
    CountingRenderer.written.clear()
    alice = room.join("alice", CountingRenderer())
    crowd = [room.join(f"user{number}", CountingRenderer()) for number in range(50)]
    room.deliver(*(room.post(alice, str(number)) for number in range(10)))
    assert len(CountingRenderer.written) == 10
    assert all(each.said() == list(map(str, range(10))) for each in crowd)


def test_each_dialect_is_written_in_its_own_words(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob", TEXT)
    carol = room.join("carol", TEXT)
    room.deliver(room.post(alice, "hi"), room.post(alice, "psst", "bob", "carol"))
    assert bob.text() == "alice: hi\nalice → you, carol: psst\n"
    assert carol.text() == "alice: hi\nalice → you, bob: psst\n"


def test_one_that_failed_is_answered_and_not_delivered(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    failed = room.post(alice, "lost", re=7)
    failed.result = CommandError("storage_full", "No room.")
    kept = room.post(alice, "kept")
    room.directory.apply([kept])
    room.delivery.tell([failed, kept])
    assert bob.said() == ["kept"]
    error, reply = alice.events()
    assert error == {"event": "error", "re": 7, "code": "storage_full", "text": "No room."}
    assert reply["seq"] == 1


def test_a_duplicate_is_answered_and_not_delivered(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.deliver(room.post(alice, "first", key="k"), room.post(alice, "psst", "bob", key="l"))
    assert bob.said() == ["first", "psst"]
    alice.events()
    again = room.post(alice, "psst", "bob", "carol", key="l")
    room.deliver(room.post(alice, "first", key="k"), again)
    assert bob.events() == []
    broadcast, send = alice.events()
    assert (broadcast["seq"], broadcast["duplicate"]) == (1, True)
    assert (send["seq"], send["duplicate"]) == (2, True)
    assert (send["delivered"], send["stored"]) == ([], ["bob", "carol"])


def test_an_answer_does_not_wait_for_the_deliveries(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    shown: list[int] = []
    send = bob.stream.send

    def noticed(data: bytes | memoryview) -> int:
        shown.append(len(alice.events()))
        return send(data)

    bob.connection.outbox._send = noticed
    room.deliver(room.post(alice, "hi"), room.post(alice, "psst", "bob"))
    assert shown == [2]  # both answers have gone, and bob's messages go together


def test_who_has_the_answer_is_told_of_nothing_held_that_he_said(room: Room) -> None:
    bob = room.join("bob")
    room.busy("bob", "")
    own: list[tuple[int, ...]] = []
    send = bob.stream.send

    def asked(data: bytes | memoryview) -> int:
        own.append(room.directory.window(bob.session, 9).without)
        return send(data)

    bob.connection.outbox._send = asked
    room.deliver(room.post(bob, "to all"))
    room.deliver(room.post(bob, "to myself", "bob"))
    assert own == [(1,), (1, 2)]


def test_every_answer_is_counted(room: Room) -> None:
    alice = room.join("alice")
    room.deliver(room.post(alice, "1"), room.post(alice, "2"), room.post(alice, "3"))
    assert alice.connection.settle(0)


def test_a_reader_that_stalls_is_cut_off_and_nobody_else(room: Room) -> None:
    alice, bob, slow = room.join("alice"), room.join("bob"), room.join("carol")
    slow.stream.room = 10
    slow.connection.outbox.limit = 4096
    for number in range(100):
        room.deliver(room.post(alice, f"{number}" * 50))
    assert len(bob.said()) == 100
    assert slow.connection.ending is not None
    assert slow.connection.ending.code == "too_slow"
    assert bob.connection.ending is None
    assert slow.watched >= 1


def test_where_it_echoes_a_session_is_shown_its_own_words_in_their_place(room: Room) -> None:
    echoing, desk, bob = room.join("alice", EchoingRenderer()), room.join("alice"), room.join("bob")
    room.deliver(
        room.post(bob, "1"),
        room.post(echoing, "2"),
        room.post(bob, "3"),
        room.post(echoing, "4", "bob"),
        room.post(desk, "5"),
    )
    assert echoing.said() == ["1", "2", "3", "4", "5"]
    assert desk.said() == ["1", "2", "3", "4"]


def test_after_a_fault_whoever_may_lack_something_is_cut(room: Room) -> None:
    echoing, desk, bob = room.join("alice", EchoingRenderer()), room.join("alice"), room.join("bob")
    entry = room.post(echoing, "never shown")
    room.directory.apply([entry])
    assert isinstance(entry.result, Delivered)
    room.delivery.abandon([entry])
    assert all(each.connection.ended for each in (echoing, desk, bob))
    assert bob.said() == []


def test_after_a_fault_who_has_been_told_is_not_cut(room: Room) -> None:
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    told, untold = room.post(alice, "shown", "bob"), room.post(carol, "never shown", "carol")
    room.deliver(told)
    room.directory.apply([untold])
    room.delivery.abandon([told, untold])
    assert carol.connection.ended
    assert not any(each.connection.ended for each in (alice, bob))
