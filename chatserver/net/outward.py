"""The only way out: one request to another server, at an address that somebody else has chosen.

So it goes by TLS alone, and never where only this machine or its own network can go: a name is
resolved once, and what is connected to is the address that was looked at. Nothing is followed, and
of the answer nothing is read but its head.
"""

import socket
import ssl
import time
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import h11

from chatserver.net.addresses import is_translated

_MOST_URL: Final = 1024
_MOST_ADDRESSES: Final = 3
_MOST_HEAD_BYTES: Final = 16_384


class Target(NamedTuple):
    """Where a URL leads."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host and port, as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The same, with the scheme."""
        return f"https://{self.authority}"


class Answer(NamedTuple):
    """What a server says: its status, and after how many seconds to come again, if it says that."""

    status: int
    retry_after: int | None


def target_of(url: str, *, private: bool = False) -> Target:
    """Return where a URL leads, which is looked at, but not asked for.

    Raises ValueError for anything but https to a host by name or, unless `private`, to a public
    address.
    """
    if len(url) > _MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("the URL is too long, or has characters that none has")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.fragment:
        raise ValueError("the URL is not one of https")
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        if not private and not is_public(address):
            raise ValueError("the URL leads to a private address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, path)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether everybody means the same machine by an address. One in which another is hidden
    (RFC 6052, 6to4, Teredo, mapped) counts as none: who knows where that leads."""
    hidden = isinstance(address, IPv6Address) and (
        address.ipv4_mapped is not None
        or address.sixtofour is not None
        or address.teredo is not None
        or is_translated(address)
    )
    return address.is_global and not address.is_multicast and not hidden


def post(
    target: Target,
    headers: tuple[tuple[str, str], ...],
    body: bytes,
    *,
    seconds: float,
    context: ssl.SSLContext,
    private: bool = False,
) -> Answer:
    """Post something, within so many seconds in all but for finding the address.

    Raises OSError (TimeoutError among them) where it cannot be, or what answers is no HTTP.
    """
    deadline = time.monotonic() + seconds
    request = h11.Request(
        method="POST",
        target=target.path,
        headers=[
            ("Host", target.authority),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
            *headers,
        ],
    )
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
    data = b"".join(
        http.send(each) or b"" for each in (request, h11.Data(data=body), h11.EndOfMessage())
    )
    with closing(_connected(target, private, deadline)) as plain:
        plain.settimeout(_left(deadline))
        with closing(context.wrap_socket(plain, server_hostname=target.host)) as link:
            link.settimeout(_left(deadline))
            link.sendall(data)
            return _answer(http, link, deadline)


def _connected(target: Target, private: bool, deadline: float) -> socket.socket:
    """Return a connection to the first address that takes one."""
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    allowed = [
        (family, place)
        for family, _, _, _, place in found
        if private or is_public(ip_address(str(place[0]).partition("%")[0]))
    ]
    if not allowed:
        raise PermissionError(f"{target.host} is at a private address")
    last: OSError | None = None
    for family, place in allowed[:_MOST_ADDRESSES]:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(place)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    assert last is not None
    raise last


def _answer(http: h11.Connection, link: ssl.SSLSocket, deadline: float) -> Answer:
    try:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                link.settimeout(_left(deadline))
                http.receive_data(link.recv(4096))
            elif isinstance(event, h11.Response):
                after = dict(event.headers).get(b"retry-after", b"")
                return Answer(event.status_code, int(after) if after.isdigit() else None)
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionError("the connection was closed without an answer")
    except h11.RemoteProtocolError as error:
        raise ConnectionError("the answer is no HTTP") from error


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left
