"""Reading beside a server that writes."""

import sqlite3
from pathlib import Path

import pytest
from kept import ALICE, BOB, CAROL, NOW, Kept

from chatserver.order.items import AccountDeleted, AccountMade
from chatserver.storage.schema import StoreError
from chatserver.storage.snapshot import Chosen, open_snapshot, stored


@pytest.mark.parametrize(
    ("user", "room", "since", "expected"),
    [
        (None, None, 0, ["room", "to both", "later"]),
        ("ALICE", None, 0, ["to both"]),
        ("bob", None, 0, ["to both"]),
        ("dave", None, 0, []),
        ("nobody", None, 0, []),
        (None, "Lobby", 0, ["room", "later"]),
        (None, "kitchen", 0, []),
        (None, None, NOW + 10, ["later"]),
        ("alice", None, NOW + 1, []),
    ],
)
def test_messages_are_read_beside_a_server(
    kept: Kept, path: Path, user: str | None, room: str | None, since: int, expected: list[str]
) -> None:
    kept.say("room")
    kept.say("to both", BOB, ALICE, CAROL)
    kept.say("later", at=NOW + 10)
    assert [each.text for each in stored(path, Chosen(user, room, since))] == expected


def test_a_name_used_again_is_the_account_that_has_it_now(kept: Kept, path: Path) -> None:
    kept.say("before", BOB, ALICE)
    kept.apply(AccountDeleted(at=NOW, account=ALICE))
    assert list(stored(path, Chosen("alice"))) == []
    kept.apply(AccountMade(at=NOW, name="alice"))
    kept.say("after", BOB, 5)
    assert [each.text for each in stored(path, Chosen("alice"))] == ["after"]


def test_a_snapshot_stays_as_it_was(kept: Kept, path: Path) -> None:
    kept.say("before")
    reading = stored(path, Chosen())
    first = next(reading)
    kept.say("after")
    assert [first.text, *(each.text for each in reading)] == ["before"]


def test_a_snapshot_cannot_be_written_to(kept: Kept, path: Path) -> None:
    kept.say("hi")
    snapshot = open_snapshot(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        snapshot.execute("DELETE FROM messages")
    snapshot.close()


@pytest.mark.parametrize("content", [None, b"", b"hello" * 1000])
def test_what_is_no_chat_database_cannot_be_read(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError):
        list(stored(path, Chosen()))
