"""The page's way into the chat, on a real server: HTTP, a cookie, frames; in plaintext and TLS."""

import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from .client import PASSWORD, PATIENCE, SCALE, JsonClient, TextClient, at_once, line, trusting
from .conftest import StartServer
from .process import ServerProcess, chat
from .web import BINARY, CLOSE, PING, WebClient, frame

SETTINGS = {"message_max_line_bytes": 70_000, "message_max_characters": 0}
WIRES = pytest.mark.parametrize("secure", [False, True], ids=["plaintext", "TLS"])


@pytest.fixture
def page(server: ServerProcess, secure: bool) -> Iterator[WebClient]:
    """A page of a new account that has come."""
    with WebClient(server.place, secure=secure) as client:
        client.login(server.account("page"))
        client.expect(event="hello")
        yield client


@WIRES
def test_a_page_talks_with_the_others_and_resumes_where_it_was(
    server: ServerProcess, page: WebClient, secure: bool
) -> None:
    with server.json(server.account("ann")) as ann, server.text(server.account("bob")) as bob:
        seq = page.say("from a page")
        assert ann.expect(event="message", text="from a page")["from"] == page.name
        assert bob.line("from a page") == f"{page.name}: from a page"
        ann.tell(page.name, "naïve 🎉")
        assert page.expect(event="message")["text"] == "naïve 🎉"
        page.close()
        ann.tell(page.name, "meanwhile")
        with WebClient(server.place, secure=secure) as again:
            again.cookie = page.cookie
            reply = again.login(page.name, since=seq)
            assert (reply["op"], reply["replay"]) == ("resume", True)
            assert again.texts(2) == ["naïve 🎉", "meanwhile"]
            assert again.ask("devices")["devices"][0]["this"] is True


@WIRES
def test_the_longest_message_goes_both_ways_and_one_byte_more_ends_with_1009(
    server: ServerProcess, page: WebClient, secure: bool
) -> None:
    request = {"op": "send", "to": [page.name], "text": ""}
    text = "x" * (70_000 - len(line(request)) + 1)
    page.write(line(request | {"text": text}))
    assert page.expect(event="message")["text"] == text
    page.write_raw(frame(b"x" * 70_001))
    page.to_end()
    assert page.close_code == 1009


@WIRES
@pytest.mark.parametrize(
    ("data", "code"), [(frame(b"{}", BINARY), 1003), (frame(b"{\n}"), 1007), (b"\x81\x00", 1002)]
)
def test_what_cannot_be_read_ends_with_its_code(page: WebClient, data: bytes, code: int) -> None:
    page.write_raw(data)
    page.to_end()
    assert page.close_code == code


@WIRES
def test_control_frames_are_answered_and_a_request_may_come_in_parts(page: WebClient) -> None:
    page.write_raw(frame(b"still there?", PING))
    whole = b'{"op":"who","id":77}'
    page.write_raw(frame(whole[:5], fin=False) + frame(b"", PING) + frame(whole[5:], 0))
    assert page.answer(77)["op"] == "who"
    assert page.pongs[0] in (b"still there?", b"")
    page.write_raw(frame(struct.pack(">H", 1000) + b"bye", CLOSE))
    page.to_end()
    assert page.close_code == 1000


@WIRES
@pytest.mark.parametrize("every", [1, 7])
def test_bytes_may_come_singly(server: ServerProcess, secure: bool, every: int) -> None:
    """From the first one of the request for the page on."""
    with WebClient(server.place, secure=secure) as page:
        name, write = server.account("slow"), page.write_raw
        page.write_raw = (
            lambda data: (
                [  # type: ignore[method-assign]
                    write(data[at : at + every]) for at in range(0, len(data), every)
                ]
                and None
            )
        )
        assert page.exchange("GET", "/healthz")[0] == 200
        page.login(name)
        page.say("bit by bit")


@WIRES
def test_whoever_may_not_come_is_refused_before_the_upgrade(
    server: ServerProcess, secure: bool
) -> None:
    with WebClient(server.place, secure=secure) as page:
        assert page.open()[0] == 401
        page.log_in(server.account("ann"))
        assert page.open(origin="https://evil.example")[0] == 403
        assert page.open(origin="")[0] == 403
        assert page.open()[0] == 101


@WIRES
def test_nobody_who_came_without_a_token_can_resume(server: ServerProcess, secure: bool) -> None:
    with server.client("json", secure=secure) as client:
        assert isinstance(client, JsonClient)
        assert client.refused("resume")["code"] == "bad_credentials"


@WIRES
def test_what_ends_a_device_ends_its_pages(
    server: ServerProcess, page: WebClient, secure: bool
) -> None:
    with WebClient(server.place, secure=secure) as other:
        other.cookie = page.cookie
        assert other.exchange("POST", "/api/logout")[0] == 204
        assert page.bye() == "logged_out"
        assert page.close_code == 1000
        assert other.open()[0] == 401


@WIRES
def test_a_changed_password_ends_pages_and_cookies(
    server: ServerProcess, page: WebClient, secure: bool
) -> None:
    new = "another horse\n"
    done = chat("passwd", page.name, "--password-stdin", "--data", server.data, typed=new)
    assert done.returncode == 0
    assert page.bye() == "password_changed"
    assert page.close_code == 1008
    with WebClient(server.place, secure=secure) as again:
        again.cookie = page.cookie
        assert again.open()[0] == 401


@WIRES
def test_a_token_outlives_the_server_and_a_kill_loses_nothing(
    start_server: StartServer, secure: bool
) -> None:
    server = start_server()
    ann = server.account("ann")
    with WebClient(server.place, secure=secure) as page:
        page.login(ann)
        seq = page.say("before")
        server.kill()
        page.to_end()
        assert page.close_code == 0
    server = start_server()
    with WebClient(server.place, secure=secure) as again:
        again.cookie = page.cookie
        assert again.login(ann)["seq"] == seq


def test_goodbyes_have_their_codes(start_server: StartServer) -> None:
    server = start_server(login_deadline_seconds=1)
    with WebClient(server.place) as page, WebClient(server.place) as silent:
        page.login(server.account("ann"))
        silent.cookie = page.cookie
        silent.open()
        assert silent.bye() == "login_timeout"
        assert silent.close_code == 1008
        server.begin_to_stop()
        assert page.bye() == "shutting_down"
        assert page.close_code == 1001


def test_the_first_bytes_may_be_awaited_for_a_second_and_then_it_is_text(
    server: ServerProcess,
) -> None:
    with TextClient(server.place) as person:
        person.write(b"GET")
        person.expect("Username: ")
        person.write(b" \n")
        person.expect("Password: ")


@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], ["h2"], []])
def test_who_asks_for_http_by_name_may_be_silent(server: ServerProcess, offered: list[str]) -> None:
    context = trusting()
    if offered:
        context.set_alpn_protocols(offered)
    raw = socket.create_connection(server.place, PATIENCE)
    with context.wrap_socket(raw) as browser:
        named = "http/1.1" in offered
        assert browser.selected_alpn_protocol() == ("http/1.1" if named else None)
        browser.settimeout(2.0)
        if named:
            with pytest.raises(TimeoutError):
                browser.recv(100)
            browser.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert browser.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        else:
            assert browser.recv(100).startswith(b"-- chat ")


def test_idle_browsers_are_closed_and_count_not_as_clients(start_server: StartServer) -> None:
    server = start_server(server_max_clients=1)
    name = server.account("ann")
    with ExitStack() as here:
        idle = [
            here.enter_context(socket.create_connection(server.place, PATIENCE)) for _ in range(20)
        ]
        for each in idle:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert each.recv(4096).startswith(b"HTTP/1.1 200")
        page, second = (here.enter_context(WebClient(server.place)) for _ in range(2))
        page.login(name)
        second.cookie = page.cookie
        assert second.exchange("GET", "/")[0] == 200
        status, headers, _ = second.open()
        assert (status, headers["retry-after"]) == (503, "30")
        with server.json() as program:
            program.send("status")
            assert program.bye() == "server_full"
        page.close()
        server.wait_for_log(f"disconnected: account={name}")
        assert second.open()[0] == 101
        began = time.monotonic()
        assert [each.recv(1) for each in idle] == [b""] * 20
        assert time.monotonic() - began < 10


def test_browsers_that_are_idle_keep_no_server_from_ending(start_server: StartServer) -> None:
    server = start_server()
    with socket.create_connection(server.place, PATIENCE) as idle, WebClient(server.place) as page:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(4096)
        page.write(b"POST /api/login HTTP/1.1\r\nContent-Le")  # and one that is in the middle
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 3 * SCALE
        assert idle.recv(1) == b""
        assert "did not go in time" not in server.log


def test_a_hundred_pages_at_once(server: ServerProcess) -> None:
    names = server.accounts(*["many"] * 10)
    cookies: dict[str, str] = {}
    for name in names:
        with WebClient(server.place) as page:
            page.log_in(name)
            cookies[name] = page.cookie

    def come(name: str) -> WebClient:
        page = WebClient(server.place)
        page.cookie = cookies[name]
        page.login(name)
        return page

    pages = at_once(*(partial(come, name) for name in names * 10))
    pages[0].say("to all")
    for page in pages[1:]:
        page.expect(event="message", text="to all")
    for page in pages:
        page.close()


def test_without_the_page_there_is_no_http(start_server: StartServer) -> None:
    server = start_server(web_enabled="false")
    context = trusting()
    context.set_alpn_protocols(["http/1.1"])
    with context.wrap_socket(socket.create_connection(server.place, PATIENCE)) as browser:
        assert browser.selected_alpn_protocol() is None
        browser.sendall(b"GET / HTTP/1.1\r\n")
        assert browser.recv(100).startswith(b"-- chat ")


def test_tls_1_2_serves_the_page_too(server: ServerProcess) -> None:
    context = trusting(ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    with context.wrap_socket(socket.create_connection(server.place, PATIENCE)) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert browser.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_password_is_never_logged(server: ServerProcess) -> None:
    with WebClient(server.place) as page:
        page.log_in(server.account("ann"))
        assert page.cookie
        assert PASSWORD not in server.log
        assert page.cookie.partition("=")[2] not in server.log
