"""Events in words: what the text dialect sends and what a client prints, written once.

A message reads `bob: hi` (said in the room) or `bob → you: hi` (private). Every line after the
first is indented, so that no text can pass for somebody else's message; and no name can hold a
space, so nothing the server says here can pass for one either.
"""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from msgspec import UNSET

from chatwire.events import (
    Bye,
    Deleted,
    Edited,
    Error,
    Event,
    Message,
    Presence,
    Reacted,
    Replayed,
    RoomChanged,
    Typing,
)
from chatwire.names import LOBBY, fold
from chatwire.protocol import MOST_COUNTED
from chatwire.replies import (
    BroadcastReply,
    CommandHelp,
    ConversationsReply,
    Device,
    DevicesReply,
    HelpReply,
    Here,
    HistoryReply,
    LastReply,
    LoginReply,
    MembersReply,
    Reply,
    RevokeReply,
    RoomReply,
    RoomsReply,
    SearchReply,
    Seen,
    SendReply,
    StatusReply,
    WhoReply,
)
from chatwire.room_wording import (
    entered_lines,
    members_lines,
    room_change_lines,
    rooms_lines,
    unread_lines,
)
from chatwire.usage import usage_lines

_INDENT = "    "
_NOTICE_MARK = "-- "
"""What the text dialect puts before each line."""

_DONE = {
    "busy": "You are busy: messages are held until you type idle.",
    "idle": "You are no longer busy.",
    "hide": "You are hidden: to everybody else you have logged out.",
    "appear": "You are visible.",
    "ping": "Pong.",
    "edit": "Corrected.",
    "delete": "Deleted.",
    "react": "Noted.",
    "leave": "You have left.",
    "invite": "Invited.",
    "remove": "Removed.",
    "role": "The role is given.",
    "mute": "Done.",
    "topic": "The topic is set.",
    "set": "The room is set up so.",
    "read": "Marked as read.",
}

_PRESENCE = {
    "online": "{} came online.",
    "offline": "{} went offline.",
    "busy": "{} is busy.",
    "idle": "{} is no longer busy.",
}


def speaker(message: Message, viewer: str) -> str:
    """Return who speaks to whom, as `viewer` (an account name) should read it."""
    if message.to is UNSET:
        in_lobby = message.room is UNSET or message.room == LOBBY
        return message.sender if in_lobby else f"{message.sender} → #{message.room}"
    me = fold(viewer)
    listeners = ["you" if fold(name) == me else name for name in message.to]
    who = "you" if fold(message.sender) == me and "you" not in listeners else message.sender
    return f"{who} → {', '.join(sorted(listeners, key='you'.__ne__))}"


def message_lines(message: Message, viewer: str) -> list[str]:
    """Return a message as the lines that `viewer` reads."""
    if message.deleted is True:
        return [f"{speaker(message, viewer)}: (deleted)"]
    first, *others = message.text.split("\n")
    lines = [f"{speaker(message, viewer)}: {first}", *(_INDENT + other for other in others)]
    if message.edited is not UNSET:
        lines[-1] += " (corrected)"
    if message.reactions is not UNSET and message.reactions:
        lines.append(
            _INDENT
            + "  ".join(
                f"{reaction} {', '.join(names)}" for reaction, names in message.reactions.items()
            )
        )
    return lines


def event_lines(event: Event, viewer: str = "", columns: int = 80) -> list[str]:
    """Return anything but a message in words, as `viewer` reads it; nothing for what people need
    not see.

    Tables are made for a screen of so many columns.
    """
    match event:
        case Error(text=text) | Bye(text=text):
            return [text]
        case Edited() | Deleted() | Reacted():
            return _change_lines(event)
        case RoomChanged():
            return room_change_lines(event, viewer)
        case RoomsReply(rooms=rooms):
            return rooms_lines(rooms)
        case MembersReply():
            return members_lines(event)
        case ConversationsReply(conversations=conversations):
            return unread_lines(conversations)
        case RoomReply():
            return entered_lines(event)
        case Presence(name=name, state=state):
            return [_PRESENCE[state].format(name)] if state in _PRESENCE else []
        case Replayed(count=0):
            return []
        case Replayed(count=count, more=0):
            return [f"End of the {_messages(count)} you missed."]
        case Replayed(count=count, more=more):
            newest = f"End of the newest {_messages(count)} you missed"
            least = "+" if count + more >= MOST_COUNTED else ""
            return [f"{newest}; type history to see the {more}{least} older."]
        case LoginReply():
            return _welcome(event)
        case WhoReply(users=()):
            return ["Nobody else is here."]
        case WhoReply(users=users):
            return [f"Here now: {', '.join(map(_here, users))}."]
        case LastReply(users=()):
            return ["Nobody was here in that time."]
        case LastReply(users=users):
            return [f"Here in that time: {', '.join(map(_seen, users))}."]
        case BroadcastReply(busy=busy):
            return ["Sent to everybody here.", *_busy(busy)]
        case SendReply():
            return _sent(event)
        case HistoryReply() | SearchReply():
            return _found_lines(event)
        case StatusReply():
            return [_status(event)]
        case DevicesReply(devices=devices):
            return _devices(devices)
        case RevokeReply(ended=ended):
            return ["It is logged out." if ended == 1 else f"{ended} devices are logged out."]
        case HelpReply(commands=commands):
            return _help_lines(commands, columns - len(_NOTICE_MARK) - 1)
        case Reply(op=op):
            return [_DONE[op]] if op in _DONE else []
    return []


def _devices(devices: Sequence[Device]) -> list[str]:
    return [
        f"{each.device}: {each.client or 'a browser'} at {each.address}, since {each.made[:10]},"
        f" last seen {'now, here' if each.this else each.seen[:10]}."
        for each in devices
    ] or ["You are logged in with no browser."]


def _found_lines(event: HistoryReply | SearchReply) -> list[str]:
    """Return what is said below messages of the past."""
    if not event.messages:
        end = "Nothing was found."
        if event.more:
            end = "Nothing was found so far; there is too much to look through: add a word."
    elif not event.more:
        end = "That is all."
    elif isinstance(event, HistoryReply):
        end = "There is more; type more to see what came before."
    else:
        end = "There is more; add a word to find less."
    if isinstance(event, SearchReply) and event.partial is True:
        return [end, "Not every room you are not in was searched; name one, as in in:#ops."]
    return [end]


def place_of(event: Edited | Deleted | Reacted | Typing) -> str:
    """Return where something happened, behind a space: nothing for the lobby."""
    if event.to is not UNSET:
        return " in private"
    return "" if event.room in (UNSET, LOBBY) else f" in #{event.room}"


def _change_lines(event: Edited | Deleted | Reacted) -> list[str]:
    where = place_of(event)
    if isinstance(event, Edited):
        first, *others = event.text.split("\n")
        return [f"{event.sender} corrected{where}: {first}", *(_INDENT + each for each in others)]
    if isinstance(event, Deleted):
        return [f"{event.sender} deleted a message{where}."]
    if event.on:
        return [f"{event.sender} reacted with {event.reaction}{where}."]
    return [f"{event.sender} took {event.reaction} back{where}."]


def duration(seconds: int) -> str:
    """Return a length of time in its largest sensible unit: `40 s`, `5 min`, `3 h`, `2 d`."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


_GROUPS = {
    "people": "Who is here",
    "talk": "Talking",
    "rooms": "Rooms",
    "changes": "Mending what was said",
    "past": "What was said before",
    "standing": "You",
}
_OTHERS = "Besides"
_MARGIN = "  "
_LEFT = 34
"""Columns for how a command is typed, beside what it does."""


def _help_lines(commands: Sequence[CommandHelp], columns: int) -> list[str]:
    """Return every way to type a command and what it does; of several, one way each, in groups."""
    if len(commands) < 2:
        usages = [usage for each in commands for usage in _usages(each)]
        summaries = [each.summary for each in commands]
        return table(list(zip_longest(usages, summaries, fillvalue="")), columns)
    groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*_GROUPS.values(), _OTHERS)}
    for each in commands:
        title = _GROUPS.get(each.group, _OTHERS)
        groups[title].append((_MARGIN + _usages(each)[0], each.summary))
    lines = []
    for title, rows in groups.items():
        if rows:
            lines += [f"{title}:", *table(rows, columns, _LEFT)]
    return [*lines, "Type help and a command for all the ways to type it."]


def _usages(command: CommandHelp) -> list[str]:
    return usage_lines(command.name, command.parameters)


def table(rows: Sequence[tuple[str, str]], columns: int, left: int | None = None) -> list[str]:
    """Return two columns, the `left` one so wide, or as wide as it has to be; broken between words.

    What is longer than that on the left does not push the others' right side away.
    """
    if left is None:
        left = max((len(first) for first, _ in rows), default=0)
    left = min(left, columns // 2)
    indent = " " * (left + 2)
    lines = []
    for first, second in rows:
        fits = len(first) <= left
        if not fits:
            lines += _wrapped(first, columns, "", _INDENT)
        if second or fits:
            begin = f"{first:<{left}}  " if fits else indent
            lines += _wrapped(second, columns, begin, indent)
    return lines


def _wrapped(text: str, columns: int, begin: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        max(columns, len(indent) + 1),
        initial_indent=begin,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [begin.rstrip()]


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _waiting(count: int) -> str:
    """Return how many messages wait, as far as the server counts."""
    return f"{count}+ messages" if count >= MOST_COUNTED else _messages(count)


def _welcome(reply: LoginReply) -> list[str]:
    here = f"Here now: {', '.join(reply.online)}." if reply.online else "Nobody else is here."
    lines = [f"Welcome, {reply.name}. {here} Type help for the commands."]
    lines += [f"You are invited to #{name}: type join #{name}." for name in reply.invited]
    if reply.hidden:
        lines.append("You are still hidden: type appear to be seen.")
    if reply.busy:
        waiting = f"{_waiting(reply.missed)} held" if reply.missed else "messages are held"
        lines.append(f"You are still busy, {waiting}: type idle to see them.")
    elif reply.missed:
        lines.append(f"{_waiting(reply.missed)} while you were away:")
    return lines


def _here(user: Here) -> str:
    notes = ["busy"] if user.busy else []
    if user.idle_seconds >= 60:
        notes.append(f"quiet for {duration(user.idle_seconds)}")
    return f"{user.name} ({', '.join(notes)})" if notes else user.name


def _seen(user: Seen) -> str:
    return f"{user.name} ({'now' if user.online else duration(user.seconds_ago) + ' ago'})"


def _busy(busy: dict[str, str]) -> list[str]:
    return [
        f"{name} is busy and will see it later" + (f": {reply}" if reply else ".")
        for name, reply in busy.items()
    ]


def _sent(reply: SendReply) -> list[str]:
    lines = []
    if not (reply.delivered or reply.stored or reply.busy or reply.unknown or reply.duplicate):
        return ["Sent."]  # to a room
    if reply.duplicate is True:
        lines.append("That had been sent before; nothing is sent twice.")
    if reply.delivered:
        lines.append(f"Delivered to {_and(reply.delivered)}.")
    if reply.stored:
        lines.append(f"Stored for {_and(reply.stored)}, to be shown at the next login.")
    lines += _busy(reply.busy)
    if reply.unknown:
        lines.append(f"No such user: {', '.join(reply.unknown)}.")
    return lines


def _status(reply: StatusReply) -> str:
    busy = "not busy"
    if reply.busy:
        busy = f"busy ({reply.reply})" if reply.reply else "busy"
        busy += f" with {_waiting(reply.held)} held"
    return f"You are {reply.name}: {busy}, {'hidden' if reply.hidden else 'visible'}."


def _and(names: Iterable[str]) -> str:
    *others, final = names
    return f"{', '.join(others)} and {final}" if others else final
