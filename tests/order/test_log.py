"""apply, commit, tell: on disk before anybody hears of it, and an answer to everything."""

import threading
from pathlib import Path

import msgspec
import pytest
from server.fakes import DEADLINE, Client, Server

from chatserver.dialects.json import JsonRenderer
from chatserver.errors import CommandError
from chatserver.order.delivery import Delivery
from chatserver.order.items import (
    AccountDeleted,
    Alive,
    Busy,
    Came,
    Hidden,
    Idle,
    Item,
    Joined,
    Purged,
    Removed,
    RoomMade,
    Said,
    Trimmed,
    Went,
)
from chatserver.order.log import Log
from chatserver.order.outcome import Arrived, Outcome, Revoked
from chatserver.order.pending import Entry, Question, Waiter
from chatserver.order.presence import Presence
from chatserver.order.records import LOBBY_ID
from chatserver.order.state import State
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.settings import SessionSettings
from chatserver.storage.store import StorageFull, Store
from chatwire.events import Event as WireEvent
from chatwire.events import Message


def stored(server: Server) -> list[str]:
    return [each.text for each in server.store.following(0, 10_000, 10**9)]


def said(client: Client, text: str, *to: int, key: str | None = None) -> Entry:
    """Return something that a client says, in the lobby or to accounts."""
    session, room = client.session, None if to else LOBBY_ID
    named = {"account": session.account_id, "session": session.id}
    item = Said(at=5, **named, text=text, room=room, to=to, key=key)
    client.connection.appended()
    return Entry(item, Question(session, None))


def waiting(item: Item) -> Entry:
    return Entry(item, Waiter())


def result(entry: Entry) -> Outcome | CommandError | None:
    assert isinstance(entry.ticket, Waiter)
    return entry.ticket.result


def coming(server: Server, name: str) -> tuple[Client, Entry]:
    """Return somebody in the directory, and the item with which he comes."""
    client = Client(name)
    client.session.account_id = server.registrar.account_id(name)
    server.directory.enter(client.session)
    came = Came(at=5, account=number(client), session=client.session.id, name=name)
    return client, waiting(came)


def number(client: Client) -> int:
    return client.session.account_id


def fill(server: Server, *, full: bool) -> None:
    """Have the disk take nothing from now on, or all."""
    server.settle()
    server.store._writer.execute(f"PRAGMA query_only = {'ON' if full else 'OFF'}")


def test_nobody_hears_of_anything_before_it_is_on_disk(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = server.joined("alice", "bob")
    on_disk: list[list[str]] = []
    push = Connection.push_bytes

    def checked(self: Connection, data: bytes, seq: int = 0, *, ahead: bool = False) -> None:
        on_disk.append(stored(server))
        push(self, data, seq, ahead=ahead)

    monkeypatch.setattr(Connection, "push_bytes", checked)
    hidden = waiting(Hidden(at=5, account=number(bob)))
    server.log.follow([said(alice, "hi"), hidden, said(alice, "ho")])
    assert on_disk
    assert all(each == ["hi", "ho"] for each in on_disk)
    assert server.store.load().accounts[number(bob)].hidden


@pytest.mark.parametrize(
    ("text", "count"),
    [("😀" * 4000, 20), ('"' * 4000, 20), ("y", 700)],
    ids=["4 bytes", "escaped", "short"],
)
def test_a_full_batch_fits_into_the_smallest_outbox(server: Server, text: str, count: int) -> None:
    (alice,) = server.joined("alice")
    fields = msgspec.inspect.type_info(SessionSettings).fields  # type: ignore[attr-defined]
    (smallest,) = (each.type.ge for each in fields if each.name == "outbox_bytes")
    bob = server.join(Client("bob", outbox_bytes=smallest))
    with server.paused():
        for _ in range(count):
            server.say(alice, text)
    assert bob.connection.ending is None
    assert len(bob.said()) == count


def test_many_threads_give_one_order_without_gap_or_repeat(server: Server) -> None:
    senders = server.joined("alice", "bob", "Carol", "dave")
    server.add_accounts("eve")
    (listener,) = server.joined("eve")

    def talk(client: Client) -> None:
        for each in range(100):
            server.say(client, str(each))

    threads = [threading.Thread(target=talk, args=(each,)) for each in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    server.settle()
    heard = listener.named("message")
    assert [each["seq"] for each in heard] == list(range(1, 401))
    for client in senders:
        own = {each["seq"] for each in heard if each["from"] == client.session.account}
        assert [each["seq"] for each in client.named("message")] == [
            seq for seq in range(1, 401) if seq not in own
        ]


# -- keys --


@pytest.mark.parametrize("batches", [1, 2])
def test_a_key_used_again_is_answered_with_the_first_number(server: Server, batches: int) -> None:
    alice, bob = server.joined("alice", "bob")
    entries = [said(alice, "first", key="k"), said(alice, "again", key="k"), said(alice, "other")]
    for batch in [entries] if batches == 1 else [entries[:1], entries[1:]]:
        server.log.follow(batch)
    assert bob.said() == stored(server) == ["first", "other"]
    assert [(each["seq"], each.get("duplicate")) for each in alice.events()] == [
        (1, None),
        (1, True),
        (2, None),
    ]


# -- a disk that is full --


def test_a_full_disk_is_an_error_on_each_and_heals(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    server.log.follow([said(alice, "before")])
    alice.events()
    fill(server, full=True)
    server.log.follow([said(alice, "x", key="k"), said(alice, "y", number(bob))])
    assert bob.said() == ["before"]
    assert [each["code"] for each in alice.events()] == ["storage_full", "storage_full"]
    fill(server, full=False)
    server.log.follow([said(alice, "after", key="k")])
    assert bob.said() == ["after"]
    assert alice.events()[0]["seq"] == 2
    assert stored(server) == ["before", "after"]


def test_on_a_full_disk_only_what_is_said_or_deleted_is_refused(server: Server) -> None:
    """The rest of a batch has its effect and its place, and is written when that is possible."""
    alice, bob = server.joined("alice", "bob")
    server.log.follow([said(alice, "one"), said(alice, "two")])
    _, came = coming(server, "Carol")
    for client in (alice, bob):
        client.events()
    fill(server, full=True)
    batch = [
        waiting(Hidden(at=5, account=number(bob))),
        said(alice, "lost"),
        waiting(Trimmed(at=5, seqs=(1,))),
        waiting(AccountDeleted(at=5, account=number(bob))),
        came,
    ]
    server.log.follow(batch)
    refusals = [result(each) for each in (batch[2], batch[3])]
    assert [getattr(each, "code", None) for each in refusals] == ["storage_full"] * 2
    arrived = result(batch[4])
    assert isinstance(arrived, Arrived)
    assert (arrived.seq, arrived.online) == (2, ("alice",))
    assert [each.get("code") or each["state"] for each in alice.events()] == [
        "offline",
        "storage_full",
        "online",
    ]
    assert not server.store.load().accounts[number(bob)].hidden
    fill(server, full=False)
    server.log.follow([Entry(Alive(at=6), None)])
    kept = server.store.load()
    assert kept.accounts[number(bob)].hidden
    assert (kept.accounts[number(bob)].deleted, kept.seq) == (None, 2)
    assert kept.applied == server.directory.state.applied


def test_what_could_not_be_written_is_written_at_the_end(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.add_accounts("bob")
        (bob,) = server.joined("bob")
        fill(server, full=True)
        server.order.run(Hidden(at=5, account=number(bob)))
        fill_again = server.store._writer
        server.order.stop()
        fill_again.execute("PRAGMA query_only = OFF")
    with Server(tmp_path) as server:
        assert server.account("bob").hidden


# -- bugs --


def test_an_item_that_is_a_bug_does_not_take_the_others_with_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    class Unknown(Item, frozen=True, kw_only=True, tag="unknown/1"):
        pass

    alice, bob = server.joined("alice", "bob")
    unknown, busy = waiting(Unknown(at=5)), waiting(Busy(at=5, account=number(alice), reply="no"))
    server.log.follow(
        [
            said(alice, "one"),
            said(alice, "half a \ud800 pair"),  # which no command lets through
            unknown,
            said(alice, "two", key="k"),
            said(alice, "two again", key="k"),
            busy,
        ]
    )
    assert bob.said() == stored(server) == ["one", "two"]
    answers = alice.named("error"), alice
    assert [each["code"] for each in answers[0]] == ["internal"]
    assert getattr(result(unknown), "code", None) == "internal"
    assert isinstance(result(busy), Outcome)
    assert server.store.load().accounts[number(alice)].busy
    assert "could not be applied" in caplog.text


class Unwritable(JsonRenderer, frozen=True):
    """Json in which no message can be written."""

    def event(self, event: WireEvent, viewer: str = "") -> bytes:
        if isinstance(event, Message):
            raise RuntimeError("a bug")
        return super().event(event, viewer)


def test_a_message_that_cannot_be_written_for_one_reaches_the_others(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.join(Client("broken", Unwritable()))
    (bob,) = server.joined("bob")
    server.log.follow([said(alice, "hi")])
    assert bob.said() == ["hi"]


# -- everything has its place between messages --


def test_coming_and_going_take_their_place_between_messages(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    carol, came = coming(server, "Carol")
    went = waiting(Went(at=5, account=number(bob), session=bob.session.id))
    server.log.follow([said(alice, "one"), came, said(alice, "two"), went, said(alice, "three")])
    seqs = [outcome.seq for outcome in map(result, (came, went)) if isinstance(outcome, Outcome)]
    assert seqs == [1, 2]
    assert bob.said() == ["one", "two"]
    carol.connection.outbox.release()
    carol.connection.drain()
    assert carol.said() == ["two", "three"]


def test_who_is_deleted_and_then_leaves_leaves_nothing_behind(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    deleted = waiting(AccountDeleted(at=5, account=number(bob)))
    server.log.follow([deleted, Entry(Alive(at=6), None)])
    server.leave(bob)
    assert isinstance(result(deleted), Revoked)
    assert [each["state"] for each in alice.events()] == ["offline"]
    assert server.store.load().account("bob") is None


def test_what_nobody_here_asked_for_is_shown_all_the_same(server: Server) -> None:
    """As it comes from another machine, or from a thread that waits for what follows."""
    alice, bob = server.joined("alice", "bob")
    own, nobodys = said(alice, "one"), waiting(said(alice, "two", number(bob)).item)
    server.log.follow([own, nobodys, Entry(said(alice, "three").item, None)])
    assert bob.said() == ["one", "two", "three"]
    assert alice.said() == ["two", "three"]  # which this session may not have said
    assert isinstance(result(nobodys), Outcome)
    assert (alice.connection.ending, bob.connection.ending) == (None, None)


def test_what_is_deleted_is_given_back_later_and_a_fault_of_that_harms_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Store) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(Store, "tidy", broken)
    monkeypatch.setattr("chatserver.order.log._TIDY_SECONDS", -1.0)
    server.store.untidy = True
    alice, bob = server.joined("alice", "bob")
    server.log.follow([said(alice, "hi"), waiting(Alive(at=5))])
    assert bob.said() == ["hi"]
    assert [each["seq"] for each in alice.events()] == [1]
    assert bob.connection.ending is None


# -- faults at every step --


class Unforeseen(BaseException):
    """What no `except Exception` catches."""


STEPS: dict[type, str] = {
    Log: "_commit _tidy",
    Store: "keys_in_use write",
    State: "add_message audience see",
    UserDirectory: "apply numbered remove sessions window",
    Delivery: "tell _answer _show _fan_out _of _drain",
    Presence: "follow _follow _tell_others",
    Connection: "push_bytes drain answered",
    JsonRenderer: "event answer",
    Session: "keep_back note_said",
}


@pytest.mark.parametrize(
    ("fault", "full"),
    [(each, False) for each in (RuntimeError, MemoryError, SystemExit, Unforeseen)]
    + [(Unforeseen, True)],
)
@pytest.mark.parametrize(
    ("part", "step"),
    [(part, step) for part, steps in STEPS.items() for step in steps.split()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_fails_everybody_is_answered_or_ended_and_the_log_goes_on(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    part: type,
    step: str,
    fault: type[BaseException],
    full: bool,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault("injected")

    server.add_accounts("eve", "heidi", "ivan")
    alice, bob, gone, dave = server.joined("alice", "bob", "Carol", "dave")
    _, came = coming(server, "eve")
    changes = [
        waiting(Hidden(at=5, account=number(dave))),
        came,
        waiting(Busy(at=5, account=number(dave), reply="no")),
        waiting(Went(at=5, account=number(gone), session=gone.session.id)),
        waiting(Purged(at=5, seqs=())),
    ]
    server.settle()
    with monkeypatch.context() as patched:
        patched.setattr(part, step, broken)
        if full:

            def no_room(_: Store, state: State) -> None:
                raise StorageFull("full")

            if step != "write":
                patched.setattr(Store, "write", no_room)
        server.log.follow(
            [
                said(alice, "to all", key="k"),
                changes[0],
                said(alice, "to one", number(bob)),
                *changes[1:],
            ]
        )
        # It ends, well or with an error; nobody waits for ever.
        assert None not in map(result, changes)
        if step != "answered":  # then the log cannot say so; the connection is waited for 10 s
            assert alice.connection.settle(0)
    on_disk = stored(server)
    server.say(alice, "afterwards")
    server.settle()
    events = alice.events()
    replies = [each["seq"] for each in events if each["event"] == "reply"]
    assert len(replies) <= len(on_disk) + 1  # none before it is on disk
    if step != "event" or fault is not RuntimeError:  # what can never be written is left out
        nothing_is_shown_behind_a_gap(bob, on_disk)
    assert outlives(server)
    heidi, ivan = server.joined("heidi", "ivan")
    server.say(heidi, "it works")
    server.settle()
    assert ivan.said() == ["it works"]


def nothing_is_shown_behind_a_gap(client: Client, on_disk: list[str]) -> None:
    """Either all that is on disk came, or the client was cut off."""
    said, ending = client.said(), client.connection.ending
    if ending is None:
        assert said == [*on_disk, "afterwards"]
    else:
        assert ending.code == "internal"
        assert said == on_disk[: len(said)]


def outlives(server: Server) -> bool:
    """Tell whether what is in memory is what a restart would find, but for who is here."""

    def picture(state: State) -> list[object]:
        return [
            (state.seq, state.at, state.applied),
            [(each.id, each.name, each.busy, each.hidden) for each in state.accounts.values()],
            [(each.id, each.people, each.newest) for each in state.conversations.values()],
            [sorted(each.members) for each in state.conversations.values()],
        ]

    return picture(server.store.load()) == picture(server.directory.state)


def test_a_replay_has_what_was_said_before_one_was_removed_right_behind_its_place(
    server: Server,
) -> None:
    alice, bob = server.joined("alice", "bob")
    one, two = (
        {"at": 5, "account": number(each), "session": each.session.id} for each in (alice, bob)
    )
    room = 2
    server.log.follow([waiting(RoomMade(**one, name="ops")), waiting(Joined(**two, room=room))])
    for each in (alice, bob):
        each.events()
    server.log.follow([waiting(Busy(at=5, account=number(bob), reply=""))])
    server.log.follow([waiting(Said(**one, text="held", room=room))])
    removed = waiting(Removed(**one, room=room, who=number(bob)))
    server.log.follow([waiting(Idle(**two)), removed])
    server.replay.serve(bob.session)
    got = [each for each in bob.events() if each["event"] in ("message", "room")]
    assert [each.get("text") or each["change"] for each in got] == ["held", "removed"]
