"""`chat send`: one message, for cron and scripts."""

import codecs
import os
import sys
from typing import Final

import click

from chatclient.cli.exits import DONE, FAILED, NO_LINK, code_of, finish
from chatclient.cli.options import find, login_options, room_option, server_option
from chatclient.errors import ChatError
from chatclient.link.oneshot import Parcel, deliver, unknown_in
from chatclient.setup.credentials import (
    find_credentials,
    is_person,
    question_of_trust,
    tell,
)
from chatclient.setup.entrance import name_and_password
from chatclient.setup.inputlines import InputLines
from chatclient.talk.lines import stamped_lines
from chatwire.names import NAME_RULE, is_name
from chatwire.protocol import MAX_KEY_LENGTH
from chatwire.sections import variables
from chatwire.text import clean, one_line

_MOST_BYTES: Final = 1024 * 1024
"""Far more than a server takes, far less than what would hurt."""


def _names(
    _ctx: click.Context, _option: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    for name in names:
        if not is_name(name):
            hint = " A room is named by --room." if name.startswith("#") else ""
            raise click.BadParameter(f"'{name[:40]}' cannot be a name: {NAME_RULE}.{hint}")
    return names


def _key(_ctx: click.Context, _option: click.Parameter, key: str | None) -> str | None:
    if key is not None and (key != clean(key) or not 1 <= len(key) <= MAX_KEY_LENGTH):
        raise click.BadParameter(f"A key has 1 to {MAX_KEY_LENGTH} printable characters.")
    return key


@click.command(short_help="Send one message and end, for cron and scripts.")
@click.argument("message", required=False)
@click.option(
    "--to", multiple=True, metavar="USER", callback=_names, help="Who gets it; repeat it."
)
@room_option("The room it is said in, instead.")
@server_option
@login_options
@click.option(
    "--timeout",
    type=click.IntRange(0, 86400),
    default=30,
    show_default=True,
    help="Seconds to go on trying.",
)
@click.option("--key", callback=_key, help="What is sent again with the same key is said once.")
@click.option("-v", "--verbose", is_flag=True, help="Say also when it went well.")
def send(
    message: str | None,
    to: tuple[str, ...],
    room: str | None,
    timeout: int,
    key: str | None,
    verbose: bool,
    **where: object,
) -> None:
    """Send MESSAGE to each USER, or to a ROOM that the account is in, or else to everybody.

    Without MESSAGE, or with -, it is read from standard input. The password is taken from
    CHAT_PASSWORD or the keyring, or asked for at a terminal.

    Exit codes: 0 delivered or stored, 1 refused, 2 wrong usage, 3 no connection, 4 name or password
    not accepted, 130 interrupted.
    """
    if room is not None and to:
        raise click.UsageError("Choose one of --to and --room.")
    place = to if room is None else f"#{room}"
    finish(lambda: _send(_text(message), place, timeout, key, verbose, where))


def _send(
    text: str,
    to: str | tuple[str, ...],
    timeout: int,
    key: str | None,
    verbose: bool,
    where: dict[str, object],
) -> int:
    destination = find(**where).destination
    typed = InputLines.standard().read
    credentials = find_credentials(
        destination, variables(os.environ), typed if is_person() else None
    )
    ask = question_of_trust(typed)
    parcel = Parcel(text, to) if key is None else Parcel(text, to, key)
    name, password = name_and_password(credentials)
    credentials.answered()  # what else is asked here is to be seen
    try:
        reply = deliver(
            parcel,
            lambda seconds: destination.open(ask, seconds, say=tell),
            name,
            password,
            timeout,
        )
    except ChatError as error:
        if parcel.handed_over and code_of(error) == NO_LINK:
            tell(f"It may have arrived all the same; with --key {parcel.key} it is not said twice.")
        raise
    credentials.accepted(name, password)
    if verbose:
        tell("\n".join(stamped_lines(reply, name)))
    unknown = unknown_in(reply)
    if unknown:
        tell(f"No such user: {one_line(', '.join(unknown))}; the others have it.")
    return FAILED if unknown else DONE


def _text(message: str | None) -> str:
    """Return what is to be said, as text. Raises click.UsageError when that is nothing."""
    if message is None and is_person():
        raise click.UsageError("Say what to send, or pass - and type it.")
    text = _input() if message in (None, "-") else message or ""
    text = clean(text.removeprefix("\ufeff")).rstrip("\n")
    if not text.strip():
        raise click.UsageError("There is nothing to send: the message is empty.")
    return text


def _input() -> str:
    """Return standard input; what is no text in it becomes a replacement character."""
    if sys.stdin is None:  # started without an input
        return ""
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise click.UsageError("The input is too long for a message: send it in parts.")
    encoding = codecs.lookup(sys.stdin.encoding).name
    # The C locale says ASCII for want of better knowledge.
    return data.decode("utf-8" if encoding == "ascii" else encoding, errors="replace")
