"""Copying a server's data while it runs, and putting a copy back.

A backup is a tar file, for its owner alone, with `chat.db` as it was at one moment (SQLite's
backup API on one snapshot, which holds nobody up), `user_pass.txt` and `tls/`. The search index is
not in it: it is made again. The database comes last, so that a backup that was cut short, or cannot
be read to its end, lacks it and is refused.
"""

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from chatserver.accounts import FILE_NAME as ACCOUNTS_FILE
from chatserver.schema import UNREADABLE, StoreError
from chatserver.snapshot import open_snapshot
from chatserver.store import FILE_NAME as STORE_FILE

_STEP_PAGES: Final = 1000
_TLS_FOLDER: Final = "tls"
_FILES: Final = (
    ACCOUNTS_FILE,
    f"{_TLS_FOLDER}/certificate.pem",
    f"{_TLS_FOLDER}/key.pem",
    STORE_FILE,
)

Progress = Callable[[int, int], None]
"""Called with how many pages have been copied, and of how many."""


class BackupError(Exception):
    """A backup cannot be made or put back; the text is one sentence for the operator."""


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
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT, 0o600))
            _copy_database(data / STORE_FILE, copy, progress)
            archive = Path(folder, "archive.tar")
            os.close(os.open(archive, os.O_WRONLY | os.O_CREAT, 0o600))
            with tarfile.open(archive, "w", dereference=True) as tar:
                for name in _FILES:
                    source = copy if name == STORE_FILE else data / name
                    if source.exists():
                        tar.add(source, name)
            with archive.open("rb") as written:
                os.fsync(written.fileno())
            archive.replace(file)
    except OSError as error:
        raise BackupError(f"The backup {file} cannot be written: {error.strerror}.") from error
    except sqlite3.Error as error:
        raise BackupError(f"{data / STORE_FILE} cannot be copied: {error}.") from error


def restore(file: Path, data: Path) -> None:
    """Put a backup back into a data folder that is empty or not there.

    Raises BackupError; then the folder is as it was.
    """
    try:
        data = data.resolve()  # a link stays a link to it
        if data.exists() and any(data.iterdir()):
            raise BackupError(f"{data} is not empty; restore into an empty folder.")
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data.parent, prefix=".chat-restore-") as folder:
            whole = Path(folder, "data")
            whole.mkdir(mode=0o700)
            with tarfile.open(file, "r:") as tar:
                _extract(tar, whole)
            with closing(open_snapshot(whole / STORE_FILE)) as database:
                if database.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
                    raise BackupError(f"The database in {file} is damaged; use another backup.")
            if data.exists():
                data.rmdir()
            whole.replace(data)
    except tarfile.TarError as error:
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


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Write the files that a backup has, and no others, whatever the archive holds."""
    names = set(tar.getnames())
    if STORE_FILE not in names:
        raise tarfile.TarError("no database")
    for name in _FILES:
        if name not in names:
            continue
        member = tar.getmember(name)
        content = tar.extractfile(member) if member.isreg() else None
        if content is None:
            raise tarfile.TarError(f"{name} is no file")
        path = folder / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with content, os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
            shutil.copyfileobj(content, out)
            out.flush()
            os.fsync(out.fileno())
