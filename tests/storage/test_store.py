"""The store: what is on disk, whole or not at all, and what is given back of it."""

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from kept import ALICE, BOB, CAROL, NOW, Kept, item

from chatserver.order.items import (
    AccountDeleted,
    AccountMade,
    Acked,
    Alive,
    Busy,
    Hidden,
    Purged,
    Said,
    Trimmed,
    Went,
)
from chatserver.order.state import State
from chatserver.storage.schema import VERSION, StoreError
from chatserver.storage.snapshot import open_snapshot
from chatserver.storage.store import StorageFull, Store


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def everything(state: State) -> list[object]:
    """Return what a state holds, as far as it outlives a restart."""
    members = [each for one in state.conversations.values() for each in one.members.values()]
    return [
        (state.seq, state.at, state.applied),
        [repr(each) for each in state.accounts.values()],
        [
            (each.id, each.kind, each.name, each.people, each.topic, each.newest)
            for each in state.conversations.values()
        ],
        sorted(map(repr, members)),
        sorted(map(repr, state.devices.values())),
    ]


def test_a_new_database_has_the_lobby_and_nobody(path: Path) -> None:
    store = Store(path)
    state = store.load()
    assert (state.accounts, state.seq, store.last_seq) == ({}, 0, 0)
    assert [(each.id, each.kind, each.name) for each in state.conversations.values()] == [
        (1, "room", "lobby")
    ]
    assert (store.gone(), store.rest(), store.alive()) == ([], 0.0, None)
    store.close()


def test_what_is_written_is_what_is_loaded(path: Path) -> None:
    """Of everything that there is, and without a server: `chat deluser` does no more than this."""
    kept = Kept(path)
    kept.say("hi")
    kept.say("psst", BOB, ALICE, CAROL)
    kept.apply(
        Busy(at=NOW + 1, account=ALICE, reply="at lunch"),
        Hidden(at=NOW + 2, account=BOB),
        Acked(at=NOW + 2, account=CAROL, upto=2),
        AccountDeleted(at=NOW + 3, account=CAROL),
        AccountMade(at=NOW + 3, name="Carol"),
    )
    kept.apply(*(Went(at=NOW + 4, account=each, session=each) for each in kept.state.accounts))
    identity = kept.store.identity
    kept.close()
    again = Store(path)
    state = again.load()
    assert again.identity == identity
    assert everything(state) == everything(kept.state)
    assert [each.deleted for each in state.accounts.values()] == [None] * 2 + [NOW + 3] + [None] * 2
    assert state.account("carol") is state.accounts[5]
    again.close()


def test_numbers_begin_at_one_and_go_on_after_a_restart_and_a_deletion(path: Path) -> None:
    kept = Kept(path)
    assert [kept.say("one"), kept.say("two")] == [1, 2]
    kept.apply(Trimmed(at=NOW, seqs=(1, 2)))
    assert kept.store.last_seq == 2
    kept.close()
    kept = Kept(path)
    assert kept.store.last_seq == 2
    assert kept.say("three") == 3
    kept.close()


def test_changes_have_numbers_too(path: Path) -> None:
    Store(path).close()
    execute(path, "INSERT INTO changes VALUES (7, 0, 1, 1, 'topic', NULL, NULL, '', NULL)")
    kept = Kept(path)
    assert (kept.store.last_seq, kept.say("next")) == (7, 8)
    kept.close()


def test_a_batch_is_written_whole_and_once(kept: Kept, path: Path) -> None:
    kept.apply(item("one"), item("two", BOB, ALICE))
    assert execute(path, "SELECT seq, text FROM messages") == [(1, "one"), (2, "two")]
    kept.apply()
    assert execute(path, "SELECT count(*) FROM messages") == [(2,)]


def test_a_batch_that_fails_leaves_nothing(kept: Kept, path: Path) -> None:
    before = execute(path, "SELECT * FROM meta")
    kept.state.unsaved.messages += [(1, NOW, 1, BOB, "text", "lost", None, None)] * 2
    kept.state.unsaved.alive = NOW, 1.0
    with pytest.raises(sqlite3.IntegrityError):
        kept.store.write(kept.state)
    assert execute(path, "SELECT * FROM meta") == before
    assert execute(path, "SELECT count(*) FROM messages") == [(0,)]
    kept.state.saved()
    assert kept.say("next") == 1


def test_messages_are_synced_to_disk_unless_the_operator_says_otherwise(path: Path) -> None:
    for name, level in (("full", 2), ("normal", 1)):
        store = Store(path, synchronous=name)
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (level,)
        assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


def test_keys_in_use_are_an_accounts_own(kept: Kept) -> None:
    kept.say("once", BOB, key="k")
    kept.say("once", ALICE, BOB, key="k")
    kept.say("other", CAROL, key="l")
    asked = [(BOB, "k"), (ALICE, "k"), (CAROL, "k"), (BOB, "l")]
    assert kept.store.keys_in_use(asked) == {(BOB, "k"): 1, (ALICE, "k"): 2}


def test_the_writer_needs_no_reader(kept: Kept) -> None:
    with ExitStack() as lent:
        while not kept.store._readers.empty():
            lent.enter_context(kept.store._reader())
        assert kept.say("hi", key="k") == kept.say("hi", key="k") == 1
        kept.store.load()


def test_signs_of_life_are_kept(kept: Kept) -> None:
    kept.apply(Alive(at=100_500, rest=7.5))
    assert (kept.store.alive(), kept.store.rest()) == (100.5, 7.5)
    kept.apply(Alive(at=160_000))
    assert (kept.store.alive(), kept.store.rest()) == (160.0, 0.0)


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
    kept = Kept(path)
    kept.apply(*(item(f"{number}" * 100) for number in range(200)))
    kept.close()
    content = bytearray(path.read_bytes())
    root = path.stat().st_size // 2 // 4096 * 4096
    content[root : root + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    assert str(path) in refused(path)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (f"PRAGMA user_version = {VERSION + 1}", "newer version"),
        ("PRAGMA user_version = 0", "was never released"),
        ("PRAGMA user_version = 2", "was never released"),
        ("PRAGMA application_id = 0", "is not a chat database; move the file away."),
        ("DELETE FROM meta WHERE name = 'identity'", "it has no identity"),
    ],
)
def test_a_file_of_another_version_or_program_is_refused(
    path: Path, statement: str, why: str
) -> None:
    Store(path).close()
    execute(path, statement)
    assert why in refused(path)


def test_a_log_without_its_database_is_no_new_one(path: Path) -> None:
    path.with_name("chat.db-wal").touch()
    with pytest.raises(StoreError, match="its log is there"):
        Store(path)
    assert not path.exists()


def test_an_empty_file_is_no_new_database(tmp_path: Path) -> None:
    (tmp_path / "chat.db").touch()
    with pytest.raises(StoreError, match="is empty"):
        Store(tmp_path / "chat.db")
    assert (tmp_path / "chat.db").stat().st_size == 0


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path / "none" / "chat.db")


def test_only_the_owner_may_read_it(kept: Kept, path: Path) -> None:
    kept.say("hi")
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3  # the database and what it writes ahead


def test_the_file_says_what_it_is(path: Path) -> None:
    Store(path).close()
    assert path.read_bytes()[68:72] == b"chat"


# -- a full disk --


def test_a_full_disk_keeps_nothing_of_the_batch_and_heals(kept: Kept) -> None:
    kept.say("before")
    writer = kept.store._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(2):
        with pytest.raises(StorageFull, match="full"):
            kept.say("x" * 100_000, key="k")
        assert [row[0] for row in kept.state.unsaved.messages] == [2]
        kept.state.take_back()
    assert kept.store.last_seq == 1
    window = kept.window()
    assert kept.texts(window) == ["before"]
    writer.execute("PRAGMA max_page_count = 1000000")
    assert kept.say("after", key="k") == 2
    assert kept.texts(window) == ["before", "after"]


def test_what_the_disk_had_no_room_for_can_be_written_later(kept: Kept, path: Path) -> None:
    kept.store._writer.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFull, match="locked"):
        kept.say("patient")
    other.execute("ROLLBACK")
    other.close()
    kept.store.write(kept.state)
    kept.state.saved()
    assert kept.texts(kept.window()) == ["patient"]


# -- what is deleted --


def test_what_is_deleted_is_noted_until_the_index_has_nothing_of_it(kept: Kept) -> None:
    for text in ("old", "old too", "new"):
        kept.say(text)
    kept.apply(Trimmed(at=NOW, seqs=(1, 2, 3)))
    assert kept.texts(kept.window()) == ["new"]  # the newest stays
    assert kept.store.gone() == [1, 2]
    assert kept.store.untidy
    kept.apply(Purged(at=NOW, seqs=(1,)))
    assert kept.store.gone() == [2]


def test_what_is_said_and_deleted_in_one_batch_is_gone(kept: Kept) -> None:
    kept.apply(item("oh"), item("hi"), Trimmed(at=NOW, seqs=(1,)))
    assert kept.texts(kept.window()) == ["hi"]


def words_in(folder: Path, word: str) -> list[str]:
    """Return the names of the files that have a word in them."""
    return [each.name for each in folder.iterdir() if word.encode() in each.read_bytes()]


def tidy(store: Store) -> None:
    for _ in range(100):
        store.tidy()
        if not store.untidy:
            return
    raise AssertionError("it is never done")


@pytest.mark.parametrize("length", [30, 30_000])
def test_what_is_deleted_is_in_no_file_and_its_room_is_given_back(
    kept: Kept, path: Path, length: int
) -> None:
    batch: list[Said] = []
    for number in range(600 if length < 100 else 60):
        batch.append(item(f"secret{number} {'word ' * (length // 5)}"))
        batch.append(item(f"secret too{number}", BOB, ALICE))
    kept.apply(*batch, item("kept"))
    last = kept.store.last_seq
    assert words_in(path.parent, "secret") != []
    full = sum(each.stat().st_size for each in path.parent.iterdir())
    kept.apply(Trimmed(at=NOW, seqs=tuple(range(1, last, 2))))
    tidy(kept.store)
    assert words_in(path.parent, "secret1") == words_in(path.parent, "secret2") == []
    kept.apply(Trimmed(at=NOW, seqs=tuple(range(1, last))))
    tidy(kept.store)
    assert words_in(path.parent, "secret") == []
    assert words_in(path.parent, "kept") == ["chat.db"]
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < max(full / 3, 160_000)


def test_somebody_who_reads_is_not_waited_for(kept: Kept, path: Path) -> None:
    kept.say("unmistakable")
    kept.say("kept")
    with closing(open_snapshot(path)):
        kept.apply(Trimmed(at=NOW, seqs=(1,)))
        started = time.monotonic()
        kept.store.tidy()
        assert kept.store.untidy
        assert time.monotonic() - started < 4  # and not BUSY_SECONDS
    tidy(kept.store)
    assert words_in(path.parent, "unmistakable") == []
