"""The command that lists the rooms, for whoever runs the server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatserver.cli.main import data_folder, data_option, fail, settings_from

if TYPE_CHECKING:
    from chatserver.storage.snapshot import StoredRoom


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a room.")
@data_option
def rooms(as_json: bool, data: Path | None, config: Path | None) -> None:
    """List all rooms, closed ones too, also while the server runs."""
    from chatserver.storage.schema import StoreError  # noqa: PLC0415
    from chatserver.storage.snapshot import stored_rooms  # noqa: PLC0415
    from chatserver.storage.store import FILE_NAME  # noqa: PLC0415

    settings_from(config)
    try:
        found = stored_rooms(data_folder(data) / FILE_NAME)
    except StoreError as error:
        fail(str(error))
    for line in map(_json, found) if as_json else _table(found):
        click.echo(line)


def _json(room: "StoredRoom") -> str:
    import msgspec  # noqa: PLC0415

    from chatwire.protocol import timestamp  # noqa: PLC0415

    values = msgspec.structs.asdict(room) | {"made": timestamp(room.made) if room.made else None}
    return msgspec.json.encode(values).decode()


def _table(found: list["StoredRoom"]) -> list[str]:
    from chatwire.text import one_line  # noqa: PLC0415

    rows = [("room", "access", "people", "messages", "owner", "made")]
    for each in found:
        day = datetime.fromtimestamp(each.made / 1000, UTC).date().isoformat()
        rows.append(
            (
                f"#{one_line(each.name)}",
                f"{each.access} announce" if each.speaking == "moderators" else each.access,
                f"{each.people:,}",
                f"{each.messages:,}",
                ", ".join(map(one_line, each.owners)) or "-",
                day if each.made else "-",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at in (2, 3) else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
