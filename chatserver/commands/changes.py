"""Correcting, deleting and reacting to what was said."""

from typing import Final

from chatserver.commands.context import Context
from chatserver.commands.parts import aimed, checked, perform
from chatserver.commands.registry import Key, Reaction, Target, TypedWords, command
from chatserver.errors import CommandError
from chatserver.order.items import Edited, Erased, Reacted
from chatwire.replies import Reply
from chatwire.text import is_reaction

_MS: Final = 1000


@command("changes", "Correct your last message, or one by its number.")
def edit(
    context: Context, target: Target = None, text: TypedWords = "", key: Key = None
) -> Reply | None:
    """Have a message of one's own read `text` from now on."""
    text = checked(context, text)
    target = aimed(context, target, mine=True)
    perform(context, "edit", Edited, key, target=target, text=text, since=_oldest(context))
    return None


@command("changes", "Delete your last message, or one by its number.")
def delete(context: Context, target: Target = None, key: Key = None) -> Reply | None:
    """Take the words of a message away."""
    target = aimed(context, target, mine=True)
    perform(context, "delete", Erased, key, target=target, since=_oldest(context))
    return None


@command("changes", "React to the last message, or one by number; - takes it back.")
def react(
    context: Context,
    target: Target = None,
    reaction: Reaction = "",
    on: bool = True,
    key: Key = None,
) -> Reply | None:
    """React to a message, or, not `on`, no longer do so; people type that as `react -👍`."""
    reaction = reaction.strip()
    if not is_reaction(reaction):
        raise CommandError(
            "bad_request", "React with one emoji or a word of up to 16 characters, as in react 👍."
        )
    target = aimed(context, target, mine=False)
    perform(
        context,
        "react",
        Reacted,
        key,
        target=target,
        reaction=reaction,
        on=on,
        most=context.services.settings.message.max_reactions,
    )
    return None


def _oldest(context: Context) -> int:
    """Return when the oldest message was said that its author may still change (ms)."""
    seconds = context.services.settings.message.edit_seconds
    return context.services.clock.now() - int(seconds * _MS) if seconds else 0


COMMANDS = (edit, delete, react)
