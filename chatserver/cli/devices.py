"""The command that lists the browsers in which somebody stays logged in, and logs them out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatserver.accounts.file import FILE_NAME, Accounts
from chatserver.cli.control import change
from chatserver.cli.main import data_folder, data_option, fail, settings_from
from chatserver.control import DevicesEnded, EndDevices
from chatwire.names import fold
from chatwire.text import for_log, one_line

if TYPE_CHECKING:
    from chatserver.order.records import Device


@click.command()
@click.argument("name")
@click.option("--revoke", type=click.IntRange(1), help="Log out the device of this number.")
@click.option("--all", "every", is_flag=True, help="Log out all of them.")
@data_option
def devices(
    name: str, revoke: int | None, every: bool, data: Path | None, config: Path | None
) -> None:
    """List the browsers in which an account stays logged in, or log them out.

    A password that is changed logs them all out, too.
    """
    settings_from(config)
    if every and revoke is not None:
        raise click.UsageError("--revoke and --all exclude each other.")
    folder = data_folder(data)
    account = Accounts(folder / FILE_NAME).look_up(name)
    if account is None:
        fail(f"There is no account {for_log(name)}; chat users lists them.")
    if not every and revoke is None:
        for device in _stored(folder, account.name):
            click.echo(_line(device))
        return
    ended = change(folder, EndDevices(account.name, revoke), DevicesEnded).ended
    if revoke is not None and not ended:
        fail(f"{account.name} has no device {revoke}; chat devices {account.name} lists them.")
    click.echo(f"Logged out {ended} {'device' if ended == 1 else 'devices'} of {account.name}.")


def _stored(folder: Path, name: str) -> list["Device"]:
    from chatserver.storage.schema import StoreError  # noqa: PLC0415
    from chatserver.storage.snapshot import stored_devices  # noqa: PLC0415
    from chatserver.storage.store import FILE_NAME as STORE_FILE  # noqa: PLC0415

    try:
        found = stored_devices(folder / STORE_FILE, fold(name))
    except StoreError as error:
        fail(str(error))
    if not found:
        click.echo(f"{name} stays logged in with no browser.", err=True)
    return found


def _line(device: "Device") -> str:
    made, seen = (
        datetime.fromtimestamp(each / 1000, UTC).date().isoformat()
        for each in (device.made, device.seen)
    )
    client = one_line(device.client) or "a browser"
    return f"{device.number:>4}  since {made}  seen {seen}  {one_line(device.address)}  {client}"
