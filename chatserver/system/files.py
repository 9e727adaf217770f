"""Files that stay private, whole or as they were, and their folder's owner's.

What is in the data folder is for its owner alone: folders are 0700 and files 0600. What root makes
there belongs to the owner of the folder, so that `chat adduser` by root leaves nothing that a
server of another user cannot read.
"""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_OPEN_TO_OTHERS: Final = 0o077
_OURS: Final = (
    "user_pass.txt",
    ".user_pass.txt.",
    "chat.db",
    "chat.lock",
    "search",
    "push.pem",
    ".push.pem.",
)
"""How the names begin of what the server and its commands make in the data folder."""

_OUR_FOLDERS: Final = ("tls", "lost+found")
_IN_TLS: Final = tuple(
    f"{hidden}{name}.pem"
    for name in ("certificate", "key", "authority", "authority-key")
    for hidden in ("", ".")
)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, for their owner alone, unless they are there.

    What root makes belongs to whoever owns the folder it is in. Raises OSError.
    """
    if path.is_dir():
        return
    if path.parent != path and not path.parent.is_dir():
        make_folder(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return  # another command was faster
    path.chmod(0o700)  # whatever the umask took away
    _give(path, path.parent)


def open_private(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file, made if need be, for its owner alone; return the descriptor.

    Raises OSError, also for a link: what is written there is not to be somewhere else.
    """
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        handle = os.open(path, flags | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags & ~os.O_EXCL, 0o600)
    os.fchmod(handle, 0o600)
    _give(handle, path.parent)
    return handle


def tighten(folder: Path) -> list[str]:
    """Close a data folder, and what chat has in it, to everybody but its owner.

    Return a sentence for each thing that was open to others, or still is. Only chat's own files are
    touched, and no link is followed. A folder that others use too, such as /tmp or one with folders
    of others in it, stays as it is. Raises OSError when the folder cannot be read.
    """
    said = []
    status = folder.stat()
    entries = list(os.scandir(folder))
    if status.st_mode & _OPEN_TO_OTHERS:
        shared = status.st_mode & stat.S_ISVTX or any(
            each.is_dir(follow_symlinks=False) and each.name not in _OUR_FOLDERS for each in entries
        )
        if shared:
            said.append(f"{folder} is open to others and holds more than chat's files; it stays so")
        else:
            said.append(_close(folder, os.O_DIRECTORY, 0o700, None))
    for entry in entries:
        if entry.name == "tls" and entry.is_dir(follow_symlinks=False):
            said.append(_settle(Path(entry), folder, 0o700))
            with suppress(OSError):
                said += [
                    _settle(Path(each), folder, 0o600)
                    for each in os.scandir(entry)
                    if each.name.startswith(_IN_TLS) and each.is_file(follow_symlinks=False)
                ]
        elif entry.name.startswith(_OURS) and entry.is_file(follow_symlinks=False):
            said.append(_settle(Path(entry), folder, 0o600))
    return [each for each in said if each]


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, readable by its owner alone, and have it on disk.

    The owner stays the same, even if it is root that writes; a link stays a link, and what it leads
    to is replaced. Raises OSError; then the file is as it was.
    """
    path = target_of(path)
    # mkstemp creates the file with mode 0600, and replacing keeps it.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            _give(file.fileno(), path if path.exists() else path.parent)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too
    finally:
        os.close(folder)


def target_of(path: Path) -> Path:
    """Return the file that `path` leads to, if it is a link, else `path`.

    Raises OSError where root would be led to a file that is not the link's owner's: whoever owns
    the folder could have put the link there.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if os.geteuid() == 0:
        owner = path.lstat().st_uid
        if owner not in (0, (target if target.exists() else target.parent).stat().st_uid):
            raise OSError(errno.EPERM, f"it is a link to {target}, which is somebody else's")
    return target


def hand_over(folder: Path, like: Path) -> None:
    """Give a folder that root has made, with all in it, to the owner of `like`."""
    _give(folder, like)
    for path in folder.rglob("*"):
        _give(path, like)


def _give(what: int | Path, like: Path) -> None:
    """Give a file that root has made to the owner of `like`; others cannot."""
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def _settle(path: Path, folder: Path, mode: int) -> str:
    """Give a thing in the data folder its mode and owner; return what there is to be said."""
    try:
        status, owner = path.lstat(), folder.stat()
    except FileNotFoundError:
        return ""  # SQLite takes its files away when it likes
    strange = os.geteuid() == 0 == status.st_uid != owner.st_uid
    if not status.st_mode & _OPEN_TO_OTHERS and not strange:
        return ""
    flags = os.O_DIRECTORY if mode == 0o700 else 0
    said = _close(path, os.O_NOFOLLOW | flags, mode, owner if strange else None)
    return said if status.st_mode & _OPEN_TO_OTHERS else ""


def _close(path: Path, flags: int, mode: int, owner: os.stat_result | None) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
        try:
            # A second name may be that of a file elsewhere.
            if mode == 0o600 and os.fstat(handle).st_nlink > 1:
                return f"{path} is open to others and has a second name elsewhere; it stays so"
            os.fchmod(handle, mode)
            if owner is not None:
                os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} is open to others and cannot be closed to them ({error.strerror})"
    return f"{path} was open to others; now only its owner may read it"
