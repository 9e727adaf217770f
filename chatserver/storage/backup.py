"""Copying a server's data while it runs, and putting a copy back.

A backup is a tar file, for its owner alone, with `chat.db` as it was at one moment (SQLite's
backup API on one snapshot, which holds nobody up), `user_pass.txt` and `tls/`. The search index is
not in it: it is made again. First come the SHA-256 checksums of the rest, which `restore` checks.
The database comes last, so that a backup that was cut short, or cannot be read to its end, lacks it
and is refused.
"""

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.accounts.file import FILE_NAME as ACCOUNTS_FILE
from chatserver.storage.schema import UNREADABLE, StoreError
from chatserver.storage.snapshot import open_snapshot
from chatserver.storage.store import FILE_NAME as STORE_FILE
from chatserver.system.files import hand_over, make_folder, open_private

_STEP_PAGES: Final = 1000
_TLS_FOLDER: Final = "tls"
_FILES: Final = (
    ACCOUNTS_FILE,
    f"{_TLS_FOLDER}/certificate.pem",
    f"{_TLS_FOLDER}/key.pem",
    f"{_TLS_FOLDER}/authority.pem",
    f"{_TLS_FOLDER}/authority-key.pem",
    STORE_FILE,
)

_CHECKSUMS: Final = "SHA256SUMS"
_MOST_CHECKSUMS: Final = 4096
_FORMAT: Final = tarfile.GNU_FORMAT
"""One block a header, however large the file."""

Progress = Callable[[int, int], None]
"""Called with how many pages have been copied, and of how many."""


class BackupError(Exception):
    """A backup cannot be made or put back; the text is one sentence for the operator."""


class _Damaged(Exception):
    """Where a backup is not as it was written."""


def back_up(data: Path, file: Path, progress: Progress) -> None:
    """Write a backup of the data folder to `file`, whole or not at all.

    Raises BackupError or StoreError.
    """
    if not (data / STORE_FILE).exists():
        raise BackupError(f"There is no {STORE_FILE} in {data}; name the folder with --data.")
    if file.resolve() in {(data / name).resolve() for name in _FILES}:
        raise BackupError(f"{file} is a part of the data folder; name another file.")
    try:
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".chat-backup-") as folder:
            copy = Path(folder, STORE_FILE)
            os.close(open_private(copy))
            _copy_database(data / STORE_FILE, copy, progress)
            archive = Path(folder, "archive.tar")
            os.close(open_private(archive))
            # Read once, because what may change meanwhile must be what is in the checksums.
            small = {
                name: (data / name).read_bytes()
                for name in _FILES
                if name != STORE_FILE and (data / name).exists()
            }
            with copy.open("rb") as database:
                files: dict[str, io.BufferedReader | io.BytesIO] = {
                    **{name: io.BytesIO(content) for name, content in small.items()},
                    STORE_FILE: database,
                }
                _write(archive, files)
            with archive.open("rb") as written:
                os.fsync(written.fileno())
            archive.replace(file)
    except OSError as error:
        raise BackupError(f"The backup {file} cannot be written: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise BackupError(f"{data / STORE_FILE} cannot be copied: {error}.") from error


def restore(file: Path, data: Path) -> bool:
    """Put a backup back into a data folder that is empty or not there.

    Return whether it had checksums, which version 0.1 did not write. Raises BackupError; then the
    folder is as it was.
    """
    try:
        data = data.resolve()  # a link stays a link to it
        if data.exists() and any(data.iterdir()):
            raise BackupError(f"{data} is not empty; restore into an empty folder.")
        make_folder(data.parent)
        with tempfile.TemporaryDirectory(dir=data.parent, prefix=".chat-restore-") as folder:
            whole = Path(folder, "data")
            whole.mkdir(mode=0o700)
            with tarfile.open(file, "r:") as tar:
                checked = _extract(tar, whole, file.stat().st_size)
            if checked:
                _refuse_strange_bytes(file)
            with closing(open_snapshot(whole / STORE_FILE)) as database:
                if database.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                    raise BackupError(f"The database in {file} is damaged; use another backup.")
            hand_over(whole, data if data.exists() else data.parent)
            if data.exists():
                data.rmdir()
            whole.replace(data)
        return checked
    except _Damaged as error:
        raise BackupError(f"{file} is damaged ({error}); use another backup.") from error
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise BackupError(f"{file} holds no chat database that can be used.") from error
        raise BackupError(f"{file} is not a backup of chat.") from error
    except (StoreError, *UNREADABLE) as error:
        raise BackupError(f"{file} holds no chat database that can be used.") from error
    except OSError as error:
        raise BackupError(f"{file} cannot be restored to {data}: {error.strerror}.") from error


def _copy_database(source: Path, target: Path, progress: Progress) -> None:
    with closing(open_snapshot(source)) as snapshot, closing(sqlite3.connect(target)) as copy:
        snapshot.backup(
            copy,
            pages=_STEP_PAGES,
            progress=lambda _status, left, total: progress(total - left, total),
            sleep=0,
        )


def _write(archive: Path, files: dict[str, io.BufferedReader | io.BytesIO]) -> None:
    """Write a backup: the checksums first and the database last."""
    digests = {
        name: hashlib.file_digest(file, "sha256").hexdigest() for name, file in files.items()
    }
    checksums = _checksums(digests)
    with tarfile.open(archive, "w", format=_FORMAT) as tar:
        for name, file in {_CHECKSUMS: io.BytesIO(checksums), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = file.seek(0, io.SEEK_END)
            info.mode, info.mtime = 0o600, int(time.time())
            file.seek(0)
            tar.addfile(info, file)


def _checksums(digests: dict[str, str]) -> bytes:
    """Return the file of checksums, as sha256sum writes it and `sha256sum -c` reads it."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def _extract(tar: tarfile.TarFile, folder: Path, size: int) -> bool:
    """Write the files that a backup has, and no others, whatever the archive holds.

    Return whether it had checksums; they are right then. `size` is that of the archive: nothing in
    it can be longer.
    """
    members = {member.name: member for member in tar}
    if STORE_FILE not in members:
        raise tarfile.TarError("no database")
    for name in (_CHECKSUMS, *_FILES):
        member = members.get(name)
        if member is not None and (
            not member.isreg() or member.issparse() or member.offset_data + member.size > size
        ):
            raise tarfile.TarError(f"{name} is no plain file")
    digests = {}
    for name in _FILES:
        content = tar.extractfile(members[name]) if name in members else None
        if content is None:
            continue
        path = folder / name
        make_folder(path.parent)
        with content, os.fdopen(open_private(path), "w+b") as out:
            shutil.copyfileobj(content, out)
            out.flush()
            os.fsync(out.fileno())
            out.seek(0)
            digests[name] = hashlib.file_digest(out, "sha256").hexdigest()
    if _CHECKSUMS not in members:
        return False
    said = tar.extractfile(members[_CHECKSUMS])
    if said is None or said.read(_MOST_CHECKSUMS) != _checksums(digests):
        raise _Damaged("its checksums are of something else")
    if [*members] != [_CHECKSUMS, *digests]:
        raise _Damaged("there is more in it than its checksums are of")
    return True


def _refuse_strange_bytes(file: Path) -> None:
    """Look at what the checksums are not of: headers and padding. Raises _Damaged."""
    with tarfile.open(file, "r:") as tar, file.open("rb") as raw:
        at = 0
        for member in tar:
            padded = -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            raw.seek(member.offset)
            header = raw.read(tarfile.BLOCKSIZE)
            raw.seek(member.offset_data + member.size)
            filling = raw.read(padded - member.size)
            if header != member.tobuf(_FORMAT) or any(filling) or member.offset != at:
                raise _Damaged(f"beside {member.name}")
            at = member.offset_data + padded
        raw.seek(at)
        end = raw.read(2 * tarfile.RECORDSIZE + 1)
        whole = (at + len(end)) % tarfile.RECORDSIZE == 0
        if any(end) or not whole or not 2 * tarfile.BLOCKSIZE <= len(end) <= 2 * tarfile.RECORDSIZE:
            raise _Damaged("at its end")
