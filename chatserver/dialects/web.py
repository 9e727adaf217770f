"""The web dialect: json in the frames of a WebSocket, for the page.

The stream takes the frames of the page apart (`net.websocket`). What goes to a page is a frame that
is the same for every page, because a server masks nothing: it is rendered once and shared.
"""

from typing import Final

from msgspec import Struct

from chatserver.dialects.json import JsonDialect, JsonRenderer
from chatwire.events import Bye, Event
from chatwire.protocol import encode

_TEXT: Final = 0x81
_CLOSE: Final = 0x88

_CLOSE_CODES: Final = {
    "logged_out": 1000,
    "idle_timeout": 1000,
    "shutting_down": 1001,
    "invalid_utf8": 1007,
    "line_too_long": 1009,
    "internal": 1011,
    "server_full": 1013,
    "too_slow": 1013,
    "try_later": 1013,
}
"""What a WebSocket is closed with after a `bye` (RFC 6455, 7.4); all else is 1008, a refusal."""


def frame(payload: bytes, first: int = _TEXT) -> bytes:
    """Return a frame that is a whole message, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload


class WebRenderer(JsonRenderer, Struct, frozen=True):
    """Events as compact JSON in a frame each, the same for every page."""

    name = "web"

    def event(self, event: Event, viewer: str = "") -> bytes:  # noqa: ARG002 - the protocol's
        """Return the event as a frame; after the last one the connection is closed."""
        data = frame(encode(event)[:-1])
        if isinstance(event, Bye):
            data += frame(_CLOSE_CODES.get(event.code, 1008).to_bytes(2), _CLOSE)
        return data


RENDERER: Final = WebRenderer()


class WebDialect(JsonDialect):
    """Reads requests like json, of somebody who came by HTTP."""

    renderer = RENDERER
    over_http = True
