"""The text dialect: for a person with nothing but `nc`, and for the simplest scripts.

What people say begins with their name and a colon; what the server says begins with `-- `, which
no name can begin with.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, Struct

from chatserver.commands.arguments import bad_arguments
from chatserver.commands.registry import Command, Registry
from chatserver.dialects.dialect import Direct
from chatserver.dialects.lines import LineDialect
from chatserver.errors import CommandError
from chatserver.speech import Answer, Asked, Traits
from chatwire import __version__
from chatwire.events import Event, Message, Replayed
from chatwire.replies import HistoryReply, SearchReply
from chatwire.usage import UsageError, Value, parse_arguments
from chatwire.wording import event_lines, message_lines

_NOTICE: Final = "-- "
_PLACE: Final = re.compile(r"\([^)]*\)|(?!\d+(?:\s|$))\S+")


class TextRenderer(Struct, frozen=True):
    """Events in words; a private message reads differently for each reader."""

    name = "text"
    traits = Traits(in_order=True)

    def event(self, event: Event, viewer: str = "") -> bytes:
        """Return the event as lines, or nothing for what people need not see."""
        return _encoded(_lines(event, viewer))

    def answer(self, request: Asked | None, event: Answer, viewer: str = "") -> bytes:
        """Return the answer as lines: it follows what was asked."""
        lines = _lines(event, viewer)
        if isinstance(event, HistoryReply) and event.more and event.messages:
            # Nobody here sees numbers elsewhere.
            seq = event.messages[0].seq
            place = request.place if isinstance(request, TextRequest) else ""
            lines[-1] = (
                f"{_NOTICE}There is more: ask again with a count and {seq},"
                f" as in history {place}50 {seq}."
            )
        return _encoded(lines)


def _lines(event: Event, viewer: str) -> list[str]:
    if isinstance(event, Message):
        lines = message_lines(event, viewer)
        if event.replay is not UNSET:
            lines[0] = _stamp(event) + lines[0]
    elif isinstance(event, HistoryReply | SearchReply):
        lines = []
        for message in event.messages:
            first, *others = message_lines(message, viewer)
            lines += [_stamp(message) + first, *others]
        lines += [_NOTICE + line for line in event_lines(event, viewer)]
    elif isinstance(event, Replayed) and event.count and not event.more:
        lines = [f"{_NOTICE}That is all."]
    else:
        lines = [_NOTICE + line for line in event_lines(event, viewer)]
    return lines


def _encoded(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _stamp(message: Message) -> str:
    return f"[{message.at[:10]} {message.at[11:16]} UTC] "


RENDERER: Final = TextRenderer()


class TextRequest:
    """What somebody typed: the first word is the command, with or without a slash."""

    __slots__ = ("_rest", "_values", "op")

    def __init__(self, op: str, rest: str = "", values: dict[str, Value] | None = None) -> None:
        self.op = op
        self._rest = rest
        self._values = values

    @property
    def place(self) -> str:
        """The names before the numbers in what was typed, with a space; none: the room."""
        found = _PLACE.match(self._rest)
        return f"{found[0]} " if found else ""

    def find(self, registry: Registry) -> Command | None:
        """Return the command that is meant: aliases count, case does not."""
        return registry.typed(self.op)

    def arguments(self, command: Command) -> Struct:
        """Return the arguments, parsed as the command declares and checked like JSON's."""
        try:
            values = self._values
            if values is None:
                values = parse_arguments(command.help, self._rest)
            arguments: Struct = msgspec.convert({"op": command.name, **values}, command.arguments)
        except UsageError as error:
            raise CommandError("bad_request", str(error)) from error
        except msgspec.ValidationError as error:
            raise bad_arguments(command, error) from error
        return arguments


class TextDialect(LineDialect):
    """Asks for the name and the password, then reads commands."""

    renderer = RENDERER

    def __init__(self, max_line_bytes: int) -> None:
        super().__init__(max_line_bytes)
        self._logged_in = False
        self._name: str | None = None

    def opening(self) -> bytes:
        """Return the welcome to somebody who is not logged in."""
        return f"{_NOTICE}chat {__version__}: log in with your name and password.\n".encode()

    def read(self, line: bytes) -> TextRequest | Direct:
        """Return the request in `line`: a login after two lines, then what is typed."""
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CommandError(
                "invalid_utf8", f"That line is not UTF-8 at byte {error.start}; send it again."
            ) from error
        if self._logged_in:
            word, rest = (*text.split(maxsplit=1), "", "")[:2]
            return TextRequest(word.removeprefix("/"), rest) if word else Direct()
        if self._name is None:
            self._name = text.strip() or None
            return Direct()
        name, self._name = self._name, None
        return TextRequest("login", values={"name": name, "password": text})

    def ready(self, logged_in: bool) -> bytes:
        """Return the question that the next line answers; none once logged in."""
        self._logged_in = logged_in
        if logged_in:
            return b""
        return b"Username: " if self._name is None else b"Password: "
