"""What keeps a conversation going: help, and the acks and pings of programs."""

from chatserver.commands.context import Context
from chatserver.commands.registry import CommandWord, Seq, command
from chatserver.errors import CommandError
from chatwire.replies import HelpReply, Reply


@command(
    "upkeep", "See the commands, or how one is used.", aliases=("?", "commands"), when="always"
)
def help(context: Context, command: CommandWord = None) -> Reply | None:  # noqa: A001 - its name
    """Describe all commands that people type, or one of them."""
    registry = context.registry
    if command is None:
        return HelpReply(commands=tuple(each.help for each in registry if each.summary))
    found = registry.typed(command.removeprefix("/"))
    if found is None or not found.summary:
        raise CommandError(
            "unknown_command",
            f"There is no command '{command[:40]}'.{registry.suggestion(command)}",
        )
    return HelpReply(commands=(found.help,))


@command("upkeep", "", cost=0.05, activity=False)
def ack(context: Context, upto: Seq) -> Reply | None:
    """Note that messages up to number `upto` have been read. There is no answer."""
    session = context.me
    # A busy account has not seen what is held, whatever its client says.
    newest = session.cursor if session.held else context.services.replay.newest
    session.acknowledged = max(session.acknowledged, min(upto, newest))
    return None


@command("upkeep", "", when="always", cost=0.05, activity=False)
def ping(context: Context, active: bool = False) -> Reply | None:
    """Answer, to show that the server is there; `active`: and that somebody is at the keyboard."""
    if active:
        context.connection.touch()
    return Reply(op="ping")


@command("upkeep", "", when="always", cost=0.05, activity=False)
def pong(_: Context) -> Reply | None:
    """Take the answer to the server's ping; that it came is enough."""
    return None


COMMANDS = (help, ack, ping, pong)
