"""`chat open`: the server's page, in a browser."""

import webbrowser
from contextlib import suppress

import click

from chatclient.cli.exits import DONE, finish
from chatclient.cli.options import find
from chatwire.loopback import is_loopback


@click.command("open", short_help="Open the page of a server in a browser.")
@click.argument("server", required=False)
@click.option("--port", type=click.IntRange(1, 65535), help="The port.  [default: 4119]")
def open_(server: str | None, port: int | None) -> None:
    """Open the page of SERVER in a browser, or print where it is.

    SERVER is a name in your settings, or HOST or HOST:PORT; this machine otherwise.
    """
    finish(lambda: _open(server, port))


def _open(server: str | None, port: int | None) -> int:
    there = find(server=server, port=port).destination
    url = page_url(there.host, there.port)
    click.echo(url)
    with suppress(webbrowser.Error):  # there is none: then the line says enough
        webbrowser.open(url)
    return DONE


def page_url(host: str, port: int) -> str:
    """Return where the page is. On this machine it needs no TLS, and no certificate to accept."""
    near = host == "localhost" or is_loopback(host)
    return f"{'http' if near else 'https'}://{f'[{host}]' if ':' in host else host}:{port}/"
