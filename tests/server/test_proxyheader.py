"""The header by which a proxy says for whom it speaks: cut anywhere, and of any bytes."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chatserver.net.proxies import told
from chatserver.net.proxyheader import MOST_BYTES, ProxyHeader, begins, read

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TLS_NOTE = b"\x20\x00\x05\x01\x00\x00\x00\x00"


def line(client: object, server: object = "192.0.2.1", kind: str = "TCP4") -> bytes:
    return f"PROXY {kind} {client} {server} 56324 4119\r\n".encode()


def binary(data: bytes, family: int = 0x11, command: int = 0x21, size: int | None = None) -> bytes:
    size = len(data) if size is None else size
    return SIGNATURE + struct.pack(">BBH", command, family, size) + data


def v4(address: object, notes: bytes = b"") -> bytes:
    return binary(IPv4Address(str(address)).packed + b"\xc0\x00\x02\x01" + b"\xdc\x04" * 2 + notes)


def v6(address: object) -> bytes:
    return binary(IPv6Address(str(address)).packed + bytes(16) + b"\xdc\x04" * 2, 0x21)


IPV4, IPV6 = some.ip_addresses(v=4), some.ip_addresses(v=6)
WITH_ADDRESS = some.one_of(
    IPV4.map(lambda address: (line(address), str(address))),
    IPV6.map(lambda address: (line(address, "::1", "TCP6"), str(address))),
    IPV4.map(lambda address: (v4(address), str(address))),
    IPV6.map(lambda address: (v6(address), str(address))),
)


@given(WITH_ADDRESS, some.binary(max_size=20))
def test_a_header_is_read_wherever_it_is_cut(made: tuple[bytes, str], rest: bytes) -> None:
    header, address = made
    for at in range(len(header)):
        assert begins(header[:at]) is not False
        assert read(header[:at]) is None
    assert read(header + rest) == ProxyHeader(address, False, rest)


@given(
    some.binary(max_size=300),
    some.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
)
def test_any_bytes_are_a_header_or_wrong_or_too_few_and_never_kept_for_long(
    data: bytes, opening: bytes
) -> None:
    data = opening + data
    try:
        header = read(data)
    except ValueError:
        return
    if header is None:
        assert len(data) < MOST_BYTES
        assert begins(data) is not False
    else:
        assert begins(data) is True
        assert data.endswith(header.rest)
        assert len(data) - len(header.rest) <= MOST_BYTES


@pytest.mark.parametrize(
    "data",
    [
        line("::1"),
        line("192.0.2.7", kind="TCP6"),
        line("192.0.2.7", kind="UDP4"),
        line("192.0.2.7").replace(b"4119", b"65536"),
        line("192.0.2.7").replace(b"4119", b"+1"),
        line("192.0.2.7").replace(b" 4119", b""),
        line("192.0.2.7").replace(b" 4119", b"  4119"),
        line("192.0.2.300"),
        line("host.example"),
        line("\u0661"),
        b"PROXY \r\n",
        b"PROXY " + b"x" * 102,  # no end within the 107 bytes of a line
        v4("192.0.2.7")[:-1].replace(b"\x00\x0c", b"\x00\x0b"),
        binary(b"", size=217),
        binary(b"", size=65535),
        binary(bytes(12), command=0x22),
        binary(bytes(12), command=0x11),
        binary(bytes(12), family=0x12),
        v4("192.0.2.7", b"\x20"),
        v4("192.0.2.7", b"\x20\x00\x05\x01"),
        v4("192.0.2.7", b"\x20\xff\xff\x01"),
    ],
)
def test_what_is_not_as_it_must_be_is_wrong(data: bytes) -> None:
    assert begins(data) is True
    with pytest.raises(ValueError, match=r"."):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
        binary(b"", 0x00, 0x20),
        binary(bytes(12) + TLS_NOTE, 0x11, 0x20),
        binary(b"", 0x00),
        binary(b"anything at all", 0x00),
        binary(bytes(216), 0x31),
    ],
)
def test_a_proxy_may_speak_for_itself_or_not_know(data: bytes) -> None:
    assert read(data + b"hi") == ProxyHeader("", False, b"hi")


@pytest.mark.parametrize(
    ("notes", "secure"),
    [
        (TLS_NOTE, True),
        (b"\x04\x00\x00" + TLS_NOTE + b"\x05\x00\x02ab", True),
        (b"\x20\x00\x05\x06\x00\x00\x00\x00", False),  # a certificate, but not of this connection
        (b"\x20\x00\x00", False),
        (b"\x21\x00\x05\x01\x00\x00\x00\x00", False),
    ],
)
def test_a_note_tells_whether_the_client_came_by_tls(notes: bytes, secure: bool) -> None:
    assert read(v4("192.0.2.7", notes)) == ProxyHeader("192.0.2.7", secure, b"")


@pytest.mark.parametrize("data", [b"PROXYTCP4 ", b"proxy TCP4", b"PRO\r\n", b"\r\nalice", b"GET /"])
def test_what_begins_otherwise_is_none(data: bytes) -> None:
    assert begins(data) is False


@pytest.mark.parametrize(
    ("proxy", "address", "client"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "::1", "::1"),
        ("10.0.0.1", "127.0.0.1", None),
        ("10.0.0.1", "::ffff:127.0.0.1", None),
        ("10.0.0.1", "", None),
        ("10.0.0.1", "unknown", None),
        ("10.0.0.1", "192.0.2.7:80", None),
    ],
)
def test_another_machine_is_not_believed_to_be_this_one(
    proxy: str, address: str, client: str | None
) -> None:
    assert told(proxy, address) == client
