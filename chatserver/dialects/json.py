"""The json dialect: one object a line, for programs and for `chat connect`."""

from typing import Final

import msgspec
from msgspec import Struct

from chatserver.commands.arguments import bad_arguments, misfit
from chatserver.commands.registry import Command, Registry
from chatserver.errors import CommandError
from chatwire import __version__
from chatwire.protocol import Event, Hello, encode


class JsonRenderer:
    """Events as compact JSON, the same for every reader."""

    name = "json"
    acknowledges = True
    in_order = False
    can_ping = True

    def render(self, event: Event, viewer: str = "") -> bytes:  # noqa: ARG002 - the protocol's
        """Return the event as one line."""
        return encode(event)


RENDERER: Final = JsonRenderer()


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


class JsonDialect:
    """Reads requests. There is no state: a line is a request."""

    renderer = RENDERER

    def __init__(self, registry: Registry) -> None:
        self._decode = registry.decoder.decode

    def greeting(self) -> bytes:
        """Return the hello."""
        return encode(Hello(server=f"chat {__version__}"))

    def read(self, line: bytes, logged_in: bool) -> JsonRequest | None:  # noqa: ARG002
        """Return the request in `line`, or None for an empty one."""
        try:
            arguments = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_again(line)
        return JsonRequest(type(arguments).__struct_config__.tag, arguments.id, line, arguments)

    def _read_again(self, line: bytes) -> JsonRequest | None:
        """Read a line that makes no sense as a whole as far as it does, so that an error can say
        what is wrong with it."""
        if not line.strip():
            return None
        try:
            envelope = _ENVELOPE.decode(line)
        except msgspec.ValidationError as error:
            raise CommandError("bad_request", f"That is no request: {misfit(error)}.") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _malformed(line, error) from error
        return JsonRequest(envelope.op, envelope.id, line)

    def prompt(self, logged_in: bool) -> bytes:  # noqa: ARG002
        """Return nothing: programs need no prompt."""
        return b""


def _malformed(line: bytes, error: Exception) -> CommandError:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as bad:
        return CommandError("invalid_utf8", f"That line is not UTF-8 at byte {bad.start}.")
    return CommandError("bad_request", f"That line is not JSON: {str(error)[:200]}.")
