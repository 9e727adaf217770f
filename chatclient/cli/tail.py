"""`chat tail`: what is said, as it is said, for logs and scripts. It marks nothing as read."""

import os
import sys
from collections.abc import Iterable
from typing import Final

import click
import msgspec

from chatclient.cli.exits import DONE, finish
from chatclient.cli.options import find, login_options, server_option
from chatclient.errors import LinkLost
from chatclient.faces.follow import batches, tell_of_link
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import (
    find_credentials,
    is_person,
    question_of_trust,
    tell,
)
from chatclient.setup.entrance import enter
from chatclient.setup.inputlines import InputLines
from chatclient.talk.lines import json_line, stamped_lines
from chatwire.protocol import Event, HistoryReply, LoginReply, Message, Presence, Replayed
from chatwire.sections import variables

_END_OF_TIME: Final = 2**53
"""Beyond every message, so that a login since then replays nothing."""

_PAGE: Final = 500
"""The most messages that a server gives at once."""

_ANSWER_SECONDS: Final = 30.0


@click.command(short_help="Follow the chat as lines, for logs and scripts.")
@server_option
@login_options
@click.option(
    "-n",
    "count",
    metavar="COUNT",
    type=click.IntRange(0, 10000),
    help="Begin with the last COUNT messages of the room.  [default: 10]",
)
@click.option(
    "--since",
    metavar="SEQ",
    type=click.IntRange(0, _END_OF_TIME),
    help="Begin behind the message with this number; its number is in --json.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as on the wire.")
def tail(count: int | None, since: int | None, as_json: bool, **where: object) -> None:
    """Print what is said, until Ctrl-C.

    It comes back by itself after a lost link, with everything that was said meanwhile. Nothing is
    marked as read. The password is taken from CHAT_PASSWORD or the keyring, or asked for at a
    terminal.
    """
    if since is not None and count is not None:
        raise click.UsageError("Choose one of -n and --since.")
    finish(lambda: _tail(10 if count is None else count, since, as_json, where), interrupted=DONE)


def _tail(count: int, since: int | None, as_json: bool, where: dict[str, object]) -> int:
    found = find(**where)
    typed = InputLines.standard().read
    credentials = find_credentials(
        found.destination, variables(os.environ), typed if is_person() else None
    )
    first = found.destination.opener(question_of_trust(typed), say=tell)
    entry = enter(first, credentials, tell, _END_OF_TIME if since is None else since)
    output = _Output(entry.welcome.name, as_json, found.settings.client.notices)
    client = ResumingClient(
        found.destination.opener(), entry.welcome.name, entry.password, watch=tell_of_link
    )
    client.start(entry.connection, entry.welcome, since=since)
    with client:
        if since is None:
            output.show(_history(client, count, entry.welcome.seq))
        for batch in batches(client):
            output.show(batch)
    return DONE


def _history(client: ResumingClient, count: int, upto: int) -> list[Message]:
    """Return the last messages of the room up to one, the oldest first; what comes later is live.

    Raises Refused or LinkLost.
    """
    messages: list[Message] = []
    before = upto + 1
    while len(messages) < count:
        limit = min(_PAGE, count - len(messages))
        reply = client.submit("history", limit=limit, before=before).result(_ANSWER_SECONDS)
        if not isinstance(reply, HistoryReply):
            raise LinkLost("The server did not answer with its history: update it or the client.")
        past = [msgspec.structs.replace(each, replay=True) for each in reply.messages]
        messages[:0] = past
        if not past or not reply.more:
            break
        before = past[0].seq
    return messages


class _Output:
    """Standard output, in words or as JSON."""

    def __init__(self, viewer: str, as_json: bool, notices: bool) -> None:
        self._viewer = viewer
        self._as_json = as_json
        self._shown = (Message, Presence, Replayed) if notices else (Message, Replayed)

    def show(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._as_json:
                sys.stdout.buffer.write(json_line(event))
            elif isinstance(event, self._shown):
                for line in stamped_lines(event, self._viewer, dated=True):
                    print(line)  # noqa: T201
            elif isinstance(event, LoginReply):
                tell("The link is back.")
        sys.stdout.flush()
