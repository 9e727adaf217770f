"""Having accounts changed: by the server where one runs, else here, and by nobody in between.

Without a server, the data folder is locked against the start of one for as long as it takes.
"""

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from chatserver.accounts.changes import AccountChanges, NotDone
from chatserver.accounts.file import FILE_NAME, Accounts
from chatserver.cli.main import fail
from chatserver.control import (
    MOST_BYTES,
    REPLY_SECONDS,
    SOCKET,
    AddAccounts,
    Added,
    Changed,
    ChangePassword,
    DeleteAccounts,
    Deleted,
    DevicesEnded,
    EndDevices,
    GiveRole,
    Hello,
    Refused,
    Reply,
    Request,
    RoleGiven,
    ServerRole,
    decode_reply,
    line,
)
from chatserver.errors import Disconnected
from chatserver.net.local import connect
from chatserver.net.stream import PlainStream
from chatserver.system.folderlock import lock_for_command
from chatwire.framing import LineSplitter

_PATIENCE: Final = 10.0
"""How long a server may take to say hello; one that starts or stops gets so long for that."""

_LOOK_SECONDS: Final = 0.05

R = TypeVar("R", Added, Changed, Deleted, RoleGiven, DevicesEnded)


def change(data: Path, request: Request, kind: type[R]) -> R:
    """Have the accounts of a data folder changed, and what follows from that; return the reply,
    which is of this kind. Ends the command with a sentence when it was not done."""
    try:
        reply = _change(data, request)
    except NotDone as error:
        fail(str(error))
    except OSError as error:
        fail(cannot("write", data / FILE_NAME, error))
    if not isinstance(reply, kind):
        fail(f"{_server(data)} answered something else; restart it after an update.")
    return reply


def cannot(do: str, path: Path, error: OSError) -> str:
    """Say why a file in the data folder cannot be read or written, and what to do."""
    text = f"Cannot {do} {path}: {error.strerror or error}"
    if isinstance(error, PermissionError):
        with suppress(OSError):
            if path.parent.stat().st_uid != os.geteuid():
                return f"{text}; use the account that runs the server, or root."
    return f"{text}."


def _change(data: Path, request: Request) -> Hello | Reply:
    deadline = time.monotonic() + _PATIENCE
    while True:
        lock = lock_for_command(data)
        if lock is not None:
            try:
                return _here(data, request)
            finally:
                os.close(lock)
        # It may be starting or stopping: then there is a lock and no socket.
        with suppress(Disconnected, FileNotFoundError, ConnectionError, BlockingIOError):
            return _ask(data, request, deadline)
        if time.monotonic() > deadline:
            raise _silent(data)
        time.sleep(_LOOK_SECONDS)


# -- by the server --


def _ask(data: Path, request: Request, deadline: float) -> Hello | Reply:
    """Ask the server. Raises Disconnected or OSError when it was not asked, and NotDone."""
    try:
        stream = connect(data, SOCKET, _PATIENCE)
    except TimeoutError:
        raise _silent(data) from None
    try:
        splitter = LineSplitter(MOST_BYTES)
        hello = _read(stream, splitter, deadline)
        if hello is None:
            raise _silent(data)
        _check_hello(data, hello)
        return _exchange(data, stream, splitter, request)
    finally:
        stream.close()


def _check_hello(data: Path, hello: bytes) -> None:
    try:
        said = decode_reply(hello)
    except msgspec.DecodeError:
        said = None
    if isinstance(said, Refused):
        raise NotDone(said.text)
    if said != Hello():
        raise NotDone(f"{_server(data)} is of another version; restart it and try again.")


def _exchange(
    data: Path, stream: PlainStream, splitter: LineSplitter, request: Request
) -> Hello | Reply:
    """Send the request and return the reply. Raises NotDone."""
    deadline = time.monotonic() + REPLY_SECONDS
    try:
        _write(stream, line(request), deadline)
        reply = _read(stream, splitter, deadline)
    except Disconnected:
        reply = None
    if reply is None:
        raise NotDone(
            f"{_server(data)} ended or hung before it answered; see with chat users what was done."
        )
    try:
        said: Hello | Reply = decode_reply(reply)
    except msgspec.DecodeError:
        said = Refused(f"{_server(data)} answered something else; restart it after an update.")
    if isinstance(said, Refused):
        raise NotDone(said.text)
    return said


def _write(stream: PlainStream, data: bytes, deadline: float) -> None:
    """Send all of it. Raises Disconnected, also when it takes too long."""
    left = memoryview(data)
    while left:
        sent = stream.send(left)
        left = left[sent:]
        if not sent:
            _, able, _ = select.select([], [stream], [], max(0.0, deadline - time.monotonic()))
            if not able:
                raise Disconnected("it does not read")


def _read(stream: PlainStream, splitter: LineSplitter, deadline: float) -> bytes | None:
    """Return the next line, or None when it does not come in time. Raises Disconnected."""
    while (data := stream.receive(max(0.0, deadline - time.monotonic()))) is not None:
        lines = splitter.feed(data)
        if lines:
            return lines[0]
        if not data or splitter.overlong:
            raise Disconnected("no line came")
    return None


def _server(data: Path) -> str:
    return f"The server that uses {data}"


def _silent(data: Path) -> NotDone:
    return NotDone(
        f"{_server(data)} does not answer at its socket {SOCKET}, so nothing was changed: it is"
        " still starting, hangs, or is of an older version; wait or restart it, and try again."
    )


# -- here --


def _here(data: Path, request: Request) -> Reply:
    """Change the files. The caller has the folder's lock. Raises NotDone."""
    changes = AccountChanges(Accounts(data / FILE_NAME), _StoreKeeper(data))
    match request:
        case AddAccounts():
            return changes.add(request)
        case ChangePassword():
            return changes.change_password(request)
        case DeleteAccounts():
            return changes.delete(request)
        case GiveRole():
            return changes.give_role(request)
        case EndDevices():
            return changes.end_devices(request)


class _StoreKeeper:
    """What follows a change where nobody is logged in: only the database remembers."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def made(self, *names: str) -> None:
        """Nothing is known of them."""

    def changed(self, name: str) -> None:
        """The database knows no passwords."""

    def role_given(self, role: ServerRole, *names: str) -> None:
        """Note it in the database, which is made where there is none."""
        from chatserver.storage.store import give_roles  # noqa: PLC0415

        self._write(lambda database, now: give_roles(database, names, role, now))

    def devices_ended(self, name: str, device: int | None) -> int:
        """Take them out of the database, where there is one."""
        from chatserver.storage.store import end_devices  # noqa: PLC0415

        ended: list[int] = []
        self._write(
            lambda database, now: (
                ended.append(end_devices(database, name, device, now))
                if database.exists()
                else None
            )
        )
        return sum(ended)

    def deleted(self, *names: str) -> None:
        """Take their names away from them; what they said stays their own."""
        from chatserver.storage.store import forget_accounts  # noqa: PLC0415

        self._write(
            lambda database, now: (
                forget_accounts(database, names, now) if database.exists() else None
            )
        )

    def _write(self, change: Callable[[Path, int], None]) -> None:
        """Have the database changed, at a time in ms since 1970. Raises NotDone."""
        from chatserver.order.clock import Clock  # noqa: PLC0415
        from chatserver.storage.schema import StoreError  # noqa: PLC0415
        from chatserver.storage.store import FILE_NAME as STORE_FILE  # noqa: PLC0415
        from chatserver.storage.store import StorageFull  # noqa: PLC0415

        database = self._data / STORE_FILE
        try:
            change(database, Clock().now())
        except StoreError as error:
            raise NotDone(str(error)) from error
        except StorageFull as error:
            raise NotDone(f"{database} cannot be written ({error}).") from error
