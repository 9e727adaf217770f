"""Where a name is mentioned in a text: as a whole word, in any case."""

import re


def mentions_in(text: str, name: str) -> list[tuple[int, int]]:
    """Return where `name` begins and ends in `text`, each time that it is a word of its own.

    Letters, digits, `-` and `_` beside it make another word of it, and so does a full stop with
    more behind it, since account names may hold all of these.
    """
    word = rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)"
    return [found.span() for found in re.finditer(word, text, re.IGNORECASE)]
