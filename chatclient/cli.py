"""`chat connect`: chooses the client that fits and turns every end into an exit code.

prompt_toolkit is imported only once somebody is logged in at a terminal, so `--help`, a wrong name
and everything in a pipe are quick.
"""

import errno
import io
import math
import os
import sys
from collections.abc import Callable
from typing import Final

import click

from chatclient.colours import Colours, colours_wanted, is_dumb
from chatclient.connection import Connection
from chatclient.credentials import AskedCredentials, GivenCredentials, tell
from chatclient.entrance import Credentials, Entry, enter, refusal_line
from chatclient.errors import ChatError, Refused
from chatclient.inputlines import InputLines
from chatclient.plain import Plain
from chatclient.resume import FINAL_CODES, ResumingClient
from chatclient.settings import ClientSettings
from chatclient.trust import Trust, known_servers
from chatwire.names import NAME_RULE, is_name
from chatwire.protocol import DEFAULT_PORT

OpenConnection = Callable[[], Connection]

_FINAL_CODES: Final = FINAL_CODES | {"idle_timeout"}
"""Whoever has gone for a walk is not to be logged in again and again."""

LEFT: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_LINK: Final = 3
NOT_LET_IN: Final = 4
INTERRUPTED: Final = 130
"""128 + SIGINT, as a shell would have it; only where no person is at a terminal."""


def _checked_name(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_name(value):
        raise click.BadParameter(f"'{value[:40]}' cannot be a name: {NAME_RULE}.")
    return value


@click.command(short_help="Log in to a server and chat.")
@click.argument("host", default="127.0.0.1", envvar="CHAT_HOST")
@click.argument(
    "port", default=DEFAULT_PORT, envvar="CHAT_PORT", type=click.IntRange(min=1, max=65535)
)
@click.option("--user", envvar="CHAT_USER", callback=_checked_name, help="Your account name.")
@click.option(
    "--fingerprint",
    metavar="SHA256",
    envvar="CHAT_FINGERPRINT",
    help="Accept only a server with this certificate; nothing is asked.",
)
@click.option("--plaintext", is_flag=True, help="Do without TLS, if the server allows that.")
def connect(
    host: str, port: int, user: str | None, fingerprint: str | None, plaintext: bool
) -> None:
    """Log in to the server at HOST (127.0.0.1) and PORT (4119), and chat.

    Type help for the commands. Ctrl-D leaves.

    Without a terminal, commands are read from standard input, one a line. The password is taken
    from CHAT_PASSWORD, or else it is the first line, after a line with the name if --user is
    missing.
    """
    at_terminal = _is_terminal()
    lines = InputLines.standard()

    def door(trust: Trust) -> OpenConnection:
        return lambda: Connection.open(host, port, trust=trust, plaintext=plaintext)

    first, later = door(_trust(fingerprint, lines)), door(_trust(fingerprint, None))
    try:
        code = _connect(first, later, _credentials(user, lines), lines, at_terminal)
    except KeyboardInterrupt:
        tell("")  # the prompt, or ^C, has left the cursor in the middle of a line
        code = LEFT if at_terminal else INTERRUPTED
    sys.exit(code)


def _connect(
    first: OpenConnection,
    later: OpenConnection,
    credentials: Credentials,
    lines: InputLines,
    at_terminal: bool,
) -> int:
    """Log in and chat; return the exit code. `later` connects when the link has been lost."""
    entered = False
    try:
        entry = enter(first, credentials, tell)
        entered = True
        client = ResumingClient(
            later,
            entry.welcome.name,
            entry.password,
            final_codes=_FINAL_CODES,
            patience=math.inf if _is_person() else 0.0,  # a script is to be told at once
        )
        with entry.connection:
            _chat(entry, client, lines, at_terminal)
    except EOFError:
        if at_terminal:  # Ctrl-D at a question
            tell("")
            return LEFT
        tell("The input ended before name and password: see chat connect --help.")
        return USAGE
    except OSError as error:  # of standard output: the link's own are ChatErrors
        return _output_failed(error)
    except Refused as refusal:
        tell(refusal_line(refusal))
        return NO_LINK if entered else NOT_LET_IN
    except ChatError as error:
        tell(error.text)
        return NO_LINK
    return LEFT


def _chat(entry: Entry, client: ResumingClient, lines: InputLines, at_terminal: bool) -> None:
    if at_terminal:
        from chatclient.terminal import Terminal  # noqa: PLC0415 -- late, because it is slow

        Terminal(entry, client, ClientSettings(), Colours(on=colours_wanted(os.environ))).run()
    else:
        # A name or a text that the output's encoding lacks must not end the session.
        assert isinstance(sys.stdout, io.TextIOWrapper)
        sys.stdout.reconfigure(errors="replace")
        Plain(entry, client, lines, sys.stdout).run()


def _output_failed(error: OSError) -> int:
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:  # EINVAL: so on Windows
        return LEFT  # nobody reads any more, as under `head`: a way to leave
    tell(f"The output cannot be written ({error.strerror}): make room or choose another place.")
    return FAILED


def _credentials(user: str | None, lines: InputLines) -> Credentials:
    """Ask a person if there is one and the password is not in the environment."""
    password = os.environ.get("CHAT_PASSWORD")
    if _is_person() and (user is None or password is None):
        return AskedCredentials(user, lines.read)
    return GivenCredentials(user, password, lines.read)


def _trust(fingerprint: str | None, lines: InputLines | None) -> Trust:
    """Return what decides about unknown certificates: a person, if one can be asked."""

    def ask(question: str) -> bool:
        tell(question, end="")
        assert lines is not None
        return lines.read().strip().lower() in ("y", "yes")

    try:
        return Trust(known_servers(), ask if lines and _is_person() else None, fingerprint)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fingerprint") from error


def _is_person() -> bool:
    """Tell whether there is somebody who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def _is_terminal() -> bool:
    """Tell whether a person types here and sees what is written, on something with a cursor."""
    streams = (sys.stdin, sys.stdout)
    return all(each is not None and each.isatty() for each in streams) and not is_dumb(os.environ)
