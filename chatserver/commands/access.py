"""Coming and going: login and logout."""

from chatserver.accounts.file import Account
from chatserver.commands.context import Context
from chatserver.commands.registry import Name, OptionalSeq, Secret, command
from chatserver.errors import CommandError
from chatserver.order.presence import Joined
from chatserver.order.replay import Past
from chatserver.sessions.session import Session
from chatwire.protocol import LoginReply, Reply

_SETTLE_SECONDS = 10.0


@command("access", "", when="before login")
def login(
    context: Context, name: Name, password: Secret, since: OptionalSeq = None
) -> Reply | None:
    """Log in; what came after `since`, or after the account's read position, is replayed."""
    with context.connection.login_waits():
        account = _authenticate(context, name, password)
        _enter(context, account, since)
    return None


def _authenticate(context: Context, name: str, password: str) -> Account:
    """Return whose name and password they are. Raises CommandError."""
    services, connection = context.services, context.connection
    try:
        return services.authenticator.authenticate(
            name, password, connection.address, connection.check_is_there
        )
    except CommandError as error:
        context.refusals += error.code != "try_later"
        if error.attempts_left == 0 or context.refusals >= services.settings.login.attempts:
            connection.end("locked_out", "Too many failed logins; the connection is closed.")
        raise


def _enter(context: Context, account: Account, since: int | None) -> None:
    """Give the account a session here, and show it what it has missed."""
    services, connection = context.services, context.connection
    connection.check_is_there()  # nobody is told of a coming and going that was neither
    identity = services.authenticator.identity(account)
    session = context.session = Session(connection, account.name, since, identity)
    session.claim.acquire()  # until its login is answered, nobody else shows it anything

    def join(seq: int) -> Joined:
        _check_in_order(context, session)
        return services.presence.join(session, seq, known=services.log.has_standing(session.key))

    joined: Joined | None = None
    try:
        joined = services.log.run(join, session.key)
        context.bucket = services.rates.of(session.key)  # one for all sessions of the account
        connection.logged_in = True
        standing = joined.standing
        past = None if standing.busy else services.replay.read(joined.window)
        context.answer(
            LoginReply(
                name=account.name,
                online=joined.online,
                seq=joined.seq,
                missed=services.replay.count(joined.window) if past is None else past.count,
                busy=standing.busy,
                hidden=standing.hidden,
            )
        )
        services.replay.show(session, past or Past((), 0, joined.seq))
    except Exception as error:
        if joined is None and isinstance(error, CommandError):
            context.session = None  # refused before it came to join: it may try again
        else:
            # It may be here and held already: this connection is of no use any more.
            connection.cut()
        raise
    finally:
        session.claim.release()


def _check_in_order(context: Context, session: Session) -> None:
    """Raise when there is no place for the session at this place of the order. Log thread."""
    if not context.services.authenticator.still_lets_in(session.key, session.identity):
        # It has been changed since the password was checked, and may be another's.
        raise CommandError(
            "try_later", "The account was changed meanwhile; log in again.", retry_after=1
        )
    most = context.services.settings.session.max_sessions_per_account
    others = context.services.directory.recipient(session.key).sessions
    if 0 < most <= sum(each.identity == session.identity for each in others):
        raise CommandError(
            "try_later",
            f"This account is logged in {most} times already; log out somewhere else first.",
            retry_after=30,
        )


@command("access", "Log out and leave.", aliases=("quit", "exit"), when="always")
def logout(context: Context) -> Reply | None:
    """End the connection, after the answers to everything sent before."""
    context.connection.settle(_SETTLE_SECONDS)
    context.connection.end("logged_out", "Goodbye.")
    return Reply(op="logout")


COMMANDS = (login, logout)
