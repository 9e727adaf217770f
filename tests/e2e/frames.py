"""A third dialect: JSON in frames with their length before them, and a label on each answer.

It is all that it takes but for its entry in the list. A client begins with `FRAMES`; it may ask to
be shown its own words with `want`, which is no command but a change of its renderer.
"""

import struct
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from chatserver.commands.arguments import bad_arguments
from chatserver.commands.registry import Command, Registry, Request
from chatserver.dialects.choice import Choice, Offer
from chatserver.dialects.dialect import Dialect, Direct, Refusal
from chatserver.errors import CommandError
from chatserver.speech import Answer, Asked, Traits
from chatwire.events import Event

MAGIC = b"FRAMES"
LENGTH = struct.Struct(">I")


def is_frames(first: bytes) -> bool | None:
    return first.startswith(MAGIC) or (None if MAGIC.startswith(first) else False)


def frame(item: object) -> bytes:
    data = msgspec.json.encode(item)
    return LENGTH.pack(len(data)) + data


class FrameRequest:
    def __init__(self, op: str, label: str, fields: dict[str, object]) -> None:
        self.op, self.label, self._fields = op, label, fields

    def find(self, registry: Registry) -> Command | None:
        return registry.get(self.op)

    def arguments(self, command: Command) -> Struct:
        try:
            return msgspec.convert({"op": self.op, **self._fields}, command.arguments)
        except msgspec.ValidationError as error:
            raise bad_arguments(command, error) from error


class FrameRenderer(Struct, frozen=True):
    echoes: bool = False
    name = "frames"

    @property
    def traits(self) -> Traits:
        return Traits(acknowledges=True, echoes=self.echoes)

    def event(self, event: Event, viewer: str = "") -> bytes:
        return frame(event)

    def answer(self, request: Asked | None, event: Answer, viewer: str = "") -> bytes:
        label = request.label if isinstance(request, FrameRequest) else None
        return frame({"label": label, **msgspec.to_builtins(event)})


class FrameDialect(Dialect):
    def __init__(self, limit: int) -> None:
        self.renderer = FrameRenderer()
        self._limit, self._rest, self._frames = limit, bytearray(), list[bytes]()
        self._begun = False

    def opening(self) -> bytes:
        return frame({"event": "welcome"})

    def receive(self, data: bytes) -> Iterator[Request | Direct]:
        self._rest += data
        if not self._begun:
            self._begun = bool(self._rest)
            del self._rest[: len(MAGIC)]
        while (payload := self._next()) is not None:
            self.more_read = self._is_whole()
            yield self._read(payload)

    def _is_whole(self) -> bool:
        return len(self._rest) >= LENGTH.size + int.from_bytes(self._rest[: LENGTH.size])

    def _next(self) -> bytes | None:
        size = int.from_bytes(self._rest[: LENGTH.size])
        if size > self._limit:
            raise CommandError("line_too_long", f"A frame may have at most {self._limit} bytes.")
        if not self._is_whole():
            return None
        payload = bytes(self._rest[LENGTH.size : LENGTH.size + size])
        del self._rest[: LENGTH.size + size]
        return payload

    def _read(self, payload: bytes) -> Request | Direct:
        try:
            fields = msgspec.json.decode(payload, type=dict[str, object])
        except msgspec.MsgspecError as error:
            return Refusal(CommandError("bad_request", f"That frame is not JSON: {error}."))
        op, label = str(fields.pop("op", "")), str(fields.pop("label", ""))
        if op == "want":
            self.renderer = FrameRenderer(echoes=bool(fields.get("echoes")))
            return Direct(frame({"event": "wanted", "label": label}))
        return FrameRequest(op, label, fields)


def with_frames(choice: Choice, limit: int) -> Choice:
    """Return a choice that has this one, too."""
    return Choice((Offer(is_frames, lambda: FrameDialect(limit)), *choice.offers), choice.otherwise)
