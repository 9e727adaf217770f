"""The outbox: everything in order, each byte once, bounded, and nobody waits."""

import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.errors import Disconnected
from chatserver.net.outbox import Outbox

from .fakes import DEADLINE, FakeStream, begun, raising


@pytest.fixture
def wire() -> FakeStream:
    return FakeStream()


@pytest.fixture
def outbox(wire: FakeStream) -> Outbox:
    return Outbox(wire.send, 1000)


def push(outbox: Outbox, *pieces: bytes) -> None:
    for piece in pieces:
        assert outbox.push(piece)


def send_one_by_one(outbox: Outbox, *pieces: bytes) -> None:
    """Push pieces with the numbers from 1 on, each of which has gone before the next."""
    for seq, piece in enumerate(pieces, start=1):
        outbox.push(piece, seq)
        outbox.drain()


def drained(outbox: Outbox, wire: FakeStream) -> bytes:
    """Return all that was sent once the system takes what is left."""
    wire.room = None
    assert outbox.drain(retry=True)
    assert outbox.waiting == 0
    return bytes(wire.sent)


def sealed(data: bytes) -> bytes:
    return b"<" + data + b">"


def test_what_is_pushed_is_sent_in_order(outbox: Outbox, wire: FakeStream) -> None:
    assert outbox.drain()
    assert outbox.drain(retry=True)
    assert wire.sends == []
    push(outbox, b"one ", b"two ", b"three")
    assert outbox.waiting == 13
    assert wire.sent == b""
    assert outbox.drain()
    assert wire.sent == b"one two three"
    assert outbox.waiting == 0


def test_small_pieces_are_one_send_and_large_ones_are_not_joined(wire: FakeStream) -> None:
    outbox = Outbox(wire.send, 0)
    push(outbox, *[b"x"] * 100)
    outbox.drain()
    assert wire.sends == [100]
    push(outbox, *[b"x" * 200_000] * 5)
    outbox.drain()
    assert max(wire.sends) <= 400_000
    assert sum(wire.sends) == 1_000_100


def test_after_a_refusal_only_a_retry_tries_again(outbox: Outbox, wire: FakeStream) -> None:
    wire.room = 0
    outbox.push(b"one")
    assert not outbox.drain()
    wire.room = None
    outbox.push(b"two")
    assert outbox.drain()  # it is the flusher's now
    assert wire.sent == b""
    assert drained(outbox, wire) == b"onetwo"
    outbox.push(b"three")
    assert outbox.drain()
    assert wire.sent == b"onetwothree"


def test_it_knows_since_when_nothing_was_taken(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"one")
    outbox.drain()
    assert outbox.blocked_since is None
    wire.room = 0
    outbox.push(b"two two")
    outbox.drain()
    since = outbox.blocked_since
    assert since is not None
    outbox.drain(retry=True)
    assert outbox.blocked_since == since  # still nothing
    wire.room = 3
    outbox.drain(retry=True)
    assert outbox.blocked_since > since  # something, but not all
    wire.room = None
    outbox.drain(retry=True)
    assert outbox.blocked_since is None


def test_written_is_what_went_out_whole(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"one", seq=1)
    outbox.push(b"two", seq=2)
    assert outbox.written_seq == 0
    wire.room = 4
    outbox.drain()
    assert outbox.written_seq == 0
    wire.room = None
    outbox.drain(retry=True)
    assert outbox.written_seq == 2
    outbox.push(b"an answer")
    outbox.push(b"old", seq=1)
    outbox.drain()
    assert outbox.written_seq == 2


@pytest.fixture
def asking(wire: FakeStream) -> Outbox:
    """Give an outbox that can ask what has arrived."""
    return Outbox(wire.send, 0, sealed, wire.unacknowledged)


def test_arrived_is_what_the_peers_system_has_confirmed(asking: Outbox, wire: FakeStream) -> None:
    send_one_by_one(asking, b"one", b"two", b"three")
    assert asking.written_seq == 3
    for left, arrived in ((b"wo><three>", 1), (b"><three>", 1), (b"<three>", 2)):
        wire.on_the_way = len(left)
        assert asking.arrived_seq() == arrived
    asking.push(b"an answer")
    asking.drain()
    wire.on_the_way = len(b"<an answer>")
    assert asking.arrived_seq() == 3
    asking.push(b"four", 4)
    asking.close()
    wire.on_the_way = 0  # of whoever has the descriptor now
    assert asking.arrived_seq() == 3


def test_what_had_arrived_before_the_peer_was_gone_is_known(
    asking: Outbox, wire: FakeStream
) -> None:
    wire.on_the_way = len(b"<two>")
    send_one_by_one(asking, b"one", b"two")
    wire.gone = True
    asking.push(b"three", 3)
    asking.drain()
    assert asking.arrived_seq() == 1


@pytest.mark.parametrize("lost", [1, 3])
def test_only_what_was_last_on_the_way_may_be_missing(
    asking: Outbox, wire: FakeStream, lost: int
) -> None:
    send_one_by_one(asking, *[b"x"] * 100)
    wire.on_the_way = lost * len(b"<x>")  # nobody has asked before the peer goes
    assert asking.arrived_seq() == 100 - lost


def test_however_much_is_on_the_way_nothing_counts_too_early(
    asking: Outbox, wire: FakeStream
) -> None:
    for seq in range(1, 1001):
        wire.on_the_way = 3 * seq
        asking.push(b"x", seq)
        asking.drain()
    assert asking.arrived_seq() == 0
    for left in (999, 500, 1):
        wire.on_the_way = 3 * left
        assert asking.arrived_seq() <= 1000 - left
    wire.on_the_way = 0
    assert asking.arrived_seq() == 1000


# -- holding --


def test_what_is_held_follows_what_is_pushed_ahead(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"before ")
    outbox.hold()
    assert outbox.holding
    outbox.push(b"live 1 ", seq=5)
    outbox.push_ahead(b"replay 1 ", seq=3)
    assert outbox.drain()
    assert wire.sent == b"before replay 1 "
    assert outbox.written_seq == 3
    outbox.push(b"live 2", seq=6)
    outbox.push_ahead(b"replay 2 ", seq=4)
    outbox.release()
    assert not outbox.holding
    outbox.drain()
    assert wire.sent == b"before replay 1 replay 2 live 1 live 2"
    assert outbox.written_seq == 6


def test_each_hold_waits_for_a_release_of_its_own(outbox: Outbox, wire: FakeStream) -> None:
    outbox.hold()
    outbox.push(b"live 1 ")
    outbox.hold()
    outbox.push(b"live 2 ")
    outbox.release()
    assert outbox.holding
    outbox.push(b"live 3 ")
    outbox.push_ahead(b"replay 2 ")
    assert outbox.waiting == len(b"live 1 replay 2 ")
    outbox.release()
    outbox.release()
    assert drained(outbox, wire) == b"live 1 replay 2 live 2 live 3 "


def test_what_is_held_behind_a_gap_is_forgotten(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"before ")
    for _ in range(2):
        outbox.hold()
        outbox.push(b"live")
    outbox.drop_held()
    assert outbox.waiting == 7
    outbox.push(b"bye")
    assert drained(outbox, wire) == b"before bye"


def test_what_is_held_counts(outbox: Outbox) -> None:
    outbox.hold()
    assert outbox.push(b"x" * 1000)
    assert outbox.waiting == 0  # it cannot be sent, but it takes up room
    assert not outbox.push(b"x")


# -- the limit --


def test_past_its_limit_it_takes_in_nothing_and_says_so_once(
    outbox: Outbox, wire: FakeStream
) -> None:
    wire.room = 0
    assert outbox.push(b"x" * 999)
    assert not outbox.push(b"y" * 600_000)
    assert outbox.push(b"z")  # not even what would fit: it would come behind a gap
    assert outbox.push_ahead(b"z")
    outbox.hold()
    assert outbox.push(b"z" * 600_000)
    assert (outbox.waiting, outbox.dropped) == (999, 4)
    wire.room = None
    outbox.drain()
    assert outbox.push(b"z")
    outbox.replace(b"bye")
    outbox.drain()
    assert wire.sent == b"x" * 999 + b"bye"


def test_what_has_gone_makes_room_and_a_limit_of_zero_is_none(
    outbox: Outbox, wire: FakeStream
) -> None:
    for _ in range(10):
        push(outbox, b"x" * 1000)
        outbox.drain()
    push(Outbox(wire.send, 0), b"x" * 10_000_000)


@pytest.mark.parametrize("ends", [False, True], ids=["room", "end"])
def test_waiting_for_room_ends_when_there_is_some_or_with_the_connection(
    outbox: Outbox, wire: FakeStream, ends: bool
) -> None:
    wire.room = 0
    outbox.push(b"x" * 600)
    outbox.drain()
    assert outbox.wait_below(601, 0)
    assert not outbox.wait_below(500, 0.01)
    waiting = begun(outbox.wait_below, 500, DEADLINE)
    if ends:
        outbox.close()
    else:
        drained(outbox, wire)
    assert waiting.result(DEADLINE)


# -- last words --


def test_last_words_replace_what_waits(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"one\n")
    outbox.hold()
    outbox.push(b"two\n")
    outbox.replace(b"bye\n")
    assert outbox.waiting == 4
    assert drained(outbox, wire) == b"bye\n"


def test_last_words_follow_the_line_that_was_cut(outbox: Outbox, wire: FakeStream) -> None:
    wire.room = 5
    outbox.push(b"one line\n")
    outbox.drain()
    outbox.push(b"two\n")
    outbox.replace(b"bye\n")
    assert drained(outbox, wire) == b"one line\nbye\n"


def test_after_the_end_nothing_is_taken_in(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"one")
    outbox.close()
    assert outbox.push(b"x" * 5000)
    assert outbox.push_ahead(b"x" * 5000)
    outbox.replace(b"bye")
    assert outbox.drain()
    assert wire.sent == b""
    assert outbox.waiting == 0


def test_a_peer_that_is_gone_ends_it(outbox: Outbox, wire: FakeStream) -> None:
    outbox.push(b"one", seq=1)
    wire.gone = True
    assert outbox.drain()
    assert outbox.written_seq == 0
    wire.gone = False
    outbox.push(b"two")
    assert outbox.drain()
    assert wire.sent == b""


def test_what_is_closed_while_it_is_sent_is_not_left_to_the_flusher() -> None:
    def send(data: bytes | memoryview) -> int:
        outbox.close()  # the handler, meanwhile
        return len(data) - 1

    outbox = Outbox(send, 1000)
    outbox.push(b"one")
    assert outbox.drain()


# -- sealing --


def test_what_is_sealed_is_sealed_once_and_sent_next(wire: FakeStream) -> None:
    outbox = Outbox(wire.send, 1000, sealed)
    wire.room = 2
    outbox.push(b"one")
    outbox.drain()
    push(outbox, b"two", b"three")
    outbox.replace(b"bye")
    assert drained(outbox, wire) == b"<one><bye>"


def test_a_seal_of_nothing_is_a_seal(wire: FakeStream) -> None:
    outbox = Outbox(wire.send, 1000, sealed)
    outbox.push_ahead(b"")
    assert drained(outbox, wire) == b"<>"


def test_a_seal_that_fails_ends_it(wire: FakeStream) -> None:
    outbox = Outbox(wire.send, 1000, raising(Disconnected("TLS failed")))
    outbox.push(b"one")
    assert outbox.drain()
    outbox.push(b"two")
    assert outbox.waiting == 0
    assert wire.sends == []


# -- several threads --


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(1, 9)),
            st.tuples(st.just("ahead"), st.integers(1, 9)),
            st.tuples(st.just("room"), st.integers(0, 20)),
            st.tuples(st.sampled_from(["drain", "retry", "hold", "release"]), st.just(0)),
        )
    )
)
def test_whatever_happens_each_byte_goes_out_once_and_in_order(
    steps: list[tuple[str, int]],
) -> None:
    wire = FakeStream()
    wire.room = 0
    outbox = Outbox(wire.send, 0)
    ready, held = b"", list[bytes]()  # what the order should be
    for number, (step, size) in enumerate(steps):
        data = bytes([number % 256]) * size
        if step == "push":
            outbox.push(data)
            if held:
                held[-1] += data
            else:
                ready += data
        elif step == "ahead":
            outbox.push_ahead(data)
            ready += data
        elif step == "room":
            wire.room = size
        elif step == "hold":
            outbox.hold()
            held.append(b"")
        elif step == "release":
            outbox.release()
            ready += held.pop(0) if held else b""
        else:
            outbox.drain(retry=step == "retry")
        assert ready.startswith(bytes(wire.sent))
    for _ in held:
        outbox.release()
    assert drained(outbox, wire) == ready + b"".join(held)


def test_threads_that_drain_at_once_never_reorder() -> None:
    chance = random.Random(4119)
    sent = bytearray()
    sending = threading.Lock()
    together: list[str] = []

    def send(data: bytes | memoryview) -> int:
        if not sending.acquire(blocking=False):
            together.append("two threads send at once")
            return 0
        time.sleep(0)  # let another thread try
        taken = min(len(data), chance.choice((0, 1, 7, 1000)))
        sent.extend(data[:taken])
        sending.release()
        return taken

    outbox = Outbox(send, 0)
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            outbox.drain(retry=True)

    flushing = [begun(flush) for _ in range(3)]
    pieces = [f"{number}\n".encode() for number in range(3000)]
    for piece in pieces:
        outbox.push(piece)
        outbox.drain()
    done.set()
    for each in flushing:
        each.result(DEADLINE)
    while outbox.waiting:
        outbox.drain(retry=True)
    assert together == []
    assert bytes(sent) == b"".join(pieces)
