"""The words that set a room up, as people type them and as the wire has them."""

from typing import Final

SETTINGS: Final[dict[str, tuple[str, str]]] = {
    "open": ("access", "open"),
    "closed": ("access", "closed"),
    "announce": ("speaking", "moderators"),
    "everyone": ("speaking", "everyone"),
    "past": ("history", "all"),
    "nopast": ("history", "joined"),
}
"""Each word with its field on the wire and the value there. *Open*: anybody may find and join it;
*closed*: by invitation only. *Announce*: only moderators speak. *Past*: who joins may read what was
said before."""


def a_role(role: str) -> str:
    """Return a role as it stands in a sentence: `an owner`."""
    return f"an {role}" if role.startswith("o") else f"a {role}"


def room_name(word: str) -> str | None:
    """Return the room that a typed word means (`#ops`), or None when it means something else."""
    return word[1:] if word.startswith("#") and len(word) > 1 else None
