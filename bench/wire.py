"""The two dialects of the generator: `chat/1` json for this server, IRC for ngIRCd.

Each writes requests as bytes and finds in the lines that come back what the works need to know.
Everybody who logs in is in the room at once; for IRC that takes a JOIN.

An IRC sender gets no answer to a message. What acknowledges a burst there is the PONG to a PING
sent right behind it, since a server works off the lines of a client in their order.
"""

import json
import re
from collections.abc import Sequence
from typing import Final, Protocol

PASSWORD: Final = "correct horse"
_ROOM: Final = "#bench"


class Wire(Protocol):
    """What a work needs of a dialect. Numbers of messages count from 1."""

    ready: bytes
    """Stands in the line that ends a login."""
    pong: bytes
    """Stands in the line that answers `ping`."""
    message: bytes
    """Stands in the line of a message, and in no other."""
    text: bytes
    """Stands behind that, before the message's text."""

    def login(self, name: str) -> bytes:
        """Return what logs in and enters the room."""
        ...

    def ping(self) -> bytes:
        """Return a request that is answered when everything before it has been."""
        ...

    def answer_to(self, lines: bytes) -> bytes:
        """Return what the server wants to hear to the pings among these lines."""
        ...

    def try_again_after(self, lines: bytes) -> float | None:
        """Return the seconds after which a refused login may be tried again."""
        ...

    def to_room(self, texts: Sequence[str], last: int) -> bytes:
        """Return a burst of messages to the room; the last has the number `last`."""
        ...

    def to_one(self, name: str, text: str) -> bytes:
        """Return a private message."""
        ...

    def acknowledged(self, lines: bytes) -> int | None:
        """Return the number of the newest message to the room these lines acknowledge."""
        ...

    def texts(self, lines: bytes) -> list[bytes]:
        """Return the texts of the messages among these lines."""
        ...


class JsonWire:
    """`chat/1` json. Every message is answered, after the commit."""

    ready = b'"op":"login"'
    pong = b'"op":"ping"'
    message = b'{"event":"message"'
    text = b'"text":"'
    _ACKNOWLEDGED = re.compile(rb'"re":(\d+),"op":"broadcast"')
    _TEXT = re.compile(rb'^\{"event":"message".*"text":"([^"]*)"', re.MULTILINE)
    _RETRY = re.compile(rb'"retry_after":(\d+)')
    _PING = b'{"event":"ping"}'

    def login(self, name: str) -> bytes:
        """Return the login; there is one room, and everybody is in it."""
        return _line({"op": "login", "id": 0, "name": name, "password": PASSWORD})

    def ping(self) -> bytes:
        """Return a ping."""
        return _line({"op": "ping", "id": 0})

    def answer_to(self, lines: bytes) -> bytes:
        """Return a pong for every ping."""
        return _line({"op": "pong"}) * lines.count(self._PING)

    def try_again_after(self, lines: bytes) -> float | None:
        """Return the seconds that a refusal names."""
        found = self._RETRY.search(lines)
        return None if found is None else float(found[1])

    def to_room(self, texts: Sequence[str], last: int) -> bytes:
        """Return the messages, each with its number as `id`."""
        first = last - len(texts) + 1
        return "".join(
            f'{{"op":"broadcast","id":{number},"text":"{text}"}}\n'
            for number, text in enumerate(texts, first)
        ).encode("ascii")

    def to_one(self, name: str, text: str) -> bytes:
        """Return a private message."""
        return f'{{"op":"send","id":1,"to":["{name}"],"text":"{text}"}}\n'.encode("ascii")

    def acknowledged(self, lines: bytes) -> int | None:
        """Return the `re` of the last reply."""
        return _last(self._ACKNOWLEDGED, lines)

    def texts(self, lines: bytes) -> list[bytes]:
        """Return the texts of the message events."""
        return self._TEXT.findall(lines)


class IrcWire:
    """IRC as in RFC 2812, with everybody in one channel, or without `joins` nobody in any."""

    pong = b" PONG "
    message = b" PRIVMSG "
    text = b" :"
    _ACKNOWLEDGED = re.compile(rb" PONG \S+ :(\d+)\r")
    _TEXT = re.compile(rb"^:\S+ PRIVMSG \S+ :([^\r\n]*)", re.MULTILINE)
    _PING = re.compile(rb"^PING ([^\r\n]*)", re.MULTILINE)

    def __init__(self, *, joins: bool = True) -> None:
        self.ready = b" 366 " if joins else b" 376 "
        self._join = f"JOIN {_ROOM}\r\n" if joins else ""

    def login(self, name: str) -> bytes:
        """Return what registers and joins; there are no accounts and no passwords."""
        return f"NICK {name}\r\nUSER {name} 0 * :{name}\r\n{self._join}".encode("ascii")

    def ping(self) -> bytes:
        """Return a PING."""
        return b"PING :0\r\n"

    def answer_to(self, lines: bytes) -> bytes:
        """Return a PONG for every PING."""
        return b"".join(b"PONG %s\r\n" % token for token in self._PING.findall(lines))

    def try_again_after(self, lines: bytes) -> float | None:  # noqa: ARG002
        """Return None: nobody is refused."""
        return None

    def to_room(self, texts: Sequence[str], last: int) -> bytes:
        """Return the messages, and a PING whose PONG acknowledges them."""
        lines = "".join(f"PRIVMSG {_ROOM} :{text}\r\n" for text in texts)
        return f"{lines}PING :{last}\r\n".encode("ascii")

    def to_one(self, name: str, text: str) -> bytes:
        """Return a private message."""
        return f"PRIVMSG {name} :{text}\r\n".encode("ascii")

    def acknowledged(self, lines: bytes) -> int | None:
        """Return the number in the last PONG."""
        return _last(self._ACKNOWLEDGED, lines)

    def texts(self, lines: bytes) -> list[bytes]:
        """Return the texts of the PRIVMSGs."""
        return self._TEXT.findall(lines)


def _line(request: dict[str, object]) -> bytes:
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def _last(pattern: re.Pattern[bytes], lines: bytes) -> int | None:
    found: list[bytes] = pattern.findall(lines)
    return int(found[-1]) if found else None
