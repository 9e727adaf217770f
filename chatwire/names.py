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

_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}")


def is_name(candidate: str) -> bool:
    """Tell whether `candidate` is well formed; it may still belong to nobody."""
    return _NAME.fullmatch(candidate) is not None


def fold(name: str) -> str:
    """Return the form under which `name` is compared and indexed: Bob, BOB and bob are one."""
    return name.lower()
