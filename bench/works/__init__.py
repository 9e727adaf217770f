"""The works: what is measured, one noun each.

A work is a frozen dataclass; its fields are its sizes, and the options of its command. `run`
measures and checks: it raises ValueError if a message was lost, doubled or out of order.
"""

from collections.abc import Sequence
from typing import ClassVar, Final, Protocol

from bench.target import Target
from bench.turns import Figures
from bench.works.crowd import Crowd
from bench.works.flood import Fanout, Flood, Index, TlsFlood
from bench.works.idle import Idle
from bench.works.paced import Paced, Saturation
from bench.works.pages import Pages
from bench.works.pairs import Pairs
from bench.works.past import Past
from bench.works.rooms import Rooms
from bench.works.slow import Slow
from bench.works.startup import Startup
from bench.works.storm import Storm


class Work(Protocol):
    """Something to measure."""

    name: ClassVar[str]
    case: ClassVar[str]
    """What its cases are: a number of clients, a rate …"""

    def run(self, targets: Sequence[Target]) -> Figures:
        """Measure, in turns where there are several targets."""
        ...


WORKS: Final = (
    Flood,
    Fanout,
    TlsFlood,
    Index,
    Paced,
    Saturation,
    Slow,
    Pairs,
    Storm,
    Startup,
    Idle,
    Crowd,
    Pages,
    Past,
    Rooms,
)
