"""Whom a message names: found by whole words, in whatever stands around them."""

import pytest

from chatserver.order.items import AccountMade, Came, Said
from chatserver.order.outcome import Delivered
from chatserver.order.records import LOBBY_ID

from .alone import Alone

NAMES = ("ann", "bob", "c.d", "e-", "Max_1")


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("hi bob", ["bob"]),
        ("@Bob!", ["bob"]),
        ("(bob)", ["bob"]),
        ("“bob”", ["bob"]),
        ("bob's and bob", ["bob"]),
        ("ask bob.", ["bob"]),
        ("bob,c.d;max_1?", ["bob", "c.d", "Max_1"]),
        ("c.d.", ["c.d"]),
        ("e- it is", ["e-"]),
        ("bobby, a.bob, x_bob, übob", []),
        ("bob@example.org", []),
        ("I am ann", []),
        ("eve and nobody", []),
    ],
)
def test_a_name_is_a_whole_word_and_not_ones_own(text: str, mentions: list[str]) -> None:
    alone = Alone()
    alone.apply(*(AccountMade(at=1, name=name) for name in NAMES))
    alone.apply(*(Came(at=1, account=n, session=n, name=x) for n, x in enumerate(NAMES, 1)))
    (said,) = alone.apply(Said(at=2, account=1, session=1, text=text, room=LOBBY_ID))
    assert isinstance(said, Delivered)
    assert list(said.mentions) == mentions
