"""`chat connect`: chooses the client that fits.

prompt_toolkit is imported only once somebody is logged in at a terminal, so `--help`, a wrong name
and everything in a pipe are quick.
"""

import math
import os
import sys
from typing import Final

import click

from chatclient.cli.exits import DONE, INTERRUPTED, USAGE, finish
from chatclient.cli.options import Where, find, login_options
from chatclient.ended import raise_on_signals
from chatclient.link.keeper import FINAL_CODES
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import (
    find_credentials,
    is_person,
    question_of_trust,
    tell,
)
from chatclient.setup.entrance import Entry, enter
from chatclient.setup.inputlines import InputLines
from chatclient.setup.settings import as_toml, settings_file
from chatclient.talk.colours import is_dumb
from chatwire.sections import variables
from chatwire.text import clean

_FINAL_FOR_PEOPLE: Final = FINAL_CODES | {"idle_timeout"}
"""Whoever has gone for a walk is not to be logged in again and again."""


@click.command(short_help="Log in to a server and chat.")
@click.argument("server", required=False, metavar="[SERVER|HOST]")
@click.argument("port", required=False, type=click.IntRange(min=1, max=65535))
@login_options
@click.option("--plain", is_flag=True, help="Lines only: for a screen reader, or a log.")
@click.option("--json", "as_json", is_flag=True, help="Requests and events as JSON: for programs.")
@click.option(
    "--attended",
    is_flag=True,
    help="A person is behind --json or a pipe, and is logged out where nothing is done for long.",
)
@click.option("--show-config", is_flag=True, help="Print where your settings are, and what is set.")
def connect(plain: bool, as_json: bool, attended: bool, show_config: bool, **where: object) -> None:
    """Log in to SERVER, a name in your settings, or to HOST (127.0.0.1) and PORT (4119), and chat.

    Type help for the commands. Ctrl-D leaves.

    Without a terminal, commands are read from standard input, one a line. The password is taken
    from CHAT_PASSWORD, or else it is the first line, after a line with the name if --user is
    missing.
    """
    if plain and as_json:
        raise click.UsageError("Choose one of --plain and --json.")
    if show_config:
        finish(lambda: _show_config(where))
    on_screen = _has_cursor() and not plain and not as_json
    finish(
        lambda: _connect(find(**where), on_screen, as_json, attended),
        interrupted=DONE if on_screen else INTERRUPTED,
    )


def _show_config(where: dict[str, object]) -> int:
    found = find(**where)
    file, to = settings_file(os.environ), found.destination
    click.echo(clean(f"# {file}{'' if file.exists() else ' (there is no such file)'}"))
    as_whom = to.user or "whoever you say"
    click.echo(clean(f"# connects to {to.host} port {to.port} as {as_whom}"))
    click.echo(as_toml(found.settings), nl=False)
    return DONE


def _connect(found: Where, on_screen: bool, as_json: bool, attended: bool) -> int:
    """Log in and chat; return the exit code."""
    attended = attended or (is_person() and not as_json)
    if is_person():
        raise_on_signals()
    lines = InputLines.of_json() if as_json else InputLines.standard()
    credentials = find_credentials(found.destination, variables(os.environ), lines.read)
    try:
        first = found.destination.opener(question_of_trust(lines.read), say=tell)
        entry = enter(first, credentials, tell, attended=attended)
    except EOFError:
        if is_person():  # Ctrl-D at a question
            tell("")
            return DONE
        tell("The input ended before name and password: see chat connect --help.")
        return USAGE
    client = ResumingClient(
        found.destination.opener(),
        entry.welcome.name,
        entry.password,
        attended=attended,
        final_codes=FINAL_CODES if as_json else _FINAL_FOR_PEOPLE,
        # A script in words is to be told at once that the link is lost.
        patience=math.inf if as_json or is_person() else 0.0,
    )
    with entry.connection:
        _chat(entry, client, found, lines, on_screen, as_json)
    return DONE


def _chat(
    entry: Entry,
    client: ResumingClient,
    found: Where,
    lines: InputLines,
    on_screen: bool,
    as_json: bool,
) -> None:
    if on_screen:
        from chatclient.faces.terminal import Terminal  # noqa: PLC0415 - late, because it is slow

        Terminal(entry, client, found.settings).run()
    elif as_json:
        from chatclient.faces.jsonlines import JsonLines  # noqa: PLC0415

        JsonLines(entry, client, lines, sys.stdout.buffer).run()
    else:
        from chatclient.faces.plain import Plain  # noqa: PLC0415

        Plain(entry, client, lines, sys.stdout, notices=found.settings.client.notices).run()


def _has_cursor() -> bool:
    """Tell whether a person types here and sees what is written, on something with a cursor."""
    streams = (sys.stdin, sys.stdout)
    return all(each is not None and each.isatty() for each in streams) and not is_dumb(os.environ)
