"""How one stands with the others: busy, idle, hide, appear, status."""

from msgspec import UNSET

from chatserver.commands.context import Context
from chatserver.commands.registry import ReplyWords, command
from chatserver.errors import CommandError
from chatserver.storage.store import Standing
from chatwire.protocol import Reply, StatusReply
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
    services.log.run(lambda seq: services.presence.busy(me, text, seq), me.key)
    return Reply(op="busy")


@command("standing", "End busy and show what was held.", aliases=("back",))
def idle(context: Context) -> Reply | None:
    """End busy; every session of the account is shown what it has not seen."""
    services, me = context.services, context.me

    def end_busy(seq: int) -> None:  # the log thread
        for session in services.presence.idle(me, seq):
            if session is not me:  # that one's handler goes on with it when this is answered
                services.replay.start(session)

    services.log.run(end_busy, me.key)
    return Reply(op="idle")


@command("standing", "Look logged out to the others.")
def hide(context: Context) -> Reply | None:
    """Look to others exactly as if the account had logged out now."""
    services, me = context.services, context.me
    services.log.run(lambda _: services.presence.hide(me, hidden=True), me.key)
    return Reply(op="hide")


@command("standing", "End hiding.")
def appear(context: Context) -> Reply | None:
    """Be seen again."""
    services, me = context.services, context.me
    services.log.run(lambda _: services.presence.hide(me, hidden=False), me.key)
    return Reply(op="appear")


@command("standing", "See whether you are busy or hidden.")
def status(context: Context) -> Reply | None:
    """Tell how the account stands and how many messages are held."""
    standing = _standing(context)
    held = 0
    if standing.busy:
        upto = context.services.log.last_seq
        held = context.services.replay.count(context.me.window(standing.since, upto))
    return StatusReply(
        name=context.me.account,
        busy=standing.busy,
        hidden=standing.hidden,
        reply=standing.reply if standing.reply else UNSET,
        held=held,
    )


def _standing(context: Context) -> Standing:
    standing = context.services.directory.standing(context.me.key)
    if standing is None:
        raise CommandError("kicked", "This account was deleted.")
    return standing


COMMANDS = (busy, idle, hide, appear, status)
