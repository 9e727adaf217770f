"""What waits for a program, and what it is told at the end."""

import threading
from collections.abc import Callable

import pytest

from chatclient.errors import LinkLost
from chatclient.link.mailbox import QUEUE_LIMIT, Mailbox

from .fake import message

GONE = LinkLost("gone")


def full() -> Mailbox:
    mailbox = Mailbox()
    for seq in range(1, QUEUE_LIMIT + 1):
        mailbox.put(message(seq, "x"))
    return mailbox


@pytest.mark.parametrize("make_room", [lambda box: box.take(0, 1), Mailbox.close])
def test_who_fills_it_waits_for_room_or_the_end(make_room: Callable[[Mailbox], object]) -> None:
    mailbox = full()
    keeper = threading.Thread(
        target=mailbox.put, args=(message(QUEUE_LIMIT + 1, "x"),), daemon=True
    )
    keeper.start()
    keeper.join(0.05)
    assert keeper.is_alive()
    make_room(mailbox)
    keeper.join(10)
    assert not keeper.is_alive()


def test_the_program_itself_does_not_wait() -> None:
    mailbox = full()
    mailbox.put_at_once(message(QUEUE_LIMIT + 1, "x"))
    assert len(mailbox.take(0, 2 * QUEUE_LIMIT)) == QUEUE_LIMIT + 1


def test_an_end_comes_behind_what_came_before_it() -> None:
    mailbox = Mailbox()
    mailbox.put(message(1, "last"))
    assert mailbox.ending(final=True)
    mailbox.end(GONE)
    assert mailbox.take(0, 10) == [message(1, "last")]
    with pytest.raises(LinkLost):
        mailbox.take(0, 10)


def test_who_closes_is_told_of_no_end() -> None:
    mailbox = Mailbox()
    assert not mailbox.ending(final=False)
    assert mailbox.close()
    assert not mailbox.close()
    assert mailbox.ending(final=True)
    mailbox.end(GONE)
    assert mailbox.take(60, 10) == []
    assert mailbox.over


def test_an_end_that_came_first_is_told_to_who_closes_meanwhile() -> None:
    mailbox = Mailbox()
    assert mailbox.ending(final=True)
    mailbox.close()
    mailbox.end(GONE)
    with pytest.raises(LinkLost):
        mailbox.take(60, 10)


def test_who_is_woken_looks_once() -> None:
    mailbox = Mailbox()
    mailbox.wake()
    assert mailbox.take(60, 1) == []
