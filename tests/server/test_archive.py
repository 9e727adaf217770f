"""The archive: pages of the past, for those who may read it."""

import pytest

from chatserver.storage.store import Page

from .fakes import Client, Server

NEVER = 2**62


@pytest.fixture
def talked(server: Server) -> Server:
    """Give a server on which some has been said: numbers 1 to 8."""
    alice, bob = server.joined("alice", "bob")
    server.say(alice, "room 1")
    server.say(alice, "to bob 2", "bob")
    server.say(bob, "to alice 3", "alice")
    server.say(bob, "to both 4", "alice", "Carol")
    server.say(bob, "room 5")
    server.say(alice, "to myself 6", "alice")
    server.say(bob, "to carol 7", "Carol")
    server.say(alice, "room 8")
    server.settle()
    return server


def page(  # one parameter for each field
    account: str,
    peer: str | None = None,
    after: int = 0,
    before: int = NEVER,
    *,
    forward: bool = False,
) -> Page:
    room = "lobby" if peer is None else None
    return Page(account, room, peer, after, before, forward)


def texts(server: Server, wanted: Page, limit: int = 10) -> tuple[list[str], bool]:
    messages, more = server.archive.history(wanted, limit)
    return [each.text for each in messages], more


def test_the_history_of_the_room(talked: Server) -> None:
    assert texts(talked, page("dave")) == (["room 1", "room 5", "room 8"], False)


@pytest.mark.parametrize(
    ("account", "peer", "expected"),
    [
        ("alice", "bob", ["to bob 2", "to alice 3", "to both 4"]),
        ("bob", "alice", ["to bob 2", "to alice 3", "to both 4"]),
        ("bob", "carol", ["to both 4", "to carol 7"]),
        ("carol", "bob", ["to both 4", "to carol 7"]),
        ("alice", "carol", []),
        ("alice", "alice", ["to myself 6"]),
        ("dave", "bob", []),
    ],
)
def test_the_history_of_a_conversation(
    talked: Server, account: str, peer: str, expected: list[str]
) -> None:
    assert texts(talked, page(account, peer)) == (expected, False)


def test_of_too_many_the_newest_are_given_and_that_there_is_more(talked: Server) -> None:
    assert texts(talked, page("dave"), 2) == (["room 5", "room 8"], True)
    assert texts(talked, page("dave"), 3) == (["room 1", "room 5", "room 8"], False)


def test_a_page_ends_before_its_end(talked: Server) -> None:
    assert texts(talked, page("dave", before=8), 1) == (["room 5"], True)
    assert texts(talked, page("dave", before=5), 1) == (["room 1"], False)
    assert texts(talked, page("dave", before=1)) == ([], False)


def test_a_page_that_goes_forward_gives_the_first(talked: Server) -> None:
    assert texts(talked, page("dave", after=0, forward=True), 2) == (["room 1", "room 5"], True)
    assert texts(talked, page("dave", after=5, forward=True), 2) == (["room 8"], False)
    assert texts(talked, page("alice", "bob", after=2, forward=True), 1) == (["to alice 3"], True)


def test_pages_backward_and_forward_meet(talked: Server) -> None:
    backward: list[str] = []
    before, more = NEVER, True
    while more:
        messages, more = talked.archive.history(page("bob", "alice", before=before), 1)
        backward = [each.text for each in messages] + backward
        before = messages[0].seq
    assert backward == ["to bob 2", "to alice 3", "to both 4"]


def test_messages_are_as_their_readers_got_them(talked: Server) -> None:
    (message,), _ = talked.archive.history(page("carol", "bob", before=7), 1)
    assert (message.seq, message.sender, message.to) == (4, "bob", ("alice", "Carol"))
    (said,), _ = talked.archive.history(page("carol", before=5), 1)
    assert (said.seq, said.room) == (1, "lobby")


# -- search --


def found(server: Server, words: str, account: str, since: int = 0, limit: int = 10) -> list[str]:
    server.index_all()
    messages, _ = server.archive.search(words, account, since, limit)
    return [each.text for each in messages]


def test_a_search_finds_what_one_may_read_newest_first(talked: Server) -> None:
    assert found(talked, "to*", "alice") == ["to myself 6", "to both 4", "to alice 3", "to bob 2"]
    assert found(talked, "to*", "bob") == ["to carol 7", "to both 4", "to alice 3", "to bob 2"]
    assert found(talked, "to*", "carol") == ["to carol 7", "to both 4"]
    assert found(talked, "to*", "dave") == []
    assert found(talked, "room", "dave") == ["room 8", "room 5", "room 1"]


def test_a_search_in_the_room_begins_when_the_account_came(talked: Server) -> None:
    assert found(talked, "room", "dave", since=5) == ["room 8"]
    assert found(talked, "both", "carol", since=5) == ["to both 4"]


def test_a_search_says_whether_there_is_more(talked: Server) -> None:
    talked.index_all()
    messages, more = talked.archive.search("room", "dave", 0, 2)
    assert ([each.text for each in messages], more) == (["room 8", "room 5"], True)
    assert talked.archive.search("room", "dave", 0, 3)[1] is False


def test_what_is_no_longer_there_is_neither_found_nor_counted(talked: Server) -> None:
    """The index is behind: what was deleted, or of an old account of that name, is still in it."""
    talked.index_all()
    with talked.store.batch() as batch:
        batch._connection.execute("INSERT INTO deleted VALUES ('alice', 8)")
        batch._connection.execute("DELETE FROM messages WHERE seq = 1")
    assert talked.archive.search("to*", "alice", 0, 10) == ((), False)
    messages, more = talked.archive.search("room", "alice", 0, 2)
    assert ([each.text for each in messages], more) == (["room 8", "room 5"], False)
    assert found(talked, "both", "carol") == ["to both 4"]


def test_a_search_for_nothing_finds_nothing(talked: Server) -> None:
    assert found(talked, " ", "alice") == []
    assert found(talked, "!?", "alice") == []


def test_nobody_can_search_for_what_is_not_his(talked: Server) -> None:
    for words in ('carol" OR "room', "readers:room", "NOT room", "x OR room", 'to* readers:"x"'):
        assert not [text for text in found(talked, words, "dave") if "to" in text]


def test_a_late_client_is_as_good_as_an_early_one(talked: Server) -> None:
    talked.join(Client("dave"))
    assert found(talked, "room", "dave", talked.directory.since("dave")) == []
