"""The search index: what can be typed, who finds what, and that it can always be made again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.errors import CommandError
from chatserver.search.index import SearchIndex
from chatserver.search.query import parse_query
from chatserver.storage.store import Store

from .fakes import close_index, index_all
from .test_words import FOUND, NOT_FOUND, SAME

NOW = 1_795_361_042_123


def say(store: Store, text: str, sender: str = "bob", *to: str) -> int:
    with store.batch() as batch:
        return batch.add(NOW, sender, None if to else "lobby", to, text, None)[0]


def find(index: SearchIndex, words: str, account: str = "alice", since: int = 0) -> list[int]:
    index_all(index)
    query = parse_query(words)
    return [] if query is None else index.search(query, account, since, 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.db"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "chat.db")
    yield opened
    opened.close()


@pytest.fixture
def index(path: Path, store: Store) -> Iterator[SearchIndex]:
    opened = SearchIndex(path, store)
    yield opened
    close_index(opened)


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
    store: Store, index: SearchIndex, words: str, text: str, found: bool
) -> None:
    say(store, text)
    assert find(index, words) == ([1] if found else [])


def test_the_whole_table_of_words_is_kept_by_the_index(store: Store, index: SearchIndex) -> None:
    for seq, (_, text) in enumerate(pairs := FOUND + SAME, 1):
        assert say(store, text) == seq
    for seq, (words, text) in enumerate(pairs, 1):
        assert seq in find(index, words), (words, text)
    for seq, (words, text) in enumerate(NOT_FOUND, len(pairs) + 1):
        assert say(store, text) == seq
        assert seq not in find(index, words), (words, text)


@pytest.mark.parametrize("words", ["", "   ", '"', '""', "* ** !?", '"!"'])
def test_where_there_are_no_words_there_is_nothing_to_look_for(words: str) -> None:
    assert parse_query(words) is None


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('"*:(){}^+- fromANDORNOT')))
def test_nothing_that_can_be_typed_is_an_error(query_index: SearchIndex, words: str) -> None:
    query = parse_query(words.replace("\0", ""))
    if query is not None:
        query_index.search(query, "alice", 0, 10)


def test_of_a_very_long_query_the_beginning_counts() -> None:
    assert parse_query("word " * 10_000) == parse_query("word")
    long = parse_query(" ".join(f"w{number}" for number in range(10_000))) or ""
    assert long.startswith('text:"w0" AND text:"w1" AND ')
    assert long.count("text:") == 64
    assert len(parse_query("a." * 30_000) or "") < 300


def test_a_nul_is_no_error(
    store: Store, index: SearchIndex, caplog: pytest.LogCaptureFixture
) -> None:
    say(store, "this")
    find(index, "th\0is")
    assert caplog.records == []


@pytest.fixture(scope="module")
def query_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    folder = tmp_path_factory.mktemp("search")
    store = Store(folder / "chat.db")
    say(store, "something")
    opened = SearchIndex(folder / "search.db", store)
    index_all(opened)
    yield opened
    close_index(opened)
    store.close()


def test_only_those_who_sent_or_were_sent_a_message_find_it(
    store: Store, index: SearchIndex
) -> None:
    say(store, "secret", "Bob", "Alice", "carol")
    assert find(index, "secret", "alice") == [1]
    assert find(index, "secret", "bob") == [1]
    assert find(index, "secret", "carol") == [1]
    assert find(index, "secret", "dave") == []
    assert find(index, "secret", "room") == []


def test_the_newest_come_first_and_no_more_than_asked_for(store: Store, index: SearchIndex) -> None:
    for number in range(10):
        say(store, "word", "bob", *(["alice"] if number % 2 else []))
    assert find(index, "word") == list(range(10, 0, -1))
    assert index.search(parse_query("word") or "", "alice", 0, 3) == [10, 9, 8]
    assert find(index, "word", since=6) == [10, 9, 8, 7, 6, 4, 2]


def test_it_goes_on_where_it_was(path: Path, store: Store) -> None:
    say(store, "one")
    first = SearchIndex(path, store)
    index_all(first)
    close_index(first)
    say(store, "two")
    second = SearchIndex(path, store)
    assert second.upto == 1
    assert find(second, "one") == [1]
    assert find(second, "two") == [2]
    close_index(second)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000, b"SQLite format 3\0"])
def test_it_is_made_again_when_it_is_missing_or_damaged(
    path: Path, store: Store, content: bytes | None
) -> None:
    say(store, "one")
    first = SearchIndex(path, store)
    index_all(first)
    close_index(first)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    second = SearchIndex(path, store)
    assert find(second, "one") == [1]
    close_index(second)


def test_the_index_of_another_version_is_made_again(path: Path, store: Store) -> None:
    say(store, "one")
    first = SearchIndex(path, store)
    first._parts._writer.execute("PRAGMA user_version = 9")
    close_index(first)
    second = SearchIndex(path, store)
    assert find(second, "one") == [1]
    close_index(second)


def test_the_index_of_another_database_is_made_again(path: Path, store: Store) -> None:
    for _ in range(3):
        say(store, "lunch", "alice", "bob")
    first = SearchIndex(path, store)
    index_all(first)
    close_index(first)
    other = Store(path.with_name("restored.db"))
    say(other, "secret", "carol", "dave")
    second = SearchIndex(path, other)
    assert find(second, "lunch", "alice") == []
    assert find(second, "secret", "dave") == [1]
    close_index(second)
    other.close()


def test_an_index_that_is_ahead_of_a_restored_backup_is_made_again(
    path: Path, tmp_path: Path
) -> None:
    first = Store(tmp_path / "chat.db")
    say(first, "room")
    first.close()
    backup = (tmp_path / "chat.db").read_bytes()
    first = Store(tmp_path / "chat.db")
    say(first, "lunch", "alice", "bob")
    index = SearchIndex(path, first)
    index_all(index)
    close_index(index)
    first.close()
    (tmp_path / "chat.db").write_bytes(backup)
    second = Store(tmp_path / "chat.db")
    index = SearchIndex(path, second)
    say(second, "secret", "carol", "dave")
    assert find(index, "lunch", "alice") == []
    assert find(index, "secret", "dave") == [2]
    close_index(index)
    second.close()


def delete(store: Store, index: SearchIndex, *seqs: int) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.executemany("DELETE FROM messages WHERE seq = ?", [(seq,) for seq in seqs])
    index.forget(seqs)
    index_all(index)


def words_in(folder: Path, *words: str) -> set[str]:
    """Return which of the words are in a file of the index, as text or as an index has them."""
    content = b"".join(each.read_bytes() for each in folder.glob("search.db*"))
    return {word for word in words if word.encode() in content}


def test_what_is_deleted_is_in_no_file(
    store: Store, index: SearchIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 2000)  # ten messages to a part
    for number in range(1, 41):
        say(store, f"kept{number} said")
        say(store, f"gone{number} said", "alice", "bob")
    gone = range(16, 50, 2)
    words = [f"gone{seq // 2}" for seq in gone]
    index_all(index)
    assert words_in(tmp_path, words[0][:4]) == {"gone"}
    assert len(index._parts.all()) > 5
    delete(store, index, *gone)
    assert sorted(index.purged()) == list(gone)
    assert index.purged() == []
    assert find(index, "said") == [seq for seq in range(80, 0, -1) if seq not in gone]
    assert find(index, "gone*") == [seq for seq in range(80, 0, -2) if seq not in gone]
    assert words_in(tmp_path, *words) == set()
    say(store, "later")
    assert find(index, "later") == [81]


def test_when_all_is_deleted_the_file_shrinks(
    store: Store, path: Path, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 20_000)
    empty = path.stat().st_size
    with store.batch() as batch:
        for number in range(2000):
            batch.add(NOW, "bob", "lobby", (), f"unmistakable{number * 7919}", None)
    say(store, "last")
    index_all(index)
    index._parts.empty_log()
    full = path.stat().st_size
    delete(store, index, *range(1, 2001))
    assert full > 3 * path.stat().st_size >= empty
    assert words_in(path.parent, "unmistakable") == set()
    assert len(index._parts.all()) <= 2
    assert find(index, "last") == [2001]


def test_what_is_deleted_while_a_part_is_made_anew_goes_too(
    store: Store, index: SearchIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._STEP", 2)
    for number in range(1, 9):
        say(store, f"unmistakable{number}")
    index_all(index)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM messages WHERE seq = 3")
    index.forget([3])
    for _ in range(3):
        assert index._purge(float("inf"))
    say(store, "meanwhile")
    delete(store, index, 1, 7)
    assert find(index, "unmistakable*") == [8, 6, 5, 4, 2]
    assert find(index, "meanwhile") == [9]
    assert words_in(tmp_path, *(f"unmistakable{seq}" for seq in (1, 3, 7))) == set()


def test_a_part_that_was_begun_when_the_server_ended_is_no_more(path: Path, store: Store) -> None:
    say(store, "unmistakable")
    first = SearchIndex(path, store)
    index_all(first)
    first.forget([1])
    first._purge(float("inf"))
    first._purge(float("inf"))
    close_index(first)
    second = SearchIndex(path, store)
    tables = second._parts._writer.execute(
        "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"
    )
    assert tables.fetchall() == [(part.table,) for part in second._parts.all()]
    delete(store, second, 1)
    assert words_in(path.parent, "unmistakable") == set()
    close_index(second)


def test_the_index_of_another_rule_is_made_again(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(store, "one")
    with monkeypatch.context() as patched:
        patched.setattr("chatserver.search.parts.RULE", "0/13.0.0")
        old = SearchIndex(path, store)
        index_all(old)
        close_index(old)
    new = SearchIndex(path, store)
    assert new.upto == 0
    assert find(new, "one") == [1]
    close_index(new)


def test_many_parts_are_one_past(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 600)  # three messages to a part
    for number in range(60):
        say(store, "word", "bob", *(["alice"] if number % 2 else []))
    assert find(index, "word") == list(range(60, 0, -1))
    assert index.search('text:"word"', "alice", 0, 7) == list(range(60, 53, -1))
    for since in (0, 20, 21, 22, 23, 59, 60, 99):
        expected = [seq for seq in range(60, 0, -1) if seq > since or seq % 2 == 0]
        assert find(index, "word", since=since) == expected
    assert find(index, "word", "carol", since=58) == [59]


def test_a_search_is_given_up_when_it_is_too_much(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.parts._MOST", 400)
    for _ in range(100):
        say(store, "word")
    index_all(index)
    monkeypatch.setattr("chatserver.search.index._BUDGET_SECONDS", -1.0)
    with pytest.raises(CommandError, match="too much to look through: add a word") as refused:
        find(index, "w*")
    assert refused.value.code == "bad_request"
    monkeypatch.undo()
    assert len(find(index, "w*")) == 100


def test_a_search_that_fails_is_an_error(
    store: Store, index: SearchIndex, caplog: pytest.LogCaptureFixture
) -> None:
    say(store, "word")
    assert find(index, "word") == [1]
    with pytest.raises(CommandError, match="search failed") as refused:
        index.search("no:such AND (column", "alice", 0, 10)
    assert refused.value.code == "internal"
    assert "a search failed" in caplog.text
    assert find(index, "word") == [1]  # the reader is as it was


def test_one_account_leaves_room_for_the_searches_of_others(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._TURN_SECONDS", 0.05)
    say(store, "word")
    index_all(index)
    with index._turns.of("mallory"):
        with pytest.raises(CommandError, match="Too many searches") as refused:
            find(index, "word", "mallory")
        assert refused.value.code == "try_later"
        assert find(index, "word", "alice") == [1]
    assert find(index, "word", "mallory") == [1]


def test_an_index_that_is_far_behind_says_so(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._PATIENCE", 0.0)
    monkeypatch.setattr("chatserver.search.index._FAR_BEHIND", 1)
    say(store, "one")
    assert index.search("text:one", "alice", 0, 10) == []
    say(store, "two")
    with pytest.raises(CommandError, match="is being made") as refused:
        index.search("text:one", "alice", 0, 10)
    assert refused.value.code == "try_later"


def test_what_is_on_disk_is_found_at_once(store: Store, path: Path) -> None:
    running = SearchIndex(path, store)
    running.start()
    for seq in range(1, 21):
        say(store, "news")
        assert running.search("text:news", "alice", 0, 1) == [seq]
    running.stop()


def test_a_search_does_not_wait_for_long(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatserver.search.index._PATIENCE", 0.05)
    behind = SearchIndex(path, store)  # and its thread never starts
    say(store, "news")
    assert behind.search("text:news", "alice", 0, 1) == []
    close_index(behind)
