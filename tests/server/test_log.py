"""The log: one order, on disk before anybody hears of it, and an answer to everything."""

import threading
from pathlib import Path

import msgspec
import pytest

from chatserver.accounts.file import Accounts
from chatserver.dialects.json import JsonRenderer
from chatserver.errors import CommandError
from chatserver.order import log as module
from chatserver.order.delivery import Delivery, Post
from chatserver.order.log import Log
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.settings import SessionSettings
from chatserver.storage.store import Batch, StorageFull, Store, Window, forget_account
from chatwire.protocol import Event, Message

from .fakes import DEADLINE, Client, Server

EVERYTHING = Window("bob", "bob", 0, 10**9, 0, 0)


def stored(server: Server) -> list[str]:
    return [each.text for each in server.store.messages(EVERYTHING, 10_000)]


def limit_pages(server: Server, pages: int | None = None) -> None:
    """Let the database grow no more, or (None) not beyond what it has."""
    writer = server.store._writer
    if pages is None:
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
    server.log.run(lambda _: writer.execute(f"PRAGMA max_page_count = {pages}").fetchone())


def test_messages_are_numbered_stored_answered_and_delivered(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    for number in range(1, 4):
        server.say(alice, f"message {number}")
    server.settle()
    assert stored(server) == ["message 1", "message 2", "message 3"]
    assert [each["seq"] for each in alice.events()] == [1, 2, 3]
    assert [each["seq"] for each in bob.events()] == [1, 2, 3]
    assert server.log.last_seq == 3


def test_nobody_hears_of_a_message_before_it_is_on_disk(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    on_disk: list[list[str]] = []
    for client in (alice, bob):
        send = client.stream.send

        def checked(data: bytes | memoryview, send=send) -> int:  # type: ignore[no-untyped-def]
            on_disk.append(stored(server))
            return send(data)

        client.connection.outbox._send = checked
    server.say(alice, "hi")
    server.settle()
    assert on_disk == [["hi"], ["hi"]]


def test_what_piles_up_is_one_batch(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = server.joined("alice", "bob")
    commits: list[int] = []
    commit = Log._commit

    def counted(self: Log, posts: list[Post]) -> None:
        if posts:
            commits.append(len(posts))
        commit(self, posts)

    monkeypatch.setattr(Log, "_commit", counted)
    with server.paused():
        for number in range(100):
            server.say(alice, str(number))
    assert commits == [100]
    assert bob.said() == [str(number) for number in range(100)]


def test_a_batch_has_its_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_BYTES", 1000)
    alice, bob = server.joined("alice", "bob")
    with server.paused():
        for number in range(100):
            server.say(alice, f"{number:0100}")
    assert [int(text) for text in bob.said()] == list(range(100))


@pytest.mark.parametrize(
    ("text", "count"),
    [("😀" * 4000, 20), ('"' * 4000, 20), ("y", 700)],
    ids=["4 bytes", "escaped", "short"],
)
def test_a_full_batch_fits_into_the_smallest_outbox(server: Server, text: str, count: int) -> None:
    (alice,) = server.joined("alice")
    fields = msgspec.inspect.type_info(SessionSettings).fields  # type: ignore[union-attr]
    (smallest,) = (each.type.ge for each in fields if each.name == "outbox_bytes")
    bob = server.join(Client("bob", outbox_bytes=smallest))
    with server.paused():
        for _ in range(count):
            server.say(alice, text)
    assert bob.connection.ending is None
    assert len(bob.said()) == count


def test_many_threads_give_one_order_without_gap_or_repeat(server: Server) -> None:
    senders = server.joined("alice", "bob", "Carol", "dave")
    listener = server.joined("eve")[0]

    def talk(client: Client) -> None:
        for number in range(200):
            server.say(client, f"{client.session.account} {number}")

    threads = [threading.Thread(target=talk, args=(each,)) for each in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    server.settle()
    heard = listener.named("message")
    assert [each["seq"] for each in heard] == list(range(1, 801))
    for client in senders:
        name = client.session.account
        own = [each["text"] for each in heard if each["from"] == name]
        assert own == [f"{name} {number}" for number in range(200)]
    for client in senders:
        numbers = [each["seq"] for each in client.named("message")]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == 600


# -- keys --


def test_a_key_used_before_is_answered_with_the_first_number(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    for text in ("first", "again"):
        server.say(alice, text, key="k")
        server.settle()
    assert bob.said() == ["first"]
    first, second = alice.events()
    assert (first["seq"], "duplicate" in first) == (1, False)
    assert (second["seq"], second["duplicate"]) == (1, True)
    assert stored(server) == ["first"]


def test_a_key_used_twice_in_one_batch_is_one_message(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    with server.paused():
        server.say(alice, "first", key="k")
        server.say(alice, "again", key="k")
        server.say(alice, "other")
    assert bob.said() == ["first", "other"]
    assert [each["seq"] for each in alice.events()] == [1, 1, 2]


# -- a disk that is full --


def test_a_full_disk_is_an_error_on_each_and_heals(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    server.say(alice, "before")
    limit_pages(server)
    with server.paused():
        server.say(alice, "x" * 50_000, key="k")
        server.say(alice, "small", "bob")
    assert bob.said() == ["before"]
    _, *errors = alice.events()
    assert [each["code"] for each in errors] == ["storage_full", "storage_full"]
    limit_pages(server, 1_000_000)
    server.say(alice, "after", key="k")
    server.settle()
    assert bob.said() == ["after"]
    assert alice.events()[0]["seq"] == 2
    assert stored(server) == ["before", "after"]


def test_coming_and_going_work_while_the_disk_is_full(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    server.store._writer.execute("PRAGMA query_only = ON")
    server.log.run(lambda _: server.presence.hide(bob.session, hidden=True), "bob")
    assert alice.events() == [{"event": "presence", "name": "bob", "state": "offline"}]
    assert not any(each.hidden for each in server.store.standings())
    server.store._writer.execute("PRAGMA query_only = OFF")
    server.log.run(lambda _: None)
    server.settle()
    assert [each.name for each in server.store.standings() if each.hidden] == ["bob"]


# -- bugs --


def test_a_message_that_cannot_be_stored_does_not_take_the_others_with_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = server.joined("alice", "bob")
    with server.paused():
        server.say(alice, "one")
        server.say(alice, "half a \ud800 pair")  # which no command lets through
        server.say(alice, "two", key="k")
        server.say(alice, "two again", key="k")
    assert bob.said() == ["one", "two"]
    answers = alice.events()
    assert [each.get("code") for each in answers] == [None, "internal", None, None]
    assert [each.get("seq") for each in answers] == [1, None, 2, 2]
    assert stored(server) == ["one", "two"]
    assert "could not be stored" in caplog.text


def test_a_message_that_cannot_be_rendered_for_one_reaches_the_others(server: Server) -> None:
    class Broken(JsonRenderer):
        def event(self, event: Event, viewer: str = "") -> bytes:
            if isinstance(event, Message):
                raise RuntimeError("a bug")
            return super().event(event, viewer)

    (alice,) = server.joined("alice")
    server.join(Client("broken", Broken()))
    (bob,) = server.joined("bob")
    server.say(alice, "hi")
    server.settle()
    assert bob.said() == ["hi"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_while_sending_does_not_end_the_log(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")

    def broken(_: bytes | memoryview) -> int:
        raise RuntimeError("a bug")

    bob.connection.outbox._send = broken
    server.say(alice, "hi")
    server.log._thread.join(0.2)
    assert server.log._thread.is_alive()


# -- changes between messages --


def test_changes_take_their_place_between_messages(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    numbers: list[int] = []
    with server.paused():
        server.say(alice, "one")
        server.log.run_later(numbers.append)
        server.say(alice, "two")
        server.say(alice, "three")
        server.log.run_later(numbers.append)
        server.log.run_later(lambda _: server.presence.leave(bob.session), "bob")
        server.say(alice, "four")
        server.log.run_later(numbers.append)
    assert numbers == [1, 3, 4]
    assert bob.said() == ["one", "two", "three"]


def test_a_login_in_the_middle_of_a_batch_gets_what_comes_after_it(server: Server) -> None:
    (alice,) = server.joined("alice")
    carol = Client("carol")
    with server.paused():
        server.say(alice, "one")
        change = server.log.run_later(
            lambda seq: server.presence.join(carol.session, seq, known=False), carol.session.key
        )
        server.say(alice, "two")
    assert change.result is not None
    assert change.result.seq == 1
    carol.connection.outbox.release()
    carol.connection.drain()
    assert carol.said() == ["two"]


def test_a_change_gives_its_result_or_its_error(server: Server) -> None:
    assert server.log.run(lambda seq: f"after {seq}") == "after 0"
    with pytest.raises(CommandError, match="not now"):
        server.log.run(lambda _: refuse())
    with pytest.raises(ZeroDivisionError):
        server.log.run(lambda seq: seq // 0)
    assert server.log.run(lambda seq: seq) == 0


def refuse() -> None:
    raise CommandError("try_later", "not now")


def test_a_change_is_on_disk_before_it_is_answered(server: Server) -> None:
    (bob,) = server.joined("bob")
    server.log.run(lambda seq: server.presence.busy(bob.session, "no", seq), "bob")
    assert [(each.name, each.busy, each.reply) for each in server.store.standings()] == [
        ("bob", True, "no")
    ]


def test_of_an_account_that_is_deleted_nothing_is_saved(server: Server) -> None:
    (bob,) = server.joined("bob")
    with server.accounts.edit() as draft:
        draft.remove("bob")
    forget_account(server.store.path, "bob")
    server.leave(bob)
    assert server.store.standings() == []


def test_a_number_that_failed_is_not_given_to_a_change(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "one")
    limit_pages(server)
    with server.paused():
        server.say(alice, "x" * 50_000)
        change = server.log.run_later(lambda seq: seq)
    assert change.result == 1


# -- chores --


def test_a_chore_is_written_with_nobody_waiting(server: Server) -> None:
    written = threading.Event()

    def chore(batch: Batch) -> None:
        batch.put_alive(12.5)
        written.set()

    server.log.save(chore)
    assert written.wait(DEADLINE)
    server.settle()
    with server.store._reader() as reader:
        assert reader.execute("SELECT at FROM alive").fetchone() == (12.5,)


def test_a_chore_that_fails_harms_nothing(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    alice, bob = server.joined("alice", "bob")

    def chore(_: Batch) -> None:
        raise RuntimeError("a bug")

    server.log.save(chore)
    server.settle()
    assert "could not be stored" in caplog.text
    server.say(alice, "hi")
    server.settle()
    assert bob.said() == ["hi"]


# -- a full inbox --


def test_a_full_inbox_makes_senders_wait(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INBOX_BYTES", 1000)
    alice, bob = server.joined("alice", "bob")
    sent = threading.Event()

    def talk() -> None:
        for number in range(20):
            server.say(alice, f"{number:0100}")
        sent.set()

    talking = threading.Thread(target=talk)
    with server.paused():
        talking.start()
        assert not sent.wait(0.05)
    talking.join(DEADLINE)
    server.settle()
    assert [int(text) for text in bob.said()] == list(range(20))


def test_an_inbox_that_stays_full_is_try_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INBOX_BYTES", 100)
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    alice, bob = server.joined("alice", "bob")
    with server.paused():
        server.say(alice, "one")
        with pytest.raises(CommandError) as raised:
            server.say(alice, "two")
    assert (raised.value.code, raised.value.retry_after) == ("try_later", 1)
    assert bob.said() == ["one"]


# -- the end --


def test_everything_is_answered_at_the_end(server: Server) -> None:
    alice, bob = server.joined("alice", "bob")
    begun, go_on = threading.Event(), threading.Event()
    server.log.run_later(lambda _: (begun.set(), go_on.wait(DEADLINE)))
    assert begun.wait(DEADLINE)
    for number in range(50):
        server.say(alice, str(number))
    change = server.log.run_later(lambda seq: seq)
    stopping = threading.Thread(target=server.log.stop)
    stopping.start()
    go_on.set()
    stopping.join(DEADLINE)
    assert len(alice.events()) == 50
    assert bob.said() == [str(number) for number in range(50)]
    assert change.result == 50
    assert stored(server) == [str(number) for number in range(50)]


def test_after_the_end_nothing_is_taken_in(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.log.stop()
    for action in (lambda: server.say(alice, "late"), lambda: server.log.run(lambda _: None)):
        with pytest.raises(CommandError) as raised:
            action()
        assert raised.value.code == "shutting_down"


def test_whoever_waits_for_room_at_the_end_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INBOX_BYTES", 10)
    (alice,) = server.joined("alice")
    codes: list[str] = []
    begun, go_on = threading.Event(), threading.Event()
    server.log.run_later(lambda _: (begun.set(), go_on.wait(DEADLINE)))
    assert begun.wait(DEADLINE)
    server.say(alice, "one")

    def late() -> None:
        try:
            server.say(alice, "two")
        except CommandError as error:
            codes.append(error.code)

    waiting = threading.Thread(target=late)
    waiting.start()
    stopping = threading.Thread(target=server.log.stop)
    stopping.start()
    waiting.join(DEADLINE)
    assert codes == ["shutting_down"]
    go_on.set()
    stopping.join(DEADLINE)


def test_what_could_not_be_saved_is_saved_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFull("full")

    with Server(tmp_path) as server:
        server.add_accounts("bob")
        (bob,) = server.joined("bob")
        with monkeypatch.context() as patched:
            patched.setattr(Batch, "put", full)
            server.log.run(lambda _: server.presence.hide(bob.session, hidden=True), "bob")
        assert not any(each.hidden for each in server.store.standings())
    store = Store(tmp_path / "chat.db")
    assert [each.name for each in store.standings() if each.hidden] == ["bob"]
    store.close()


class Unforeseen(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("fault", [RuntimeError, MemoryError, SystemExit, Unforeseen])
@pytest.mark.parametrize(
    ("part", "step"),
    [
        (Delivery, "deliver"),
        (Delivery, "drain"),
        (Delivery, "_answer"),
        (Delivery, "_to_room"),
        (Delivery, "_to_accounts"),
        (Connection, "push_bytes"),
        (Connection, "drain"),
        (JsonRenderer, "event"),
        (UserDirectory, "busy_replies"),
        (UserDirectory, "standing"),
        (Log, "_commit"),
        (Log, "_apply"),
        (Log, "_process"),
        (Log, "_save"),
        (Log, "_take"),
        (Batch, "add"),
        (Batch, "put"),
        (Accounts, "exists"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_fails_everybody_is_answered_or_ended_and_the_log_goes_on(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    part: type,
    step: str,
    fault: type[BaseException],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault("injected")

    alice, bob = server.joined("alice", "bob")
    with monkeypatch.context() as patched:
        patched.setattr(part, step, broken)
        alice.connection.appended()
        server.say(alice, "to all")
        alice.connection.appended()
        server.say(alice, "to one", "bob")
        # It ends, well or with an error; nobody waits for ever.
        change = server.log.run_later(lambda _: None, "bob")
        if step != "_take":  # what is not taken waits, and is withdrawn by whoever waits
            assert change.done.wait(DEADLINE)
            assert alice.connection.settle(DEADLINE)
    server.settle()
    server.say(alice, "afterwards")
    server.settle()
    for client in (alice, bob):
        said, ending = client.said(), client.connection.ending
        on_disk = [text for text in stored(server) if text != "afterwards"]
        # Nothing is shown behind a gap: either all that is on disk came, or the client was cut.
        # (What cannot be written at all, ever, is left out: see the test with Broken.)
        if step == "event" and fault is RuntimeError:
            continue
        if client is bob and ending is None and on_disk:
            assert said == [*on_disk, "afterwards"]
        elif client is bob and ending is not None:
            assert ending.code == "internal"
            assert said == on_disk[: len(said)]
    (carol, dave) = server.joined("Carol", "dave")
    server.say(carol, "it works")
    server.settle()
    assert dave.said() == ["it works"]


def test_nobody_waits_for_a_log_that_is_dead(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Log, "_turn", lambda _: False)  # from the next turn on
    server.log.run(lambda _: None)
    server.log._thread.join(DEADLINE)
    with pytest.raises(CommandError) as raised:
        server.log.run(lambda _: None)
    assert raised.value.code == "try_later"
    assert not server.log._inbox  # it does not happen later either


def test_whoever_has_waited_long_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RUN_SECONDS", 0.0)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    done: list[int] = []
    with server.paused():
        server.log.run_later(lambda _: None)
        with pytest.raises(CommandError) as raised:
            server.log.run(lambda _: done.append(1))
    monkeypatch.undo()
    assert raised.value.code == "try_later"
    server.settle()
    assert done == []
