"""The search index: what can be typed, who finds what, and that it can always be made again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.search import SearchIndex, parse_query
from chatserver.store import Store

from .fakes import close_index, index_all

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
        ("größe", "Die GRÖSSE", False),
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


@pytest.mark.parametrize("words", ["", "   ", '"', '""', "* ** !?", '"!"'])
def test_where_there_are_no_words_there_is_nothing_to_look_for(words: str) -> None:
    assert parse_query(words) is None


@given(st.text(st.characters(codec="utf-8") | st.sampled_from('"*:(){}^+- fromANDORNOT')))
def test_nothing_that_can_be_typed_is_an_error(query_index: SearchIndex, words: str) -> None:
    query = parse_query(words.replace("\0", ""))
    if query is not None:
        query_index._reader.execute(
            "SELECT rowid FROM words WHERE words MATCH ?", (f"({query}) AND readers:room",)
        ).fetchall()


def test_of_a_very_long_query_the_beginning_counts() -> None:
    assert parse_query("word " * 10_000) == parse_query("word")
    long = parse_query(" ".join(f"w{number}" for number in range(10_000))) or ""
    assert long.startswith('text:"w0" AND text:"w1" AND ')
    assert 40 < long.count("text:") < 60
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
    first._writer.execute("PRAGMA user_version = 9")
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


def test_what_is_forgotten_is_found_no_more(store: Store, index: SearchIndex) -> None:
    say(store, "old news")
    say(store, "new news")
    index_all(index)
    index.forget(store.following(0, 1))
    index_all(index)
    assert find(index, "news") == [2]
    assert find(index, "old") == []


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
    monkeypatch.setattr("chatserver.search._PATIENCE", 0.05)
    behind = SearchIndex(path, store)  # and its thread never starts
    say(store, "news")
    assert behind.search("text:news", "alice", 0, 1) == []
    close_index(behind)


def test_the_index_holds_no_text(path: Path, store: Store, index: SearchIndex) -> None:
    say(store, "unmistakable sentence of words", "alice", "bob")
    index_all(index)
    index._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"unmistakable sentence" not in path.read_bytes()
