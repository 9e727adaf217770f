"""The search index: what can be typed, who finds what, and that it can always be made again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import ALICE, BOB, CAROL, DAVE, Kept, item
from server.fakes import index_all

from chatserver.errors import CommandError
from chatserver.order.records import LOBBY_ID
from chatserver.search.index import SearchIndex
from chatserver.search.parts import Scope, TooMuch
from chatserver.search.query import Query, parse_query
from chatserver.storage.past import Stretch

from .test_words import FOUND, NOT_FOUND, SAME


def search(
    index: SearchIndex, match: str, account: int = ALICE, since: int = 0, limit: int = 100
) -> list[int]:
    """Return the newest of what the index has in the lobby after `since` and in private."""
    scope = Scope((Stretch(LOBBY_ID, since),), private=(Stretch(2, 0),))
    with closing(index.search(match, account, scope, limit)) as found:
        return [seq for batch in found for seq in batch][:limit]


def find(index: SearchIndex, words: str, account: int = ALICE, since: int = 0) -> list[int]:
    index_all(index)
    match = parse_query(words).match
    return search(index, match, account, since) if match else []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.db"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with closing(Kept(tmp_path / "chat.db")) as opened:
        yield opened


@pytest.fixture
def index(path: Path, kept: Kept) -> Iterator[SearchIndex]:
    with closing(SearchIndex(path, kept.store)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ("deploy", "we deploy today", True),
        ("DEPLOY", "we deploy today", True),
        ("deploy", "the deployment", False),
        ("deploy*", "the deployment", True),
        ("depl* today", "we deploy today", True),
        ("today deploy", "we deploy today", True),
        ("deploy tomorrow", "we deploy today", False),
        ('"deploy today"', "we deploy today", True),
        ('"today deploy"', "we deploy today", False),
        ('"so far" good', "so far so good", True),
        ('"so far', "so far so good", True),
        ("cafe", "the café", True),
        ("café", "the cafe", True),
        ("größe", "Die GRÖSSE", True),
        ("привет", "Привет, мир", True),
        ("don't", "I don't know", True),
        ("10.0.0.1", "ping 10.0.0.1 now", True),
        ("C++", "I like C++", True),
        ("AND", "this and that", True),
        ("OR NOT", "this", False),
        ("text:this", "this", False),
        ("NEAR(this that)", "this near that", False),
        ("(this", "this", True),
        ("this)", "this", True),
        ("{this} ^this", "this", True),
        ("-this", "this", True),
        ("from:bob", "this", True),
        ("from:BOB this", "this", True),
        ("from:carol", "this", False),
        ("from:bob that", "this", False),
        ("from:", "where are you from", True),
        ("bob", "this", False),
        ("room", "this", False),
    ],
)
def test_what_is_typed_finds_what_is_meant(
    kept: Kept, index: SearchIndex, words: str, text: str, found: bool
) -> None:
    kept.say(text)
    assert find(index, words) == ([1] if found else [])


def test_the_whole_table_of_words_is_kept_by_the_index(kept: Kept, index: SearchIndex) -> None:
    for seq, (_, text) in enumerate(pairs := FOUND + SAME, 1):
        assert kept.say(text) == seq
    for seq, (words, text) in enumerate(pairs, 1):
        assert seq in find(index, words), (words, text)
    for seq, (words, text) in enumerate(NOT_FOUND, len(pairs) + 1):
        assert kept.say(text) == seq
        assert seq not in find(index, words), (words, text)


@pytest.mark.parametrize("words", ["", "   ", '"', '""', "* ** !?", '"!"'])
def test_where_there_are_no_words_there_is_nothing_to_look_for(words: str) -> None:
    assert parse_query(words) == Query()


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('"*:(){}^+- fromANDORNOT')))
def test_nothing_that_can_be_typed_is_an_error(query_index: SearchIndex, words: str) -> None:
    match = parse_query(words.replace("\0", "")).match
    if match:
        search(query_index, match)


def test_of_a_very_long_query_the_beginning_counts() -> None:
    assert parse_query("word " * 10_000) == parse_query("word")
    long = parse_query(" ".join(f"w{number}" for number in range(10_000))).match
    assert long.startswith('text:"w0" AND text:"w1" AND ')
    assert long.count("text:") == 64
    assert len(parse_query("a." * 30_000).match) < 300


def test_a_nul_is_no_error(
    kept: Kept, index: SearchIndex, caplog: pytest.LogCaptureFixture
) -> None:
    kept.say("this")
    find(index, "th\0is")
    assert caplog.records == []


@pytest.fixture(scope="module")
def query_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    folder = tmp_path_factory.mktemp("search")
    with (
        closing(Kept(folder / "chat.db")) as kept,
        closing(SearchIndex(folder / "search.db", kept.store)) as opened,
    ):
        kept.say("something")
        index_all(opened)
        yield opened


def test_only_those_who_sent_or_were_sent_a_message_find_it(kept: Kept, index: SearchIndex) -> None:
    kept.say("secret", BOB, ALICE, CAROL)
    assert find(index, "secret", ALICE) == [1]
    assert find(index, "secret", BOB) == [1]
    assert find(index, "secret", CAROL) == [1]
    assert find(index, "secret", DAVE) == []
    assert find(index, "secret", "room") == []


def test_the_newest_come_first_and_no_more_than_asked_for(kept: Kept, index: SearchIndex) -> None:
    for number in range(10):
        kept.say("word", BOB, *([ALICE] if number % 2 else []))
    assert find(index, "word") == list(range(10, 0, -1))
    assert search(index, parse_query("word").match, limit=3) == [10, 9, 8]
    assert find(index, "word", since=6) == [10, 9, 8, 7, 6, 4, 2]


def indexed(path: Path, kept: Kept) -> None:
    """Have an index of everything said so far, closed again."""
    with closing(SearchIndex(path, kept.store)) as index:
        index_all(index)


def test_it_goes_on_where_it_was(path: Path, kept: Kept) -> None:
    kept.say("one")
    indexed(path, kept)
    kept.say("two")
    with closing(SearchIndex(path, kept.store)) as second:
        assert second.upto == 1
        assert find(second, "one") == [1]
        assert find(second, "two") == [2]


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000, b"SQLite format 3\0"])
def test_it_is_made_again_when_it_is_missing_or_damaged(
    path: Path, kept: Kept, content: bytes | None
) -> None:
    kept.say("one")
    indexed(path, kept)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with closing(SearchIndex(path, kept.store)) as second:
        assert find(second, "one") == [1]


@pytest.mark.parametrize("other", ["version", "rule"])
def test_the_index_of_another_version_or_rule_is_made_again(
    path: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    kept.say("one")
    with monkeypatch.context() as patched:
        if other == "rule":
            patched.setattr("chatserver.search.parts.RULE", "0/13.0.0")
        indexed(path, kept)
    if other == "version":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 9")
    with closing(SearchIndex(path, kept.store)) as second:
        assert second.upto == 0
        assert find(second, "one") == [1]


def test_the_index_of_another_database_is_made_again(path: Path, kept: Kept) -> None:
    kept.say("lunch", ALICE, BOB)
    indexed(path, kept)
    with closing(Kept(path.with_name("restored.db"))) as other:
        other.say("secret", CAROL, DAVE)  # it is as long
        with closing(SearchIndex(path, other.store)) as second:
            assert find(second, "lunch", ALICE) == []
            assert find(second, "secret", DAVE) == [1]


def test_an_index_that_is_ahead_of_a_restored_backup_is_made_again(
    path: Path, tmp_path: Path
) -> None:
    chat_db = tmp_path / "chat.db"
    with closing(Kept(chat_db)) as kept:
        kept.say("room")
    backup = chat_db.read_bytes()
    with closing(Kept(chat_db)) as kept:
        kept.say("lunch", ALICE, BOB)
        indexed(path, kept)
    chat_db.write_bytes(backup)
    with closing(Kept(chat_db)) as kept, closing(SearchIndex(path, kept.store)) as index:
        kept.say("secret", CAROL, DAVE)
        assert find(index, "lunch", ALICE) == []
        assert find(index, "secret", DAVE) == [2]


def delete_from_store(kept: Kept, *seqs: int) -> None:
    with closing(sqlite3.connect(kept.store.path)) as connection, connection:
        connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in seqs])


def delete(kept: Kept, index: SearchIndex, *seqs: int) -> None:
    delete_from_store(kept, *seqs)
    index.forget(seqs)
    index_all(index)


def words_in(folder: Path, *words: str) -> set[str]:
    """Return which of the words are in a file of the index, as text or as an index has them."""
    content = b"".join(each.read_bytes() for each in folder.glob("search.db*"))
    return {word for word in words if word.encode() in content}


def test_what_is_deleted_is_in_no_file(
    kept: Kept, index: SearchIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 2000)  # ten messages to a part
    for number in range(1, 41):
        kept.say(f"kept{number} said")
        kept.say(f"gone{number} said", ALICE, BOB)
    gone = range(16, 50, 2)
    words = [f"gone{seq // 2}" for seq in gone]
    index_all(index)
    assert words_in(tmp_path, words[0][:4]) == {"gone"}
    assert len(index._parts.all()) > 5
    delete(kept, index, *gone)
    assert sorted(index.purged()) == list(gone)
    assert index.purged() == []
    assert find(index, "said") == [seq for seq in range(80, 0, -1) if seq not in gone]
    assert find(index, "gone*") == [seq for seq in range(80, 0, -2) if seq not in gone]
    assert words_in(tmp_path, *words) == set()
    kept.say("later")
    assert find(index, "later") == [81]


def test_when_all_is_deleted_the_file_shrinks(
    kept: Kept, path: Path, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 20_000)
    empty = path.stat().st_size
    kept.apply(*(item(f"unmistakable{number * 7919}") for number in range(2000)))
    kept.say("last")
    index_all(index)
    index._parts.empty_log()
    full = path.stat().st_size
    delete(kept, index, *range(1, 2001))
    assert full > 3 * path.stat().st_size >= empty
    assert words_in(path.parent, "unmistakable") == set()
    assert len(index._parts.all()) <= 2
    assert find(index, "last") == [2001]


def test_what_is_deleted_while_a_part_is_made_anew_goes_too(
    kept: Kept, index: SearchIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._STEP", 2)
    for number in range(1, 9):
        kept.say(f"unmistakable{number}")
    index_all(index)
    delete_from_store(kept, 3)
    index.forget([3])
    index._step()
    for _ in range(3):
        assert index._purge(float("inf"))
    kept.say("meanwhile")
    delete(kept, index, 1, 7)
    assert find(index, "unmistakable*") == [8, 6, 5, 4, 2]
    assert find(index, "meanwhile") == [9]
    assert words_in(tmp_path, *(f"unmistakable{seq}" for seq in (1, 3, 7))) == set()


def test_a_part_that_was_begun_when_the_server_ended_is_no_more(path: Path, kept: Kept) -> None:
    kept.say("unmistakable")
    with closing(SearchIndex(path, kept.store)) as first:
        index_all(first)
        first.forget([1])
        first._step()
        for _ in range(2):
            first._purge(float("inf"))
    with closing(SearchIndex(path, kept.store)) as second:
        tables = second._parts._writer.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"
        )
        assert tables.fetchall() == [(part.table,) for part in second._parts.all()]
        delete(kept, second, 1)
        assert words_in(path.parent, "unmistakable") == set()


def test_many_parts_are_one_past(
    kept: Kept, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 600)  # three messages to a part
    for number in range(60):
        kept.say("word", BOB, *([ALICE] if number % 2 else []))
    assert find(index, "word") == list(range(60, 0, -1))
    assert search(index, 'text:"word"', limit=7) == list(range(60, 53, -1))
    for since in (0, 20, 21, 22, 23, 59, 60, 99):
        expected = [seq for seq in range(60, 0, -1) if seq > since or seq % 2 == 0]
        assert find(index, "word", since=since) == expected
    assert find(index, "word", CAROL, since=58) == [59]


def test_a_search_is_given_up_when_it_is_too_much(
    kept: Kept, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 400)
    for _ in range(100):
        kept.say("word")
    index_all(index)
    monkeypatch.setattr("chatserver.search.index._BUDGET_SECONDS", -1.0)
    with pytest.raises(TooMuch):
        find(index, "w*")
    monkeypatch.undo()
    assert len(find(index, "w*")) == 100


def test_a_search_that_fails_is_an_error(
    kept: Kept, index: SearchIndex, caplog: pytest.LogCaptureFixture
) -> None:
    kept.say("word")
    assert find(index, "word") == [1]
    with pytest.raises(CommandError, match="search failed") as refused:
        search(index, "no:such AND (column")
    assert refused.value.code == "internal"
    assert "a search failed" in caplog.text
    assert find(index, "word") == [1]  # the reader is as it was


def test_one_account_leaves_room_for_the_searches_of_others(
    kept: Kept, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._TURN_SECONDS", 0.05)
    kept.say("word")
    index_all(index)
    with index._turns.of(DAVE):
        with pytest.raises(CommandError, match="Too many searches") as refused:
            find(index, "word", DAVE)
        assert refused.value.code == "try_later"
        assert find(index, "word", ALICE) == [1]
    assert find(index, "word", DAVE) == [1]


def test_an_index_that_is_far_behind_says_so(
    kept: Kept, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._PATIENCE", 0.0)
    monkeypatch.setattr("chatserver.search.index._FAR_BEHIND", 1)
    kept.say("one")
    assert search(index, "text:one") == []
    kept.say("two")
    with pytest.raises(CommandError, match="is being made") as refused:
        search(index, "text:one")
    assert refused.value.code == "try_later"


def test_what_is_on_disk_is_found_at_once(kept: Kept, path: Path) -> None:
    running = SearchIndex(path, kept.store)
    running.start()
    for seq in range(1, 21):
        kept.say("news")
        assert search(running, "text:news", limit=1) == [seq]
    running.stop()


def test_a_search_does_not_wait_for_long(
    kept: Kept, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._PATIENCE", 0.05)
    kept.say("news")
    assert search(index, "text:news") == []  # its thread never starts
