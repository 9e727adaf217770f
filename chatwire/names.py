"""Account names: what they may look like and how they compare."""

import re
from typing import Final

MAX_NAME_LENGTH: Final = 32
"""Characters; the same as most IRC networks allow, and short enough to stand before a message."""

NAME_RULE: Final = (
    f"a name has 1 to {MAX_NAME_LENGTH} letters, digits, dots, underscores or dashes"
    " and starts with a letter or digit"
)
"""The rule in words, to be put after "No." in an error."""

LOBBY: Final = "lobby"
"""The one room, where broadcasts are said."""

WORD: Final = rf"(?<![\w.-])[a-z0-9][a-z0-9._-]{{0,{MAX_NAME_LENGTH}}}(?![\w@])"
"""What may be a name in a folded text: a whole word, and no first half of an address. A stop behind
it may be part of the name, or end a sentence."""

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}")


RESERVED: Final = frozenset(
    (LOBBY, "all", "everybody", "everyone", "here", "you", "me", "server", "system")
)
"""What no account may be called: it already means the room, everybody in it, the reader, or who
speaks for the server. A message meant for the one would go to the other."""

RESERVED_RULE: Final = f"these words have a meaning: {', '.join(sorted(RESERVED))}"
"""Why a reserved name is refused."""


def is_reserved(name: str) -> bool:
    """Tell whether `name` means something, so that nobody can have it."""
    return fold(name) in RESERVED


def is_name(candidate: str) -> bool:
    """Tell whether `candidate` is well formed; it may still belong to nobody."""
    return _NAME.fullmatch(candidate) is not None


def fold(name: str) -> str:
    """Return the form under which `name` is compared and indexed: Bob, BOB and bob are one."""
    return name.lower()
