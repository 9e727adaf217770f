"""What people can ask for: a registry, and the decorated functions by subject."""

from chatserver.commands import (
    access,
    changes,
    devices,
    past,
    people,
    rooms,
    standing,
    talk,
    unread,
    upkeep,
)
from chatserver.commands.registry import Registry


def all_commands() -> Registry:
    """Return a registry with every command, in the order in which `help` shows them."""
    return Registry(
        *people.COMMANDS,
        *talk.COMMANDS,
        *rooms.COMMANDS,
        *changes.COMMANDS,
        *past.COMMANDS,
        *unread.COMMANDS,
        *standing.COMMANDS,
        *devices.COMMANDS,
        *access.COMMANDS,
        *upkeep.COMMANDS,
    )
