"""A Unix socket in a folder: for commands of the same user, on the same machine, and nobody else.

Its address may have 103 bytes on some systems (107 on Linux), and folders may be deeper than that;
then it is reached through the folder's descriptor, which leaves the working folder alone.
"""

import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chatserver.net.stream import PlainStream

_MOST_BYTES: Final = 103
_BACKLOG: Final = 64
_UCRED: Final = struct.Struct("iII")  # pid, uid and gid, on Linux
_XUCRED: Final = struct.Struct("II")  # version and uid, as xucred begins on macOS
_LOCAL_PEERCRED: Final = 1  # <sys/un.h> of macOS


class LocalListener:
    """A listening socket called `name` in `folder`, for its owner alone (0600).

    Whoever makes it has the folder's lock: a socket that is there was left by a server that was
    killed, and is replaced. Raises OSError, also where something else has the name.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket = socket.socket(socket.AF_UNIX)
        except BaseException:
            os.close(self._folder)
            raise
        try:
            self._socket.setblocking(False)
            self._remove()
            self._socket.bind(_address(folder, self._folder, name))
            # Nobody can connect before `listen`, whatever the umask was.
            os.chmod(name, 0o600, dir_fd=self._folder)
            self._socket.listen(_BACKLOG)
        except BaseException:
            self._socket.close()
            os.close(self._folder)
            raise

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._socket.fileno()

    def accept(self) -> tuple[PlainStream, int] | None:
        """Return a connection and the uid of whoever made it; None when there is none by now.

        Never blocks. Raises OSError, when out of descriptors for example.
        """
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return None
        try:
            return PlainStream(connection, ""), _peer_uid(connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Stop listening and take the socket away."""
        with suppress(OSError):  # somebody has taken it away, or the folder
            self._remove()
        self._socket.close()
        os.close(self._folder)

    def _remove(self) -> None:
        try:
            mode = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise OSError(errno.EEXIST, "something else has that name")
        os.unlink(self._name, dir_fd=self._folder)


def connect(folder: Path, name: str, timeout: float) -> PlainStream:
    """Connect to the socket called `name` in `folder`, within `timeout` seconds. Raises OSError:
    FileNotFoundError or ConnectionRefusedError where nobody listens."""
    with _opened(folder) as handle:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(_address(folder, handle, name))
            connection.setblocking(True)
            return PlainStream(connection, "")
        except BaseException:
            connection.close()
            raise


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _address(folder: Path, handle: int, name: str) -> bytes:
    address = os.fsencode(folder / name)
    if len(address) > _MOST_BYTES and sys.platform == "linux":
        return os.fsencode(f"/proc/self/fd/{handle}/{name}")
    return address


def _peer_uid(connection: socket.socket) -> int:
    """Return who has connected, as the system knows it."""
    if sys.platform == "linux":
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(found)[1])
    found = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
    return int(_XUCRED.unpack_from(found)[1])
