"""What waits to be read, and what a person has had before them."""

from chatclient.talk.attention import Attention
from chatclient.talk.conversation import Conversation
from chatclient.talk.unread import Unread
from chatwire.events import Deleted, Edited
from chatwire.replies import ConversationsReply, Waiting

from .fake import message

OPS, BOB, LOBBY = Conversation(room="ops"), Conversation(("bob",)), Conversation()


def told(unread: Unread, *waiting: Waiting) -> None:
    unread.learn(ConversationsReply(conversations=waiting))


def ops(newest: int, read: int, unread: int, mentions: int = 0) -> Waiting:
    return Waiting(room="ops", newest=newest, read=read, unread=unread, mentions=mentions)


def test_what_the_server_has_counted_is_counted_once() -> None:
    unread = Unread("alice")
    for seq in (8, 9):  # the replay comes before the count
        unread.hear(message(seq, "hi", room="ops", mentions=("Alice",) if seq == 9 else ()))
    told(unread, ops(newest=9, read=2, unread=5, mentions=1))
    unread.hear(message(9, "late", room="ops"))
    unread.hear(message(10, "new", room="OPS"))
    unread.hear(message(11, "own", "alice", room="ops"))
    unread.hear(message(12, "to you", to=("alice",)))
    assert list(unread.parts()) == ["#ops 6", "bob 1", "@you 1"]
    told(unread, ops(newest=11, read=2, unread=6, mentions=1))  # after a lost link
    assert unread.count(OPS) == 6
    unread.read(OPS, 8)  # what is older is read by that, too
    assert unread.count(OPS) == 2
    unread.read(None, 12)
    assert list(unread.parts()) == []
    assert unread.position(OPS) == 12


def test_the_next_is_where_one_is_mentioned_then_private_then_the_oldest() -> None:
    unread = Unread("alice")
    for seq, room in enumerate(("a", "b", "c"), 1):
        mentions = ("alice",) if room == "c" else ()
        unread.hear(message(seq, "hi", room=room, mentions=mentions))
    unread.hear(message(4, "psst", to=("alice",)))
    order, here = [], None
    while (there := unread.next(here)) is not None:
        order.append(there.title)
        unread.read(there, 4)
        here = there
    assert order == ["#c", "bob", "#a", "#b"]


def test_a_key_reads_what_was_shown_and_who_is_there_reads_at_once() -> None:
    attention = Attention()
    assert not attention.shown(OPS, 1, 0.0)
    assert not attention.shown(OPS, 2, 1.0)
    assert attention.due() is None
    assert attention.key(100.0) == [(OPS, 2)]
    assert attention.shown(BOB, 3, 159.0)
    assert (attention.due(), attention.due(), attention.due()) == ((OPS, 2), (BOB, 3), None)
    assert not attention.shown(BOB, 4, 161.0)
    assert attention.due() is None


def test_a_correction_may_name_the_reader_and_what_is_deleted_waits_no_longer() -> None:
    def edited(seq: int, target: int, *mentions: str) -> Edited:
        return Edited(
            seq=seq, at="", sender="bob", room="ops", target=target, text="", mentions=mentions
        )

    unread = Unread("alice")
    unread.hear(message(1, "hi", room="ops"))
    unread.hear(message(2, "alice", room="ops", mentions=("alice",)))
    unread.change(edited(3, 1, "Alice"))
    assert list(unread.parts()) == ["#ops 2", "@you 2"]
    unread.change(edited(4, 2, "bob"))
    assert list(unread.parts()) == ["#ops 2", "@you 1"]
    unread.change(Deleted(seq=5, at="", sender="bob", room="ops", target=1))
    assert list(unread.parts()) == ["#ops 1"]


def test_what_has_left_the_screen_waits_until_somebody_goes_there() -> None:
    attention = Attention()
    for conversation, seq in ((OPS, 1), (BOB, 2), (OPS, 3), (LOBBY, 4)):
        attention.shown(conversation, seq, 0.0)
        attention.printed(10)
    assert attention.key(100.0, BOB, 20) == [(BOB, 2), (LOBBY, 4)]  # BOB is talked to
    assert not attention.shown(OPS, 5, 101.0)  # there is more before it
    assert attention.shown(BOB, 6, 101.0)
    assert attention.opened(OPS, 4, 102.0)
    assert attention.shown(OPS, 7, 103.0)
    due = [attention.due() for _ in range(4)]
    assert due == [(BOB, 6), (LOBBY, 4), (OPS, 7), None]


def test_what_was_read_elsewhere_waits_no_longer() -> None:
    attention = Attention()
    for conversation, seq in ((OPS, 1), (BOB, 2), (LOBBY, 3)):
        attention.shown(conversation, seq, 0.0)
    attention.printed(100)
    attention.read(OPS, 1)
    attention.read(None, 2)
    assert attention.key(100.0, None, 20) == []
    assert [attention.shown(each, 4, 101.0) for each in (OPS, BOB, LOBBY)] == [True, True, False]
