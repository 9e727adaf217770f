"""The PROXY protocol, versions 1 and 2: one header by which a proxy says for whom it speaks.

It comes before everything else on a connection, TLS too. Bytes in, an address out; whether whoever
sent it is believed is decided elsewhere.
"""

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

MOST_BYTES: Final = 232
"""The longest there is without notes of other programs (TLV), which it must have room for too."""

_MOST_LINE_BYTES: Final = 107
_LINE: Final = b"PROXY "
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_HEAD: Final = struct.Struct(">12sBBH")
_NOTE: Final = struct.Struct(">BH")

_LOCAL, _PROXY = 0x20, 0x21
_SIZES: Final = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}
"""How long the addresses are: of a family that is not said, of TCP over IPv4 and IPv6, of a local
socket, which has none that counts here."""

_TLS: Final = 0x20
_PORT: Final = re.compile(r"0|[1-9]\d{0,4}", re.ASCII)


class ProxyHeader(NamedTuple):
    """For whom a proxy speaks: the client's address, or "" where it speaks for itself or does not
    know; whether the client has come by TLS, which the proxy took off; and what is behind it."""

    address: str
    secure: bool
    rest: bytes


def begins(data: bytes) -> bool | None:
    """Tell whether a connection begins with a header: no name of an account contains a space, and
    no dialect has empty lines and a zero. None while what has come may still become one."""
    for opening in (_LINE, _SIGNATURE):
        if data.startswith(opening):
            return True
        if opening.startswith(data):
            return None
    return False


def read(data: bytes) -> ProxyHeader | None:
    """Return the header that `data` begins with, None while some of it has to come.

    Raises ValueError for what is none.
    """
    if not data.startswith(_SIGNATURE[: len(data)]):
        return _read_line(data)
    if len(data) < _HEAD.size:
        return None
    _, command, family, size = _HEAD.unpack_from(data)
    end = _HEAD.size + size
    if end > MOST_BYTES:
        raise ValueError("it is too long")
    if len(data) < end:
        return None
    address, secure = _told(command, family, data[_HEAD.size : end])
    return ProxyHeader(address, secure, data[end:])


def _read_line(data: bytes) -> ProxyHeader | None:
    """Read a header of version 1, a line of words."""
    line, found, rest = data.partition(b"\r\n")
    if len(line) + 2 > _MOST_LINE_BYTES:
        raise ValueError("it is too long")
    if not data.startswith(_LINE[: len(data)]):
        raise ValueError("it begins otherwise")
    if not found:
        return None
    words = line.decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader("", False, rest)
    kind = {"TCP4": IPv4Address, "TCP6": IPv6Address}.get(words[1])
    if kind is None or len(words) != 6:
        raise ValueError("it has other words")
    client, _ = kind(words[2]), kind(words[3])
    if not all(_PORT.fullmatch(each) and int(each) < 65536 for each in words[4:]):
        raise ValueError("it has no ports")
    return ProxyHeader(str(client), False, rest)


def _told(command: int, family: int, data: bytes) -> tuple[str, bool]:
    """Return the client's address and whether it came by TLS, from a header of version 2."""
    if command == _LOCAL:
        return "", False
    size = _SIZES.get(family)
    if command != _PROXY or size is None or len(data) < size:
        raise ValueError("it is for something else")
    secure, notes = False, data[size:] if family else b""
    while notes:
        if len(notes) < _NOTE.size:
            raise ValueError("it ends too soon")
        kind, length = _NOTE.unpack_from(notes)
        note, notes = notes[_NOTE.size :][:length], notes[_NOTE.size + length :]
        if len(note) < length:
            raise ValueError("it ends too soon")
        secure = secure or (kind == _TLS and bool(note) and bool(note[0] & 1))
    if family == 0x11:
        return str(IPv4Address(data[:4])), secure
    return (str(IPv6Address(data[:16])) if family == 0x21 else ""), secure
