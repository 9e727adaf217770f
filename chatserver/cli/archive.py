"""The commands that copy what is stored: backup, restore and export."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatserver.cli.main import data_folder, data_option, fail, settings_from
from chatserver.cli.progress import Progress

if TYPE_CHECKING:
    from chatwire.events import Deleted, Edited, Message, Reacted, RoomChanged

    Change = Deleted | Edited | Reacted | RoomChanged


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def backup(file: Path, data: Path | None, config: Path | None) -> None:
    """Copy the data folder to FILE, also while the server runs."""
    from chatserver.storage.backup import BackupError, back_up  # noqa: PLC0415
    from chatserver.storage.schema import StoreError  # noqa: PLC0415

    settings_from(config)
    _leave_nothing_behind()
    progress = Progress()
    try:
        back_up(data_folder(data), file, progress)
    except (BackupError, StoreError) as error:
        progress.finish()
        fail(str(error))
    progress.finish()
    click.echo(f"Backed up to {file}, {file.stat().st_size:,} bytes.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@data_option
def restore(file: Path, data: Path | None, config: Path | None) -> None:
    """Put the backup in FILE into an empty data folder."""
    from chatserver.storage.backup import BackupError  # noqa: PLC0415
    from chatserver.storage.backup import restore as put_back  # noqa: PLC0415

    settings_from(config)
    _leave_nothing_behind()
    folder = data_folder(data)
    try:
        checked = put_back(file, folder)
    except BackupError as error:
        fail(str(error))
    if not checked:
        click.echo("chat: the backup is of an older version, without checksums.", err=True)
    click.echo(f"Restored to {folder}; start it with: chat serve --data {folder}")


@click.command()
@click.option(
    "--with", "user", metavar="USER", help="Only private messages that USER sent or was sent."
)
@click.option("--room", help="Only what was said in this room, or in the lobby.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only from this day or moment on (UTC).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "text"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a message, or lines to read.",
)
@click.option(
    "--changes",
    is_flag=True,
    help="Also what was corrected, deleted and reacted to, and what happened to rooms.",
)
@data_option
def export(
    user: str | None,
    room: str | None,
    since: datetime | None,
    form: str,
    changes: bool,
    data: Path | None,
    config: Path | None,
) -> None:
    """Write messages to standard output, the oldest first, also while the server runs.

    A message reads as it does now; one that was deleted has no words.
    """
    from chatserver.search.events import event_of, event_of_change  # noqa: PLC0415
    from chatserver.storage.past import StoredMessage  # noqa: PLC0415
    from chatserver.storage.schema import StoreError  # noqa: PLC0415
    from chatserver.storage.snapshot import Chosen, stored  # noqa: PLC0415
    from chatserver.storage.store import FILE_NAME  # noqa: PLC0415
    from chatwire.protocol import encode  # noqa: PLC0415

    settings_from(config)
    if user is not None and room is not None:
        raise click.UsageError("Name a user or a room, not both.")
    path = data_folder(data) / FILE_NAME
    room = None if room is None else room.removeprefix("#")
    # What click parses has no zone; it is UTC.
    from_ms = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
    chosen = Chosen(user, room, from_ms)
    try:
        # Of its own, because what it cannot write must not be tried again at the exit.
        with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as out:
            found = False
            for each in stored(path, chosen, changes=changes):
                found = True
                event = event_of(each) if isinstance(each, StoredMessage) else event_of_change(each)
                out.write(encode(event) if form == "jsonl" else _text(event))
        if not found:
            _refuse_typo(path, user, room)
    except StoreError as error:
        fail(str(error))
    except BrokenPipeError:
        sys.exit(1)  # nobody reads any more, as under `head`: there is nothing to be said
    except OSError as error:
        fail(f"The messages cannot be written: {error.strerror}.")


def _refuse_typo(path: Path, user: str | None, room: str | None) -> None:
    """End with an error where nothing was found because there is no such user or room."""
    from chatserver.accounts.file import FILE_NAME, Accounts  # noqa: PLC0415
    from chatserver.storage.snapshot import stored_rooms  # noqa: PLC0415
    from chatwire.names import fold  # noqa: PLC0415
    from chatwire.text import for_log  # noqa: PLC0415

    if room is not None and fold(room) not in {fold(each.name) for each in stored_rooms(path)}:
        fail(f"There is no room #{for_log(room)}; chat rooms lists them.")
    if user is not None and Accounts(path.with_name(FILE_NAME)).find(user) is None:
        fail(f"There is no account {for_log(user)}, and no message of one.")


def _leave_nothing_behind() -> None:
    """Have SIGTERM end the command as Ctrl-C does: after it has tidied up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _text(event: "Message | Change") -> bytes:
    from chatwire.events import Message  # noqa: PLC0415
    from chatwire.text import clean  # noqa: PLC0415
    from chatwire.wording import event_lines, message_lines  # noqa: PLC0415

    if isinstance(event, Message):
        first, *others = message_lines(event, "")
    else:
        first, *others = event_lines(event) or [""]
    stamp = event.at[:19].replace("T", " ")
    # The server has cleaned what it stored; but who knows where this database is from?
    return "".join(f"{clean(line)}\n" for line in (f"{stamp} {first}", *others)).encode()
