"""The command that makes the server's authority, and shows it."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatserver.cli.main import data_folder, data_option, fail, settings_from

if TYPE_CHECKING:
    from chatserver.net.authority import Authority


@click.command()
@click.argument("names", nargs=-1)
@click.option("--new", is_flag=True, help="Make another one; everybody has to install that anew.")
@click.option("--pem", is_flag=True, help="Print the authority's certificate and nothing else.")
@data_option
def ca(
    names: tuple[str, ...], new: bool, pem: bool, data: Path | None, config: Path | None
) -> None:
    """Make a small authority, so that phones and browsers trust the server.

    NAMES are the names and addresses by which people reach the server, such as chat.lan or
    192.168.1.5; without any they are those that the system knows. The authority can vouch for
    these, and names below them, and for nothing else. It cannot be changed, only made anew.

    People install its certificate once, from http://NAME:4119/trust, and compare the fingerprint
    that is printed here. The certificate of the server is signed by it, for the key that the
    server has already, and renewed before it ends, also while the server runs. Whoever uses "chat
    connect" notices nothing.

    Without NAMES an authority that is there is shown.
    """
    settings = settings_from(config)
    from chatserver.net.authority import (  # noqa: PLC0415
        load_authority,
        make_authority,
        normal_name,
        renew,
    )
    from chatserver.net.certificate import own_names  # noqa: PLC0415

    if settings.tls.certificate:
        fail("The server has a certificate of your own ([tls] certificate): it needs no authority.")
    if pem and (new or names):
        raise click.UsageError("--pem goes alone.")
    folder = data_folder(data) / "tls"
    try:
        wanted = tuple(map(normal_name, names))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        authority = None if new and wanted else load_authority(folder)
        if pem:
            if authority is None:
                fail("There is no authority yet; chat ca makes one.")
            click.echo((folder / "authority.pem").read_text("ascii"), nl=False)
            return
        if authority is None or new:
            wanted = wanted or (own_names() if authority is None else authority.names)
            if not wanted:
                raise click.UsageError("The system knows no name of this machine: give NAMES.")
            authority = make_authority(folder, wanted, datetime.now(UTC))
        elif not set(wanted) <= set(authority.names):
            fail(
                f"The authority that is there is for {' '.join(authority.names)}; with --new"
                " another one is made, which everybody has to install anew."
            )
        renew(folder)
        _show(authority, folder, settings.server.port)
    except OSError as error:
        fail(f"{folder} cannot be used: {error.strerror or error}.")
    except ValueError as error:
        fail(f"The files in {folder} cannot be used ({error}); with --new others are made.")


def _show(authority: "Authority", folder: Path, port: int) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    from chatserver.net.certificate import (  # noqa: PLC0415
        CERTIFICATE_NAME,
        colons,
        fingerprint,
        read_der,
    )

    path = folder / CERTIFICATE_NAME
    own = load_der_x509_certificate(read_der(path))
    key = own.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    seen = colons(hashlib.sha256(authority.certificate.public_bytes(Encoding.DER)))
    first = authority.names[0]
    host = f"[{first}]" if ":" in first else first
    click.echo(f"The authority vouches for {' '.join(authority.names)} and for nothing else.")
    click.echo(f"It ends on {authority.until:%Y-%m-%d}. Its SHA-256 fingerprint, to be compared:")
    click.echo(f"  {seen}")
    click.echo(
        f"The server's certificate ends on {own.not_valid_after_utc:%Y-%m-%d} and is renewed"
    )
    click.echo("by itself; a server that runs uses it already. Its SHA-256 fingerprint:")
    click.echo(f"  {fingerprint(path)}")
    click.echo("and that of its key, which stays the same, for --fingerprint in scripts:")
    click.echo(f"  {colons(hashlib.sha256(key))}")
    click.echo(f"Phones and browsers install the authority from http://{host}:{port}/trust")
