"""Coming and going: login and logout."""

from chatserver.commands.context import Context
from chatserver.commands.registry import Name, OptionalSeq, Secret, command
from chatserver.errors import CommandError
from chatserver.replay import Past
from chatserver.session import Session
from chatwire.protocol import LoginReply, Reply

_SETTLE_SECONDS = 10.0


@command("access", "", when="before login")
def login(
    context: Context, name: Name, password: Secret, since: OptionalSeq = None
) -> Reply | None:
    """Log in; what came after `since`, or after the account's read position, is replayed."""
    services, connection = context.services, context.connection
    try:
        account = services.authenticator.authenticate(name, password, connection.address)
    except CommandError as error:
        context.refusals += error.code != "try_later"
        if error.attempts_left == 0 or context.refusals >= services.settings.login.attempts:
            connection.end("locked_out", "Too many failed logins; the connection is closed.")
        raise
    session = context.session = Session(connection, account, since)
    session.claim.acquire()  # until its login is answered, nobody else shows it anything
    try:
        joined = services.log.run(
            lambda seq: services.presence.join(
                session, seq, known=services.log.has_standing(session.key)
            ),
            session.key,
        )
        connection.logged_in = True
        standing = joined.standing
        past = None if standing.busy else services.replay.read(joined.window)
        context.answer(
            LoginReply(
                name=account,
                online=joined.online,
                seq=joined.seq,
                missed=services.replay.count(joined.window) if past is None else past.count,
                busy=standing.busy,
                hidden=standing.hidden,
            )
        )
        services.replay.show(session, past or Past((), 0, joined.seq))
    except Exception:
        # It may be here and held already: this connection is of no use any more.
        connection.cut()
        raise
    finally:
        session.claim.release()
    return None


@command("access", "Log out and leave.", aliases=("quit", "exit"), when="always")
def logout(context: Context) -> Reply | None:
    """End the connection, after the answers to everything sent before."""
    context.connection.settle(_SETTLE_SECONDS)
    context.connection.end("logged_out", "Goodbye.")
    return Reply(op="logout")


COMMANDS = (login, logout)
