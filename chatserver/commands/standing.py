"""How one stands with the others: busy, idle, hide, appear, status."""

from msgspec import UNSET

from chatserver.commands.context import Context
from chatserver.commands.registry import ReplyWords, command
from chatserver.errors import CommandError
from chatserver.order.items import Busy, Hidden, Idle, Shown
from chatwire.replies import Reply, StatusReply
from chatwire.text import one_line

_MAX_REPLY = 200
"""Characters: it is said to everybody who writes, so it has to stay short."""


@command("standing", "Hold messages back and answer for you.", aliases=("away",))
def busy(context: Context, reply: ReplyWords = None) -> Reply | None:
    """Hold back what others say until `idle`, and answer with `reply` meanwhile."""
    text = one_line(reply or "")
    if len(text) > _MAX_REPLY:
        raise CommandError(
            "text_too_long", f"A busy reply may have at most {_MAX_REPLY} characters."
        )
    services, me = context.services, context.me
    services.order.run(Busy(at=services.clock.now(), account=me.account_id, reply=text))
    return Reply(op="busy")


@command("standing", "End busy and show what was held.", aliases=("back",))
def idle(context: Context) -> Reply | None:
    """End busy; every session of the account is shown what it has not seen."""
    services, me = context.services, context.me
    services.order.run(Idle(at=services.clock.now(), account=me.account_id, session=me.id))
    return Reply(op="idle")


@command("standing", "Look logged out to the others.")
def hide(context: Context) -> Reply | None:
    """Look to others exactly as if the account had logged out now."""
    services, me = context.services, context.me
    services.order.run(Hidden(at=services.clock.now(), account=me.account_id))
    return Reply(op="hide")


@command("standing", "End hiding.")
def appear(context: Context) -> Reply | None:
    """Be seen again."""
    services, me = context.services, context.me
    services.order.run(Shown(at=services.clock.now(), account=me.account_id))
    return Reply(op="appear")


@command("standing", "See whether you are busy or hidden.")
def status(context: Context) -> Reply | None:
    """Tell how the account stands and how many messages are held."""
    services, me = context.services, context.me
    standing = services.directory.standing(me.account_id)
    held = 0
    if standing.busy:
        held = services.replay.count(services.directory.window(me, services.replay.newest))
    return StatusReply(
        name=me.account,
        busy=standing.busy,
        hidden=standing.hidden,
        reply=standing.reply if standing.reply else UNSET,
        held=held,
    )


COMMANDS = (busy, idle, hide, appear, status)
