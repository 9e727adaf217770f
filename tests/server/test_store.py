"""The store: what is on disk, whole or not at all, and who may read it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from chatserver.storage import schema
from chatserver.storage.schema import VERSION, StoreError
from chatserver.storage.snapshot import open_snapshot, stored_messages
from chatserver.storage.store import (
    Standing,
    StorageFull,
    Store,
    StoredMessage,
    Window,
    forget_account,
)
from chatwire.protocol import MOST_COUNTED

NOW = 1_795_361_042_123


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def say(store: Store, text: str, sender: str = "bob", key: str | None = None, at: int = NOW) -> int:
    with store.batch() as batch:
        return batch.add(at, sender, "lobby", (), text, key)[0]


def send(store: Store, text: str, *to: str, sender: str = "bob") -> int:
    with store.batch() as batch:
        return batch.add(NOW, sender, None, to, text, None)[0]


def window(
    account: str = "alice", *, after: int = 0, upto: int = 999, since: int = 0, own: bool = False
) -> Window:
    return Window(account, account, after, upto, since, after if own else upto)


def texts(store: Store, wanted: Window, limit: int = 100) -> list[str]:
    found = [each.text for each in store.messages(wanted, limit)]
    assert store.count(wanted) >= len(found)
    return found


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        rows: list[tuple[object, ...]] = []
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        connection.commit()
    finally:
        connection.close()
    return rows


def test_numbers_begin_at_one_and_go_on_after_a_restart(path: Path) -> None:
    store = Store(path)
    assert store.last_seq == 0
    assert [say(store, "one"), say(store, "two")] == [1, 2]
    store.close()
    store = Store(path)
    assert store.last_seq == 2
    assert say(store, "three") == 3
    store.close()


def test_a_message_is_given_back_as_it_was_stored(store: Store) -> None:
    say(store, "hi\n'there' \0 ü 😀", sender="Bob")
    send(store, "psst", "Alice", "carol", sender="Bob")
    assert store.messages(window(), 10) == [
        StoredMessage(1, NOW, "Bob", "lobby", (), "hi\n'there' \0 ü 😀"),
        StoredMessage(2, NOW, "Bob", None, ("Alice", "carol"), "psst"),
    ]


def test_a_batch_is_on_disk_when_its_block_ends(store: Store, path: Path) -> None:
    with store.batch() as batch:
        batch.add(NOW, "bob", "lobby", (), "one", None)
        batch.add(NOW, "bob", "lobby", (), "two", None)
        assert execute(path, "SELECT count(*) FROM messages") == [(0,)]
    assert execute(path, "SELECT count(*) FROM messages") == [(2,)]


def test_a_batch_that_fails_leaves_nothing(store: Store) -> None:
    def fill_and_fail() -> None:
        with store.batch() as batch:
            batch.add(NOW, "bob", "lobby", (), "lost", None)
            batch.put([Standing("bob", busy=True)])
            batch.put_alive(1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_and_fail()
    assert store.last_seq == 0
    assert store.standings() == []
    assert texts(store, window()) == []
    assert say(store, "next") == 1


def test_messages_are_synced_to_disk_unless_the_operator_says_otherwise(path: Path) -> None:
    for name, level in (("full", 2), ("normal", 1)):
        store = Store(path, synchronous=name)
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (level,)
        assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


# -- keys --


def test_a_key_used_before_gives_the_first_number(store: Store) -> None:
    first = say(store, "once", key="k")
    say(store, "other")
    with store.batch() as batch:
        assert batch.add(NOW, "bob", "lobby", (), "twice", "k") == (first, True)
    assert texts(store, window()) == ["once", "other"]
    assert store.last_seq == 2


def test_a_key_used_in_the_same_batch_gives_the_first_number(store: Store) -> None:
    with store.batch() as batch:
        assert batch.add(NOW, "bob", "lobby", (), "once", "k") == (1, False)
        assert batch.add(NOW, "bob", None, ("alice",), "twice", "k") == (1, True)
        assert batch.add(NOW, "bob", "lobby", (), "other", None) == (2, False)
    assert texts(store, window()) == ["once", "other"]


def test_a_key_belongs_to_its_sender(store: Store) -> None:
    say(store, "bob's", "bob", "k")
    assert say(store, "carol's", "carol", "k") == 2


def test_a_key_of_a_batch_that_failed_can_be_used_again(store: Store) -> None:
    def fill_and_fail() -> None:
        with store.batch() as batch:
            batch.add(NOW, "bob", "lobby", (), "lost", "k")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_and_fail()
    with store.batch() as batch:
        assert batch.add(NOW, "bob", "lobby", (), "kept", "k") == (1, False)


# -- windows --


def test_a_window_has_the_room_and_ones_private_messages(store: Store) -> None:
    say(store, "room")
    send(store, "to alice", "alice")
    send(store, "to carol", "carol")
    send(store, "to both", "carol", "ALICE")
    assert texts(store, window()) == ["room", "to alice", "to both"]
    assert texts(store, window("carol")) == ["room", "to carol", "to both"]
    assert texts(store, window("dave")) == ["room"]


def test_a_window_has_what_one_said_oneself_only_if_asked_for(store: Store) -> None:
    say(store, "said", sender="alice")
    send(store, "sent", "bob", sender="alice")
    send(store, "to myself", "alice", sender="alice")
    assert texts(store, window(own=False)) == []
    assert texts(store, window(own=True)) == ["said", "sent", "to myself"]


def test_what_one_said_oneself_may_begin_later_and_leave_some_out(store: Store) -> None:
    say(store, "1 mine", sender="alice")
    say(store, "2 not mine")
    say(store, "3 mine, here", sender="alice")
    send(store, "4 mine to both", "bob", "carol", sender="alice")
    send(store, "5 mine, here", "bob", sender="alice")
    send(store, "6 not mine", "alice")
    lacked = replace(window(own=True), own_after=1, without=(3, 5))
    assert texts(store, lacked) == ["2 not mine", "4 mine to both", "6 not mine"]
    assert store.count(lacked) == 3
    assert texts(store, lacked, limit=2) == ["4 mine to both", "6 not mine"]


def test_a_count_ends_somewhere(store: Store) -> None:
    with store.batch() as batch:
        for _ in range(MOST_COUNTED + 5):
            batch.add(NOW, "bob", "lobby", (), "x", None)
    assert store.count(window(upto=10**9)) == MOST_COUNTED
    with store.batch() as batch:
        for _ in range(MOST_COUNTED + 5):
            batch.add(NOW, "bob", None, ("alice",), "x", None)
    assert store.count(window(upto=10**9)) == MOST_COUNTED
    assert store.count(replace(window(upto=10**9), after=MOST_COUNTED * 2)) == 10


def test_the_writer_needs_no_reader(store: Store) -> None:
    with ExitStack() as lent:
        while not store._readers.empty():
            lent.enter_context(store._reader())
        assert not store.has_standing("bob")


def test_a_message_to_several_is_one_message(store: Store) -> None:
    send(store, "to all", "bob", "carol", "dave", sender="alice")
    assert store.count(window(own=True)) == 1
    assert texts(store, window("carol")) == ["to all"]


def test_a_window_begins_after_its_start_and_ends_with_its_end(store: Store) -> None:
    for number in range(1, 7):
        say(store, f"room {number}") if number % 2 else send(store, f"private {number}", "alice")
    assert texts(store, window(after=2, upto=5)) == ["room 3", "private 4", "room 5"]
    assert texts(store, window(after=6)) == []
    assert texts(store, window(upto=0)) == []


def test_the_room_begins_when_the_account_came(store: Store) -> None:
    say(store, "before")
    send(store, "private before", "alice")
    say(store, "after")
    assert texts(store, window(since=2)) == ["private before", "after"]
    assert texts(store, window(since=2, after=1)) == ["private before", "after"]
    assert store.count(window(since=2)) == 2


def test_of_too_many_the_newest_are_shown_oldest_first(store: Store) -> None:
    for number in range(10):
        say(store, str(number))
    assert texts(store, window(), limit=3) == ["7", "8", "9"]
    assert store.count(window()) == 10


# -- standings --


def test_a_standing_is_given_back_as_it_was_stored(path: Path) -> None:
    bob = Standing("bob", 3, 4, 5.5, busy=True, reply="at lunch", hidden=True)
    carol = Standing("carol", 1, 0, 9.25)
    store = Store(path)
    with store.batch() as batch:
        batch.put([bob, carol])
    with store.batch() as batch:
        batch.put([replace(carol, read=7)])
    store.close()
    store = Store(path)
    assert sorted(store.standings(), key=lambda each: each.key) == [bob, replace(carol, read=7)]
    store.close()


def test_after_a_crash_whoever_was_here_was_seen_until_the_last_sign_of_life(path: Path) -> None:
    store = Store(path)
    with store.batch() as batch:
        batch.put([Standing("here", seen_at=None), Standing("gone", seen_at=50.0)])
        batch.put_alive(100.0)
    with store.batch() as batch:
        batch.put_alive(160.0)
    store.close()
    store = Store(path)
    assert {each.key: each.seen_at for each in store.standings()} == {"here": 160.0, "gone": 50.0}
    store.close()


def test_after_a_crash_without_a_sign_of_life_it_was_now(path: Path) -> None:
    store = Store(path)
    with store.batch() as batch:
        batch.put([Standing("here", seen_at=None)])
    store.close()
    before = time.time()
    store = Store(path)
    seen_at = store.standings()[0].seen_at
    assert seen_at is not None
    assert before <= seen_at <= time.time()
    store.close()


# -- files that cannot be used --


def refused(path: Path) -> str:
    """Return why the file is refused, having made sure that it was not touched."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as raised:
        Store(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return str(raised.value)


@pytest.mark.parametrize("content", [b"hello" * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "cannot be used as a chat database" in refused(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    store = Store(path)
    with store.batch() as batch:
        for number in range(200):
            batch.add(NOW, "bob", "lobby", (), f"{number}" * 100, None)
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:12288] = b"\xa5" * 4096
    path.write_bytes(content)
    assert str(path) in refused(path)


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    execute(path, "CREATE TABLE messages (body TEXT)")
    assert refused(path) == f"{path} is not a chat database; move the file away."


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    Store(path).close()
    execute(path, f"PRAGMA user_version = {VERSION + 1}")
    assert "newer version" in refused(path)


def test_an_empty_file_is_no_new_database(tmp_path: Path) -> None:
    (tmp_path / "chat.db").touch()
    with pytest.raises(StoreError, match="is empty"):
        Store(tmp_path / "chat.db")
    assert (tmp_path / "chat.db").stat().st_size == 0


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path / "none" / "chat.db")


def test_only_the_owner_may_read_it(path: Path) -> None:
    store = Store(path)
    say(store, "hi")
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3  # the database and what it writes ahead
    store.close()


def test_the_file_says_what_it_is(path: Path) -> None:
    Store(path).close()
    assert path.read_bytes()[68:72] == b"chat"


# -- a full disk --


def test_a_full_disk_keeps_nothing_of_the_batch_and_heals(store: Store) -> None:
    say(store, "before")
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(StorageFull, match="full"), store.batch() as batch:
            batch.add(NOW, "bob", "lobby", (), "x" * 100_000, "k")
    assert store.last_seq == 1
    assert texts(store, window()) == ["before"]
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert say(store, "after", key="k") == 2
    assert texts(store, window()) == ["before", "after"]


def test_another_program_that_writes_for_too_long_is_like_a_full_disk(
    store: Store, path: Path
) -> None:
    store._writer.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFull, match="locked"), store.batch():
        pass
    other.execute("ROLLBACK")
    other.close()
    assert say(store, "after") == 1


# -- retention --


def delete(store: Store, *seqs: int) -> None:
    with store.batch() as batch:
        batch.delete(store.some(seqs, "alice"))


def test_what_is_deleted_goes_with_its_place_in_every_conversation(
    store: Store, path: Path
) -> None:
    say(store, "old")
    send(store, "old private", "alice")
    say(store, "new")
    delete(store, 1, 2)
    assert texts(store, window()) == ["new"]
    assert execute(path, "SELECT * FROM conversations") == []
    assert store.gone() == [1, 2]
    with store.batch() as batch:
        batch.note_purged([1])
    assert store.gone() == [2]


def test_numbers_go_on_after_a_deletion_and_a_restart(path: Path) -> None:
    store = Store(path)
    say(store, "one")
    say(store, "two")
    delete(store, 1)
    store.close()
    store = Store(path)
    assert say(store, "three") == 3
    store.close()


def words_in(folder: Path, word: str) -> list[str]:
    """Return the names of the files that have a word in them."""
    return [each.name for each in folder.iterdir() if word.encode() in each.read_bytes()]


def give_back(store: Store) -> None:
    for _ in range(100):
        if store.give_back():
            return
    raise AssertionError("it is never done")


@pytest.mark.parametrize("length", [30, 30_000])
def test_what_is_deleted_is_in_no_file_and_its_room_is_given_back(
    store: Store, path: Path, length: int
) -> None:
    for number in range(3 * 200 if length < 100 else 60):
        say(store, f"secret{number} {'word ' * (length // 5)}")
        send(store, f"secret too{number}", "alice")
    say(store, "kept")
    last = store.last_seq
    assert words_in(path.parent, "secret") != []
    full = sum(each.stat().st_size for each in path.parent.iterdir())
    delete(store, *range(1, last, 2))
    give_back(store)
    assert words_in(path.parent, "secret1") == words_in(path.parent, "secret2") == []
    delete(store, *range(1, last))
    give_back(store)
    assert words_in(path.parent, "secret") == []
    assert words_in(path.parent, "kept") == ["chat.db"]
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < max(full / 3, 150_000)


def test_somebody_who_reads_is_not_waited_for(store: Store, path: Path) -> None:
    say(store, "unmistakable")
    say(store, "kept")
    with closing(open_snapshot(path)):
        delete(store, 1)
        started = time.monotonic()
        assert not store.give_back()
        assert time.monotonic() - started < 4  # and not _BUSY_SECONDS
    give_back(store)
    assert words_in(path.parent, "unmistakable") == []


def test_a_database_of_an_earlier_program_learns_to_shrink(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(
            f"{schema._SCHEMA} PRAGMA application_id = {schema.APPLICATION_ID};"
            f" PRAGMA user_version = {VERSION}; DROP TABLE gone; DROP TABLE rest;"
        )
        old.execute("INSERT INTO messages VALUES (1, 1, 'bob', 'lobby', NULL, 'mistake', NULL)")
        old.execute("DELETE FROM messages")
    store = Store(path)
    assert words_in(path.parent, "mistake") == []
    assert execute(path, "PRAGMA auto_vacuum") == [(2,)]
    assert (store.gone(), store.rest(), store.alive()) == ([], 0.0, None)
    store.close()


def test_how_far_accounts_have_read(store: Store, path: Path) -> None:
    with store.batch() as batch:
        batch.put([Standing("alice", read=5), Standing("bob", read=2)])
    say(store, "one")
    forget_account(path, "carol")
    expected = {"alice": 5, "bob": 2, "carol": 1, "dave": 0}
    assert store.read_upto(expected) == expected


# -- reading beside a server --


@pytest.mark.parametrize(
    ("user", "room", "since", "expected"),
    [
        (None, None, 0, ["room", "to both", "later"]),
        ("ALICE", None, 0, ["to both"]),
        ("bob", None, 0, ["to both"]),
        ("dave", None, 0, []),
        (None, "lobby", 0, ["room", "later"]),
        (None, "kitchen", 0, []),
        (None, None, NOW + 10, ["later"]),
        ("alice", None, NOW + 1, []),
    ],
)
def test_messages_are_read_beside_a_server(
    store: Store, path: Path, user: str | None, room: str | None, since: int, expected: list[str]
) -> None:
    say(store, "room")
    send(store, "to both", "Alice", "carol")
    say(store, "later", at=NOW + 10)
    found = stored_messages(path, user, room, since)
    assert [each.text for each in found] == expected


def test_a_snapshot_stays_as_it_was(store: Store, path: Path) -> None:
    say(store, "before")
    reading = stored_messages(path, None, None, 0)
    first = next(reading)
    say(store, "after")
    assert [first.text, *(each.text for each in reading)] == ["before"]


def test_a_snapshot_cannot_be_written_to(store: Store, path: Path) -> None:
    snapshot = open_snapshot(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        snapshot.execute("DELETE FROM messages")
    snapshot.close()


@pytest.mark.parametrize("content", [None, b"", b"hello" * 1000])
def test_what_is_no_chat_database_cannot_be_read(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError):
        list(stored_messages(path, None, None, 0))


# -- an account that goes --


def test_a_forgotten_account_leaves_no_inbox_and_no_standing(store: Store, path: Path) -> None:
    say(store, "room", sender="Alice")
    send(store, "to both", "Alice", "carol")
    with store.batch() as batch:
        batch.put([Standing("alice", hidden=True), Standing("carol")])
    forget_account(path, "ALICE")
    assert texts(store, window("alice", own=True)) == ["room"]
    assert texts(store, window("carol")) == ["room", "to both"]
    assert [each.key for each in store.standings()] == ["carol"]


def test_a_version_to_come_forgets_and_exports_in_a_file_of_this_one(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, "before", "Alice")
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    forget_account(path, "alice")
    send(store, "after", "alice")
    assert [each.text for each in stored_messages(path, "alice", None, 0)] == ["after"]


def test_a_new_account_may_use_the_keys_of_the_forgotten(store: Store, path: Path) -> None:
    say(store, "once", "Alice", "k")
    say(store, "once", "bob", "k")
    forget_account(path, "alice")
    assert say(store, "again", "Alice", "k") == 3
    assert say(store, "again", "bob", "k") == 2


def test_a_standing_is_there_or_not(store: Store) -> None:
    assert not store.has_standing("bob")
    with store.batch() as batch:
        batch.put([Standing("bob")])
    assert store.has_standing("bob")


def test_forgetting_without_a_database_makes_none(path: Path) -> None:
    forget_account(path, "alice")
    assert not path.exists()


def test_forgetting_in_a_file_that_is_no_database_is_an_error(path: Path) -> None:
    path.write_bytes(b"hello" * 1000)
    with pytest.raises(StoreError, match="could not be updated"):
        forget_account(path, "alice")
