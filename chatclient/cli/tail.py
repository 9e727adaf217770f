"""`chat tail`: what is said and changed, as it happens, for logs and scripts. It marks nothing as
read."""

import os
import sys
from collections.abc import Iterable
from typing import Final, TypeVar

import click
import msgspec

from chatclient.cli.exits import DONE, FAILED, finish
from chatclient.cli.options import find, login_options, room_option, server_option
from chatclient.errors import LinkLost, Refused
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
from chatwire.events import Event, Message, Numbered, Presence, Replayed, RoomChanged
from chatwire.names import LOBBY, fold
from chatwire.replies import HistoryReply, LoginReply, Reply, RoomsReply
from chatwire.sections import variables
from chatwire.text import one_line

_END_OF_TIME: Final = 2**53
"""Beyond every message, so that a login since then replays nothing."""

_PAGE: Final = 500
"""The most messages that a server gives at once."""

_ANSWER_SECONDS: Final = 30.0

_ReplyType = TypeVar("_ReplyType", bound=Reply)


@click.command(short_help="Follow the chat as lines, for logs and scripts.")
@server_option
@login_options
@room_option("Only what happens in this room; repeat it.", multiple=True)
@click.option(
    "-n",
    "count",
    metavar="COUNT",
    type=click.IntRange(0, 10000),
    help="Begin with the last COUNT messages of the rooms, or of the lobby.  [default: 10]",
)
@click.option(
    "--since",
    metavar="SEQ",
    type=click.IntRange(0, _END_OF_TIME),
    help="Begin behind the message with this number; its number is in --json.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as on the wire.")
def tail(
    room: tuple[str, ...], count: int | None, since: int | None, as_json: bool, **where: object
) -> None:
    """Print what is said, corrected, deleted and changed, until Ctrl-C.

    It is all that the account hears, or what happens in each --room, of which the account has to
    be a member. It comes back by itself after a lost link, with everything that happened meanwhile.
    Nothing is marked as read. The password is taken from CHAT_PASSWORD or the keyring, or asked for
    at a terminal.
    """
    if since is not None and count is not None:
        raise click.UsageError("Choose one of -n and --since.")
    begin = 10 if count is None else count
    finish(lambda: _tail(room, begin, since, as_json, where), interrupted=DONE)


def _tail(
    rooms: tuple[str, ...], count: int, since: int | None, as_json: bool, where: dict[str, object]
) -> int:
    found = find(**where)
    typed = InputLines.standard().read
    credentials = find_credentials(
        found.destination, variables(os.environ), typed if is_person() else None
    )
    first = found.destination.opener(question_of_trust(typed), say=tell)
    begin = _END_OF_TIME if since is None else since
    entry = enter(first, credentials, tell, begin, attended=False)
    me = entry.welcome.name
    output = _Output(me, as_json, found.settings.client.notices)
    client = ResumingClient(
        found.destination.opener(), me, entry.password, attended=False, watch=tell_of_link
    )
    client.start(entry.connection, entry.welcome, since=since)
    with client:
        heard = _Rooms(client, me, rooms) if rooms else None
        if since is None:
            output.show(_history(client, heard.names if heard else (), count, entry.welcome.seq))
        for batch in batches(client):
            output.show(batch if heard is None else heard.of_them(batch))
            if heard is not None and not heard.names:
                tell(heard.why_none)
                return FAILED
    return DONE


class _Rooms:
    """The rooms that are followed, as long as the account is a member of them."""

    def __init__(self, client: ResumingClient, me: str, wanted: Iterable[str]) -> None:
        """Raises Refused where the account is no member of one, or there is none."""
        self._me = fold(me)
        self._names: dict[str, str] = {}
        self.why_none = ""
        listed = {fold(each.name): each for each in _ask(client, RoomsReply, "rooms").rooms}
        for name in wanted:
            room = listed.get(fold(name))
            if room is None:
                raise Refused(f"There is no room #{name}.", "no_such_room")
            if not room.role:
                text = f"{me} is not in #{room.name}: join it first, as in chat connect."
                raise Refused(text, "not_a_member")
            self._names[fold(name)] = room.name

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(self._names.values())

    def of_them(self, events: Iterable[Event]) -> list[Event]:
        """Return the events that happened there, and that the link is back."""
        return [event for event in events if isinstance(event, LoginReply) or self._is_there(event)]

    def _is_there(self, event: Event) -> bool:
        if not isinstance(event, Numbered) or not isinstance(event.room, str):
            return False
        there = fold(event.room) in self._names
        if there and isinstance(event, RoomChanged) and self._ends(event):
            name = self._names.pop(fold(event.room))
            self.why_none = f"{one_line(event.sender)} has taken the account out of #{name}."
            if event.change == "left":
                self.why_none = f"The account has left #{name}."
        return there

    def _ends(self, event: RoomChanged) -> bool:
        """Tell whether the account is no member any more."""
        whom = event.sender if event.change == "left" else event.name
        return event.change in ("left", "removed") and fold(str(whom)) == self._me


def _history(client: ResumingClient, rooms: Iterable[str], count: int, upto: int) -> list[Message]:
    """Return the last messages of some rooms up to one, the oldest first; what comes later is live.

    Raises Refused or LinkLost.
    """
    try:
        past = [each for room in rooms or (LOBBY,) for each in _past(client, room, count, upto)]
    except Refused as error:
        if rooms or error.code != "no_such_room":
            raise
        return []  # a server without a lobby
    return sorted(past, key=lambda message: message.seq)[-count:] if count else []


def _past(client: ResumingClient, room: str, count: int, upto: int) -> list[Message]:
    messages: list[Message] = []
    before = upto + 1
    while len(messages) < count:
        limit = min(_PAGE, count - len(messages))
        reply = _ask(client, HistoryReply, "history", room=room, limit=limit, before=before)
        past = [msgspec.structs.replace(each, replay=True) for each in reply.messages]
        messages[:0] = past
        if not past or not reply.more:
            break
        before = past[0].seq
    return messages


def _ask(client: ResumingClient, kind: type[_ReplyType], op: str, **fields: object) -> _ReplyType:
    """Return the server's answer. Raises Refused or LinkLost."""
    reply = client.submit(op, **fields).result(_ANSWER_SECONDS)
    if not isinstance(reply, kind):
        raise LinkLost(f"The server does not know '{op}' as we do: update it or the client.")
    return reply


class _Output:
    """Standard output, in words or as JSON."""

    def __init__(self, viewer: str, as_json: bool, notices: bool) -> None:
        self._viewer = viewer
        self._as_json = as_json
        self._shown = (Numbered | Presence | Replayed) if notices else (Numbered | Replayed)

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
