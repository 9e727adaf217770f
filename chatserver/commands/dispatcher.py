"""Carrying out a request: this alone enforces what the commands declare."""

import logging
from typing import Final

from msgspec import Struct

from chatserver.commands.context import Context
from chatserver.commands.registry import Command, Request
from chatserver.errors import CommandError, Disconnected
from chatserver.order.items import Again
from chatserver.order.pending import Question
from chatserver.speech import Answer

_log = logging.getLogger(__name__)

_REFUSAL_COST: Final = 1.0
"""What a request that makes no sense takes out of the rate: no less than one that does."""

_INTERNAL: Final = CommandError("internal", "Something went wrong on the server; it is logged.")


def dispatch(context: Context, request: Request) -> Answer | None:
    """Carry out a request and return its answer; None when there is none, or it comes later.

    In this order: look-up, state, arguments, cost, the function itself. Raises nothing but
    Disconnected: a bug is logged and answered with `internal`.
    """
    context.request = request
    try:
        found, arguments = _understand(context, request)
    except CommandError as error:
        context.charge(_REFUSAL_COST)
        return error.event()
    context.charge(found.cost)
    try:
        reply = found.handler(context, *found.values(arguments))
        if context.session is not None:
            # What was read meanwhile may be a new owner's of the same name.
            context.session.check()
    except CommandError as error:
        return _refuse(context, found, arguments, error)
    except Disconnected:
        raise
    except Exception:
        _log.exception("the command %s failed", request.op[:40])
        return _INTERNAL.event()
    if found.activity:
        context.connection.touch()
    return reply


def _refuse(
    context: Context, command: Command, arguments: Struct, error: CommandError
) -> Answer | None:
    """Return the answer to what cannot be done. With a key the order gives it: what could be done
    then, in a room that the asker was in or to an account that there was, is answered as the
    repeat that it is."""
    key: str | None = getattr(arguments, "key", None)
    session = context.session
    if key is None or session is None or session.revoked is not None:
        return error.event()
    again = Again(
        at=context.services.clock.now(),
        account=session.account_id,
        session=session.id,
        key=key,
        said=command.group == "talk",
    )
    question = Question(session, context.request, op=command.name, refusal=error)
    try:
        context.services.order.append(again, question)
    except CommandError:  # the server is stopping
        return error.event()
    context.connection.appended()
    return None


def _understand(context: Context, request: Request) -> tuple[Command, Struct]:
    """Return what is asked for. Raises CommandError."""
    found = request.find(context.registry)
    if found is None:
        word = request.op[:40]
        raise CommandError(
            "unknown_command",
            f"There is no command '{word}'.{context.registry.suggestion(request.op)}",
        )
    if found.when == "after login" and context.session is None:
        raise CommandError("not_logged_in", f"Log in before you use {found.name}.")
    if found.when == "after login":
        context.me.check()  # before anything is changed
    if found.when == "before login" and context.session is not None:
        raise CommandError("already_logged_in", f"You are logged in as {context.session.account}.")
    return found, request.arguments(found)
