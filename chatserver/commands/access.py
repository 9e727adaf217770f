"""Coming and going: login and logout."""

from msgspec import UNSET

from chatserver.accounts.file import Account
from chatserver.commands.context import Context
from chatserver.commands.registry import Name, OptionalSeq, Secret, command
from chatserver.errors import CommandError
from chatserver.order.items import Came, Went
from chatserver.order.outcome import Arrived
from chatserver.order.replay import Past
from chatserver.sessions.session import Session
from chatwire.replies import LoginReply, Reply

_SETTLE_SECONDS = 10.0


@command("access", "", when="before login")
def login(
    context: Context,
    name: Name,
    password: Secret,
    since: OptionalSeq = None,
    attended: bool = True,
) -> Reply | None:
    """Log in; what came after `since`, or after the account's read position, is replayed.

    A client that is not `attended` by a person is not logged out for doing nothing.
    """
    if context.connection.device:
        # It would outlive the cookie that it came by, and be somebody else's.
        raise CommandError("bad_request", "This connection is a browser's: ask for resume.")
    context.connection.attended = attended
    with context.connection.login_waits():
        account = _authenticate(context, name, password)
        _enter(context, account, since)
    return None


@command("access", "", when="before login")
def resume(context: Context, since: OptionalSeq = None) -> Reply | None:
    """Come in by the token that came with the connection; like `login` from there on."""
    services, connection = context.services, context.connection
    device = services.devices.current(connection.device)
    account = None if device is None else services.accounts.look_up(device.name)
    if device is None or account is None:
        raise CommandError(
            "bad_credentials", "This browser is not logged in; log in with a name and a password."
        )
    services.devices.note_seen(device, connection.address)
    connection.attended = False  # a page that is open is nobody who has gone away
    _enter(context, account, since, device.token)
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


def _enter(context: Context, account: Account, since: int | None, device: str = "") -> None:
    """Give the account a session here, and show it what it has missed."""
    services, connection = context.services, context.connection
    connection.check_is_there()  # nobody is told of a coming and going that was neither
    identity = services.authenticator.identity(account)
    number = services.registrar.account_id(account.name)
    session = Session(connection, number, account.name, since, identity, device)
    session.claim.acquire()  # until its login is answered, nobody else shows it anything
    context.session = session
    try:
        arrived = _come(context, session)
        context.bucket = services.rates.of(session.key)  # one for all sessions of the account
        connection.logged_in = True
        # What is owed was settled in the order: somebody may be busy, or no longer, by now.
        past = None if arrived.busy else services.replay.read(session.owed.pop(0))
        context.answer(
            LoginReply(
                op="resume" if session.device else "login",
                name=account.name,
                online=arrived.online,
                seq=arrived.seq,
                missed=_held(context, session, arrived) if past is None else past.count,
                busy=arrived.busy,
                hidden=arrived.hidden,
                invited=arrived.invited,
                replay=True if past is not None and past.events else UNSET,
            )
        )
        services.replay.show(session, past or Past((), 0, 0, arrived.seq))
    except _NoPlace as error:
        context.session = None  # it may try again
        raise error.reason from None
    except Exception:
        # It may be here and held already: this connection is of no use any more.
        connection.cut()
        raise
    finally:
        session.claim.release()


def _held(context: Context, session: Session, arrived: Arrived) -> int:
    """Return how many messages wait for somebody who arrived busy."""
    services = context.services
    return services.replay.count(services.directory.window(session, arrived.seq))


class _NoPlace(Exception):
    """There is no place for a session, and it has none."""

    def __init__(self, reason: CommandError) -> None:
        super().__init__(reason.text)
        self.reason = reason


def _come(context: Context, session: Session) -> Arrived:
    """Give a session its place in the order. Raises _NoPlace."""
    services = context.services
    others = services.directory.sessions_of(session.account_id)
    # What had the name, or knew the password, before.
    services.registrar.review_sessions(tuple(each for each in others if not _alike(each, session)))
    services.directory.enter(session)
    try:
        arrived = services.order.run(
            Came(
                at=services.clock.now(),
                account=session.account_id,
                session=session.id,
                name=session.account,
                lobby=services.settings.rooms.lobby,
            )
        )
        assert isinstance(arrived, Arrived)
        session.came_at = arrived.seq
    except CommandError as error:
        if error.code == "internal":
            raise  # it may have come, or still come: it has to leave again
        services.directory.remove(session)
        raise _NoPlace(error) from error
    # Only now: whoever changes the account from here on finds the session and ends it.
    refusal = _refusal(context, session)
    if refusal is not None:
        services.order.run(
            Went(at=services.clock.now(), account=session.account_id, session=session.id)
        )
        session.connection.outbox.drop_held()
        raise _NoPlace(refusal)
    return arrived


def _refusal(context: Context, session: Session) -> CommandError | None:
    """Return why there is no place for a session that has just come."""
    services = context.services
    if not services.authenticator.still_lets_in(session.key, session.identity):
        # It has been changed since the password was checked, and may be another's.
        return CommandError(
            "try_later", "The account was changed meanwhile; log in again.", retry_after=1
        )
    if not services.devices.is_there(session):
        return CommandError("logged_out", "This device was logged out; log in again to go on.")
    most = services.settings.session.max_sessions_per_account
    # In the order in which they came: of those that come at once, the first find a place.
    here = services.directory.sessions_of(session.account_id)
    if most > 0 and session not in [each for each in here if _alike(each, session)][:most]:
        return CommandError(
            "try_later",
            f"This account is logged in {most} times already; log out somewhere else first.",
            retry_after=30,
        )
    return None


def _alike(one: Session, other: Session) -> bool:
    return one.identity == other.identity


@command("access", "Log out and leave.", aliases=("quit", "exit"), when="always")
def logout(context: Context) -> Reply | None:
    """End the connection, after the answers to everything sent before."""
    context.connection.settle(_SETTLE_SECONDS)
    context.connection.end("logged_out", "Goodbye.")
    return Reply(op="logout")


COMMANDS = (login, resume, logout)
