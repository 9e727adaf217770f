"""The seam: what the server needs of an order, whoever makes it.

Whoever has something to say appends an item; later, in one thread, the follower is given all items
of everybody in one order, batch by batch. The embedded order is `local`. A log that several
machines share could take its place: `append` may fail, may be slow, and nothing is known at once.
"""

from collections.abc import Sequence
from typing import Protocol

from chatserver.order.items import Item
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Entry, Ticket


class Order(Protocol):
    """Any thread may append."""

    def append(self, item: Item, ticket: Ticket | None = None) -> None:
        """Give an item its place. What follows is known later, to the ticket.

        May wait for room. Raises CommandError: try_later, or shutting_down.
        """
        ...

    def run(self, item: Item) -> Outcome:
        """As `append`, and return what followed.

        Raises CommandError: as `append`; what the item was refused with; try_later when its turn
        did not come in time; and internal when its turn came and its end did not.
        """
        ...


class Follower(Protocol):
    """Who is given the items, in one thread."""

    def follow(self, batch: Sequence[Entry]) -> None:
        """Apply them, put them on disk, tell whom it concerns. Raises nothing."""
        ...
