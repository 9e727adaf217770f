"""A client behind a proxy that says for whom it speaks, in every dialect: it is treated as if it
had come by itself, and whoever else says so is not believed."""

import itertools

import pytest

from .client import PASSWORD, JsonClient, TextClient, Wire, line, trusting
from .process import ServerProcess
from .web import WebClient

STRANGER = "127.0.0.2"
SETTINGS = {
    "web_trusted_proxies": "127.0.0.1",
    "login_attempts": 1,
    "server_max_clients_per_address": 1,
}
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
TLS_NOTE = b"\x20\x00\x05\x01\x00\x00\x00\x00"
VERSIONS = pytest.mark.parametrize("version", [1, 2])
KINDS = pytest.mark.parametrize("kind", [JsonClient, TextClient, WebClient])

_numbers = itertools.count(1)


@pytest.fixture
def far() -> str:
    """An address on another network, of nobody else."""
    return f"192.0.2.{next(_numbers)}"


def header(address: str, version: int = 1, note: bytes = b"") -> bytes:
    if version == 1:
        return f"PROXY TCP4 {address} 127.0.0.1 56324 4119\r\n".encode()
    client = bytes(map(int, address.split(".")))
    data = client + b"\x7f\x00\x00\x01\xdc\x04\x10\x17" + note
    return SIGNATURE + b"\x21\x11" + len(data).to_bytes(2) + data


def introduce(client: Wire, data: bytes, *, secure: bool = False) -> None:
    """Say a header, and begin TLS behind it."""
    client.socket.sendall(data)
    if secure:
        client.socket = trusting().wrap_socket(client.socket)
        if isinstance(client, WebClient):
            client.origin = client.origin.replace("http:", "https:")


def log_in(client: Wire, name: str) -> None:
    assert isinstance(client, JsonClient | TextClient)
    client.login(name)


@VERSIONS
@KINDS
def test_inside_tls_it_is_the_client_whose_address_counts(
    server: ServerProcess, kind: type[Wire], version: int, far: str
) -> None:
    with kind(server.place) as client:
        introduce(client, header(far, version), secure=True)
        log_in(client, server.account("ann"))
        server.wait_for_log(rf"connected: address={far} dialect=\w+ over=TLSv1.3")


@VERSIONS
@KINDS
def test_in_plaintext_it_is_refused_as_directly(
    server: ServerProcess, kind: type[Wire], version: int, far: str
) -> None:
    with kind(server.place) as client:
        introduce(client, header(far, version))
        if isinstance(client, WebClient):
            status, headers, _ = client.exchange("GET", "/r/ops")
            assert (status, headers["location"]) == (308, f"https://{client.host}/r/ops")
        elif isinstance(client, JsonClient):
            client.write(line({"op": "help"}))
            assert client.bye() == "bad_request"
        else:
            client.write(b"\n")
            assert b"Only TLS is accepted" in client.receive_all()


@KINDS
def test_tls_that_the_proxy_took_off_counts(
    server: ServerProcess, kind: type[Wire], far: str
) -> None:
    with kind(server.place) as client:
        introduce(client, header(far, 2, TLS_NOTE))
        if isinstance(client, WebClient):
            client.origin = client.origin.replace("http:", "https:")
        log_in(client, server.account("ann"))
        server.wait_for_log(rf"connected: address={far} dialect=\w+ over=TLS up to a proxy")


def test_who_guesses_behind_a_proxy_locks_out_himself_alone(
    server: ServerProcess, far: str
) -> None:
    name = server.account("ann")
    for password, code in (("wrong", "bad_credentials"), (PASSWORD, "locked_out")):
        with JsonClient(server.place) as guesser:
            introduce(guesser, header(far, 2), secure=True)
            assert guesser.refused("login", name=name, password=password)["code"] == code
            guesser.to_end()
    with JsonClient(server.place) as other:
        introduce(other, header("198.51.100.7", 2), secure=True)
        other.login(name)


def test_the_limit_of_an_address_is_that_of_the_client(server: ServerProcess, far: str) -> None:
    with JsonClient(server.place) as one, JsonClient(server.place) as two:
        for each in (one, two):
            introduce(each, header(far), secure=True)
            each.write(line({"op": "ping", "id": 99}))
            if each is one:
                each.answer(99)
        assert two.bye() == "server_full"


@VERSIONS
def test_from_an_address_that_is_not_trusted_it_is_no_header(
    server: ServerProcess, version: int, far: str
) -> None:
    with TextClient(server.place, source=STRANGER) as client:
        introduce(client, header(far, version))
        client.finish()
        client.receive_all()
    server.wait_for_log(f"connected: address={STRANGER} dialect=text over=plaintext")
    assert f"address={far} " not in server.log


def test_a_header_may_come_byte_by_byte(server: ServerProcess, far: str) -> None:
    with JsonClient(server.place) as client:
        for each in header(far, 2):
            client.socket.sendall(bytes([each]))
        introduce(client, b"", secure=True)
        client.login(server.account("ann"))
        server.wait_for_log(f"connected: address={far} dialect=json")


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 nobody nobody 1 1\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x21\x11\xff\xff",
        b"PROXY TCP4 192.0.2.77 127.0",
    ],
    ids=["words", "endless", "hostile length", "half"],
)
def test_a_wrong_header_ends_the_connection(server: ServerProcess, data: bytes) -> None:
    with Wire(server.place) as client:
        client.write(data)
        client.finish()
        assert client.receive_all() == b""
    server.wait_for_log("not connected: address=127.0.0.1 reason=a header of the PROXY protocol")
    assert "address=192.0.2.77" not in server.log


def test_a_proxy_that_speaks_for_itself_is_who_it_is(server: ServerProcess) -> None:
    with JsonClient(server.place) as client:
        introduce(client, SIGNATURE + b"\x20\x00\x00\x00")
        client.login(server.account("ann"))


def test_without_a_header_it_is_the_proxy_that_speaks(server: ServerProcess) -> None:
    """Even when it begins as one does: a name may."""
    server.add("Pat")
    with TextClient(server.place) as client:
        client.write(b"P")
        client.login("at")
