"""What somebody typed into a search, in the language of the index (FTS5)."""

from functools import lru_cache
from typing import Final

from chatserver.search.words import is_whole, split
from chatwire.names import fold
from chatwire.text import clean

_MOST_CHARACTERS: Final = 4000
_MOST_WORDS: Final = 64
"""So much of a query is looked at. The words of a pasted link are a phrase: the first will do."""

_KEYS: Final = str.maketrans({"＂": '"', "“": '"', "”": '"', "„": '"', "＊": "*", "：": ":"})
"""What other keyboards have in the place of the signs that mean something."""


def parse_query(query: str) -> str | None:
    """Return what somebody typed in FTS5's own language, or None if there is nothing to look for.

    Words must all occur; `depl*` is a beginning, `"so far"` a phrase, `from:bob` a sender. Whatever
    else is typed counts as words. Of a very long query the beginning counts.
    """
    parts: dict[str, int] = {}
    left = _MOST_WORDS
    for at, piece in enumerate(_beginning(clean(query).translate(_KEYS)).split('"')):
        for typed in [piece] if at % 2 else piece.split():
            if left <= 0:
                break
            part, words = _phrase(typed, left) if at % 2 else _term(typed, left)
            if part and part not in parts:
                parts[part] = words
                left -= words
    return " AND ".join(parts) or None


@lru_cache(maxsize=1000)
def name_token(name: str) -> str:
    """Return a name as one word of the index, whatever characters are in it."""
    return "x" + fold(name).encode().hex()


def account_token(account: int) -> str:
    """Return an account as one word of the index."""
    return f"a{account}"


def _term(typed: str, most: int) -> tuple[str, int]:
    """Return one typed word in FTS5's language, and how many words of the index that are."""
    if typed.lower().startswith("from:") and len(typed) > len("from:"):
        return f"sender:{name_token(typed[len('from:') :])}", 1
    phrase, words = _phrase(typed, most)
    if phrase and typed.endswith("*") and not is_whole(phrase[-2]):
        phrase += "*"
    return phrase, words


def _phrase(typed: str, most: int) -> tuple[str, int]:
    words = split(typed)[:most]
    return (f'text:"{" ".join(words)}"', len(words)) if words else ("", 0)


def _beginning(query: str) -> str:
    """Return as many whole words of a query as are looked at."""
    if len(query) <= _MOST_CHARACTERS:
        return query
    beginning = query[:_MOST_CHARACTERS]
    return " ".join(beginning.split()[:-1]) or beginning
