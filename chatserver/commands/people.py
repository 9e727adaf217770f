"""Who is here: who and last."""

from chatserver.commands.context import Context
from chatserver.commands.registry import Minutes, command
from chatwire.names import fold
from chatwire.replies import LastReply, Reply, WhoReply


@command("people", "See who else is here.", aliases=("names",))
def who(context: Context) -> Reply | None:
    """Name the other accounts with a live session that are not hidden."""
    return WhoReply(users=context.services.directory.here(but=context.me.account_id))


@command("people", "See who was here in the last minutes.")
def last(context: Context, minutes: Minutes) -> Reply | None:
    """Name the visible accounts that were connected at some time in the last `minutes`."""
    seen = context.services.directory.seen(within=minutes * 60)
    accounts = context.services.accounts.all()
    return LastReply(users=tuple(each for each in seen if fold(each.name) in accounts))


COMMANDS = (who, last)
