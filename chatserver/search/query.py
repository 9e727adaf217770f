"""What somebody typed into a search: words to look for, and places to look in."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from chatserver.search.words import is_whole, split
from chatwire.names import fold
from chatwire.text import clean

_MOST_CHARACTERS: Final = 4000
_MOST_WORDS: Final = 64
_MOST_PLACES: Final = 20
"""So much of a query is looked at. The words of a pasted link are a phrase: the first will do."""

_KEYS: Final = str.maketrans("＂“”„＊：＃", '""""*:#')
"""What other keyboards have in the place of the signs that mean something."""


class Term(Struct, frozen=True):
    """Words that must follow each other in a text, the last perhaps as the beginning of one; or, as
    `sender`, the name of who said it."""

    words: tuple[str, ...] = ()
    begins: bool = False
    sender: str = ""

    @property
    def match(self) -> str:
        """The term in the language of the index (FTS5)."""
        if self.sender:
            return f"sender:{name_token(self.sender)}"
        return f'text:"{" ".join(self.words)}"{"*" if self.begins else ""}'

    def is_in(self, words: list[str], sender: str) -> bool:
        """Tell whether it is true of a text, given as its words, and of who said it."""
        if self.sender:
            return fold(sender) == fold(self.sender)
        *whole, last = self.words
        length = len(self.words)
        runs = (words[at : at + length] for at in range(len(words) - length + 1))
        return any(
            run[:-1] == whole and (run[-1].startswith(last) if self.begins else run[-1] == last)
            for run in runs
        )


class Query(Struct, frozen=True):
    """What is looked for: all of the terms, in any of the places; without places, everywhere."""

    terms: tuple[Term, ...] = ()
    places: tuple[str, ...] = ()
    """As they were typed: `#ops`, `bob`."""

    @property
    def match(self) -> str:
        """The terms in the language of the index; empty where there are none."""
        return " AND ".join(each.match for each in self.terms)

    def fits(self, text: str, sender: str) -> bool:
        """Tell whether a message is one of those that are looked for, wherever it was said."""
        words = split(text)
        return all(each.is_in(words, sender) for each in self.terms)


def parse_query(query: str) -> Query:
    """Return what somebody typed.

    Words must all occur; `depl*` is a beginning, `"so far"` a phrase, `from:bob` a sender;
    `in:#ops` and `in:bob` are places. Whatever else is typed counts as words. Of a very long query
    the beginning counts.
    """
    terms: dict[Term, None] = {}
    places: dict[str, None] = {}
    left = _MOST_WORDS
    for at, piece in enumerate(_beginning(clean(query).translate(_KEYS)).split('"')):
        for typed in [piece] if at % 2 else piece.split():
            place = None if at % 2 else _after("in:", typed)
            if place is not None:
                if len(places) < _MOST_PLACES:
                    places[place] = None
                continue
            if left <= 0:
                break
            term = _phrase(typed, left) if at % 2 else _term(typed, left)
            if term is not None and term not in terms:
                terms[term] = None
                left -= len(term.words) or 1
    return Query(tuple(terms), tuple(places))


@lru_cache(maxsize=1000)
def name_token(name: str) -> str:
    """Return a name as one word of the index, whatever characters are in it."""
    return "x" + fold(name).encode().hex()


def account_token(account: int) -> str:
    """Return an account as one word of the index."""
    return f"a{account}"


def place_token(conversation: int) -> str:
    """Return a conversation as one word of the index."""
    return f"c{conversation}"


def _term(typed: str, most: int) -> Term | None:
    """Return what one typed word means, if anything."""
    sender = _after("from:", typed)
    if sender is not None:
        return Term(sender=sender)
    phrase = _phrase(typed, most)
    if phrase is not None and typed.endswith("*") and not is_whole(phrase.words[-1]):
        return Term(phrase.words, begins=True)
    return phrase


def _phrase(typed: str, most: int) -> Term | None:
    words = split(typed)[:most]
    return Term(tuple(words)) if words else None


def _after(sign: str, typed: str) -> str | None:
    """Return what is typed behind a sign like `from:`, if it is there and anything is."""
    return typed[len(sign) :] or None if typed.lower().startswith(sign) else None


def _beginning(query: str) -> str:
    """Return as many whole words of a query as are looked at."""
    if len(query) <= _MOST_CHARACTERS:
        return query
    beginning = query[:_MOST_CHARACTERS]
    return " ".join(beginning.split()[:-1]) or beginning
