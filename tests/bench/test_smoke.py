"""Every work of the bench, at its smallest: it runs, and counts every delivery once and in order.

The works themselves raise when a message is lost, doubled or out of order. No time is asserted.
"""

import pytest

from bench import ngircd, report
from bench.room import Listener, Transcript
from bench.server import CHAT
from bench.wire import IrcWire, JsonWire, Wire
from bench.works import WORKS, Work

TARGETS = [CHAT] if ngircd.program() is None else [CHAT, ngircd.NGIRCD]


@pytest.mark.parametrize("work", [kind.tiny() for kind in WORKS], ids=lambda work: work.name)
def test_work_runs_and_counts_every_delivery(work: Work) -> None:
    figures = work.run(TARGETS)
    assert figures
    assert CHAT.title in report.table(work.name, figures) or work.name in {"index", "slow"}
    for picture in report.plots({work.name: figures}).values():
        assert picture.startswith("<svg")
        assert len(picture) < 40_000


def said(*numbers: int, sender: int = 0) -> list[str]:
    return [f"{sender} {number} 1000000000 hello" for number in numbers]


def on_the_wire(wire: Wire, texts: list[str]) -> bytes:
    if isinstance(wire, JsonWire):
        lines = [f'{{"event":"message","seq":7,"from":"a","text":"{each}"}}\n' for each in texts]
    else:
        lines = [f":a!~a@host PRIVMSG #bench :{each}\r\n" for each in texts]
    return "".join(lines).encode()


@pytest.fixture(params=[JsonWire, IrcWire])
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param()
    return made


def test_what_all_hear_once_and_in_order_is_fine(wire: Wire) -> None:
    data = on_the_wire(wire, said(1, 2, 3))
    transcript = Transcript(wire)
    first, second = Listener(transcript), Listener(transcript)
    first.take(data[:50], 2.0)
    second.take(data[:90], 2.0)  # the one behind overtakes, in the middle of a message
    second.take(data[90:], 2.0)
    first.take(data[50:], 2.0)
    assert (first.seen, second.seen) == (3, 3)
    assert transcript.is_whole(first.at, senders=1, each=3)
    assert not transcript.is_whole(first.at, senders=1, each=4)


@pytest.mark.parametrize("numbers", [(1, 3), (1, 1), (2,), (1, 3, 2)])
def test_lost_doubled_and_disordered_messages_are_seen(
    wire: Wire, numbers: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="lost, doubled or out of order"):
        Listener(Transcript(wire)).take(on_the_wire(wire, said(*numbers)), 2.0)


def test_a_listener_that_hears_something_else_is_seen(wire: Wire) -> None:
    transcript = Transcript(wire)
    Listener(transcript).take(on_the_wire(wire, said(1, 2)), 2.0)
    with pytest.raises(ValueError, match="different"):
        Listener(transcript).take(on_the_wire(wire, said(1, 1)), 2.0)


def test_a_listener_that_misses_the_end_is_not_whole(wire: Wire) -> None:
    transcript = Transcript(wire)
    Listener(transcript).take(on_the_wire(wire, said(1, 2)), 2.0)
    behind = Listener(transcript)
    behind.take(on_the_wire(wire, said(1)), 2.0)
    assert behind.seen == 1
    assert not transcript.is_whole(behind.at, senders=1, each=2)
