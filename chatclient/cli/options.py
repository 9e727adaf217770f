"""The options that every command of the client has: which server, and as whom."""

import os
from dataclasses import dataclass
from typing import Any

import click
from click.decorators import FC

from chatclient.setup.destination import Destination, find_destination
from chatclient.setup.settings import ClientSettings, load_settings
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
