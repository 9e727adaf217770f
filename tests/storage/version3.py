"""A dump of a file that version 3 wrote, and what its tables are in version 4.

The dump has what makes it hard: names that were given up and used again, spellings, keys used
twice, somebody who never came, one who was here when the server was killed, notes to oneself.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

DUMP = Path(__file__).parent / "databases" / "3.sql"
AT = 1_795_361_042_123
NOW = AT + 86_400_000

ACCOUNTS = [
    (1, "bob", "BOB", "member", 0, "", 1, 16, AT, AT + 2000, None),
    (2, "alice", "Alice", "member", 1, "in a meeting", 0, 12, 1795361055250, AT + 3000, None),
    (3, "carol", "carol", "member", 0, "", 0, 3, None, AT + 3000, None),
    (4, "dave", "Dave", "member", 0, "", 0, 9, 0, AT + 6000, AT + 9000),
    (5, "erin", "Erin", "member", 0, "", 0, 9, 0, AT + 9000, AT + 9000),
    (6, "dave", "dave", "member", 0, "", 0, 10, 1795361060000, AT + 10000, None),
    (7, "frank", "Frank", "member", 0, "", 0, 0, 0, AT + 14000, None),
    (8, "erin", "Erin", "member", 0, "", 0, 9, 0, AT + 16000, None),
]
DIRECT = {
    2: ("[1,2,3]", AT + 3000),
    3: ("[1,2]", AT + 4000),
    4: ("[1]", AT + 5000),
    5: ("[1,4]", AT + 7000),
    6: ("[2,5]", AT + 9000),
    7: ("[2,6]", AT + 11000),
    8: ("[3,7]", AT + 14000),
    9: ("[1,2,6,8]", AT + 16000),
}
MESSAGES = [  # seq, conversation, sender, text, key
    (2, 1, 1, "good morning", "k1"),
    (3, 2, 2, "lunch?", "k1"),
    (4, 3, 1, "yes\nat noon", None),
    (5, 4, 1, "note to self", None),
    (6, 1, 4, "I am the first Dave", None),
    (7, 5, 4, "for Bob, from the first", None),
    (8, 5, 1, "for the first, and for me", None),
    (9, 6, 5, "goodbye", None),
    (10, 1, 6, "I am another Dave", "k1"),
    (11, 7, 2, "welcome, whoever you are", None),
    (12, 1, 1, "it's raining", None),
    (13, 1, 1, "it rains still", "k2"),
    (14, 8, 3, "are you there? 👋", None),
    (15, 2, 2, "lunch again?", None),
    (16, 9, 1, "a new Erin", None),
]
ACKED = {row[0]: row[7] for row in ACCOUNTS}
MEMBERS = [
    *((1, 1, 0, 16), (2, 1, 0, 12), (3, 1, 9, 9), (6, 1, 9, 10)),
    *(
        (int(each), number, 0, ACKED[int(each)])
        for number, (people, _) in DIRECT.items()
        for each in people.strip("[]").split(",")
    ),
]

EXPECTED = {
    "accounts": ACCOUNTS,
    "conversations": [
        (1, "room", "lobby", None, "", "open", "joined", "everyone", None, 0, None),
        *(
            (number, "direct", None, people, "", "open", "all", "everyone", None, made, None)
            for number, (people, made) in DIRECT.items()
        ),
    ],
    "members": sorted(
        (account, conversation, "member", since, read, "default", None, 0)
        for account, conversation, since, read in MEMBERS
    ),
    "messages": [
        (seq, AT + 1000 * seq, conversation, sender, "text", text, None, key, None, None)
        for seq, conversation, sender, text, key in MESSAGES
    ],
    "changes": [],
    "invitations": [],
    "devices": [],
    "mentions": [],
    "reactions": [],
    "gone": [(1,)],
    "meta": [
        ("alive", 1795361070500),
        ("applied", 0),
        ("at", AT + 16000),
        ("identity", "3ab89878e0fef3a06a077e82e4724eb7"),
        ("rest", 123.5),
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of version 3, with its log folded in. It has no auto_vacuum, as the first had none."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "chat.db")) as connection:
        connection.executescript(DUMP.read_text("utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return folder / "chat.db"


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            if name not in {"gone", "identity"}
            else connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
            for (name,) in names
        }


def pragma(path: Path, name: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}
