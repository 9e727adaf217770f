"""The json dialect: one object a line, for programs and for `chat connect`."""

from typing import Final

import msgspec
from msgspec import UNSET, Struct

from chatserver.commands.arguments import bad_arguments, misfit
from chatserver.commands.registry import Command, Registry
from chatserver.dialects.dialect import Direct
from chatserver.dialects.lines import LineDialect
from chatserver.errors import CommandError
from chatserver.speech import Answer, Asked, Renderer, Traits
from chatwire import __version__
from chatwire.events import Event, Hello
from chatwire.protocol import encode


def is_json(first: bytes) -> bool:
    """Tell whether somebody speaks json: nobody is called anything that begins like an object."""
    return first.startswith(b"{")


class _Envelope(Struct):
    op: str
    id: int | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class JsonRequest:
    """A line whose arguments have been decoded, or are to be once more to say what is wrong."""

    __slots__ = ("_arguments", "_line", "op", "re")

    def __init__(
        self, op: str, re: int | None, line: bytes, arguments: Struct | None = None
    ) -> None:
        self.op = op
        self.re = re
        self._line = line
        self._arguments = arguments

    def find(self, registry: Registry) -> Command | None:
        """Return the command with exactly this name."""
        return registry.get(self.op)

    def arguments(self, command: Command) -> Struct:
        """Return the checked arguments; unknown fields are an error."""
        if self._arguments is not None:
            return self._arguments
        try:
            arguments: Struct = command.decoder.decode(self._line)
        except msgspec.ValidationError as error:
            raise bad_arguments(command, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _malformed(self._line, error) from error
        return arguments


class JsonRenderer(Struct, frozen=True):
    """Events as compact JSON, the same for every reader."""

    name = "json"
    traits = Traits(acknowledges=True, can_ping=True)

    def event(self, event: Event, viewer: str = "") -> bytes:  # noqa: ARG002 - the protocol's
        """Return the event as one line."""
        return encode(event)

    def answer(self, request: Asked | None, event: Answer, viewer: str = "") -> bytes:
        """Return the answer, with the number of the request in it."""
        if isinstance(request, JsonRequest) and request.re is not None:
            event.re = request.re
        return self.event(event, viewer)


RENDERER: Final = JsonRenderer()


class JsonDialect(LineDialect):
    """Reads requests. There is no state: a line is a request."""

    renderer: Renderer = RENDERER

    def __init__(self, registry: Registry, max_line_bytes: int, max_characters: int = 0) -> None:
        """`max_characters` of a message are told to whoever comes; 0 is no limit."""
        super().__init__(max_line_bytes)
        self._most_characters = max_characters or UNSET
        self._decode = registry.decoder.decode
        self._can = registry.names

    def opening(self) -> bytes:
        """Return the hello."""
        hello = Hello(
            server=f"chat {__version__}", can=self._can, most_characters=self._most_characters
        )
        return self.renderer.event(hello)

    def read(self, line: bytes) -> JsonRequest | Direct:
        """Return the request in `line`, or nothing to say to an empty one."""
        try:
            arguments = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_again(line)
        return JsonRequest(type(arguments).__struct_config__.tag, arguments.id, b"", arguments)

    def _read_again(self, line: bytes) -> JsonRequest | Direct:
        """Read a line that makes no sense as a whole as far as it does, so that an error can say
        what is wrong with it."""
        if not line.strip():
            return Direct()
        try:
            envelope = _ENVELOPE.decode(line)
        except msgspec.ValidationError as error:
            raise CommandError("bad_request", f"That is no request: {misfit(error)}.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(line, error) from error
        return JsonRequest(envelope.op, envelope.id, line)


def _malformed(line: bytes, error: Exception) -> CommandError:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as bad:
        return CommandError("invalid_utf8", f"That line is not UTF-8 at byte {bad.start}.")
    return CommandError("bad_request", f"That line is not JSON: {str(error)[:200]}.")
