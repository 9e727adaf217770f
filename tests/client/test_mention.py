"""A name in a text."""

import pytest

from chatclient.talk.mention import mentions_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alice", ["alice"]),
        ("hello Alice!", ["Alice"]),
        ("(alice) ALICE: alice, alice.", ["alice", "ALICE", "alice", "alice"]),
        ("@alice's", ["alice"]),
        ("malice alice2 alice_ alice-2 my-alice alice.b", []),
        ("älice éalice", []),
        ("世alice", []),
        ("", []),
    ],
)
def test_a_name_is_a_word_of_its_own(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in mentions_in(text, "alice")] == found


def test_a_name_is_no_pattern() -> None:
    assert mentions_in("axb", "a.b") == []
    assert mentions_in("ask a.b.", "a.b") == [(4, 7)]
    assert mentions_in("b.a.b", "a.b") != []
