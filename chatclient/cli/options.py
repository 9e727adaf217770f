"""The options that every command of the client has: which server, and as whom."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from click.decorators import FC

from chatclient.setup.destination import Destination, find_destination
from chatclient.setup.settings import ClientSettings, load_settings
from chatwire.names import NAME_RULE, is_name
from chatwire.rooms import room_name
from chatwire.sections import variables

SERVER_HELP = "A server named in your settings, or HOST or HOST:PORT.  [default: 127.0.0.1]"


@dataclass(frozen=True, slots=True)
class Where:
    """The settings of this person, and where they want to go."""

    settings: ClientSettings
    destination: Destination


def server_option(command: FC) -> FC:
    """Add --server, for commands whose arguments are something else."""
    return click.option("--server", metavar="SERVER", help=SERVER_HELP)(command)


def room_option(text: str, *, multiple: bool = False) -> Callable[[FC], FC]:
    """Add --room, written with its # or without, which then is a name."""

    def name(_ctx: click.Context, _option: click.Parameter, given: object) -> object:
        several = given if isinstance(given, tuple) else () if given is None else (given,)
        names = tuple(room_name(each) or each for each in several)
        for each in names:
            if not is_name(each):
                raise click.BadParameter(f"'{each[:40]}' cannot be a room: {NAME_RULE}.")
        return names if multiple else next(iter(names), None)

    return click.option("--room", metavar="ROOM", multiple=multiple, callback=name, help=text)


def login_options(command: FC) -> FC:
    """Add --user, --fingerprint and --plaintext."""
    for option in (
        click.option(
            "--plaintext", is_flag=True, help="Do without TLS, if the server allows that."
        ),
        click.option(
            "--fingerprint",
            metavar="SHA256",
            help="Accept only a server with this certificate; nothing is asked.",
        ),
        click.option("--user", metavar="NAME", help="Your account name."),
    ):
        command = option(command)
    return command


def find(**given: Any) -> Where:
    """Return what options, environment and settings say together. Raises SettingsError."""
    environ = variables(os.environ)
    settings = load_settings(environ)
    return Where(settings, find_destination(settings, environ, **given))
