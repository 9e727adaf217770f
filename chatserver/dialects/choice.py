"""Which dialect a client speaks, by what it says first."""

from collections.abc import Callable

from msgspec import Struct

from chatserver.dialects.dialect import Dialect


class Offer(Struct, frozen=True):
    """A dialect that is recognised by the first bytes, and how one is made for a connection."""

    recognises: Callable[[bytes], bool | None]
    """Whether these are its own; None while it takes more of them to tell."""
    make: Callable[[], Dialect]
    protocol: str = ""
    """What it is called where a client asks for it by name (ALPN)."""


class Choice(Struct, frozen=True):
    """The dialects there are: the first that recognises its own, otherwise what is left."""

    offers: tuple[Offer, ...]
    otherwise: Callable[[], Dialect]

    @property
    def protocols(self) -> tuple[str, ...]:
        """The names of all that have one."""
        return tuple(each.protocol for each in self.offers if each.protocol)

    def named(self, protocol: str) -> Dialect | None:
        """Return a dialect for a client that has asked for it by name."""
        return next((each.make() for each in self.offers if protocol == each.protocol != ""), None)

    def of(self, first: bytes, *, last: bool) -> Dialect | None:
        """Return a dialect for a client that has said `first`; None while it takes more to tell.

        `last`: no more can be waited for. A client that has said nothing is one of those, too.
        """
        for offer in self.offers:
            own = offer.recognises(first)
            if own:
                return offer.make()
            if own is None and not last:
                return None
        return self.otherwise()
