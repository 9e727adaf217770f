"""What people can ask for: a registry, and the decorated functions by subject."""

from chatserver.commands import access, past, people, standing, talk, upkeep
from chatserver.commands.registry import Registry


def all_commands() -> Registry:
    """Return a registry with every command, in the order in which `help` shows them."""
    return Registry(
        *people.COMMANDS,
        *talk.COMMANDS,
        *past.COMMANDS,
        *standing.COMMANDS,
        *access.COMMANDS,
        *upkeep.COMMANDS,
    )
