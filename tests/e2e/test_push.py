"""A browser whose page is closed, and a push service that reaches it: whole, in a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from server.push_service import PushService, Receiver

from .client import eventually
from .conftest import StartServer
from .process import ServerProcess
from .web import WebClient


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    with PushService(tmp_path / "service") as running:
        yield running


def _subscription(service: PushService, browser: Receiver) -> bytes:
    return json.dumps({"endpoint": service.url, "keys": browser.keys}).encode()


def test_from_a_subscription_to_a_push(
    start_server: StartServer, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate))
    server = start_server(web_push_to_private=True)
    ann, bob = server.add("ann"), server.add("bob")
    browser = Receiver()
    with WebClient(server.place) as page:
        page.log_in(bob)
        status, _, body = page.exchange("GET", "/api/push")
        key = json.loads(body)["key"]
        assert (status, len(key)) == (200, 87)
        assert (server.data / "push.pem").stat().st_mode & 0o777 == 0o600
        given = _subscription(service, browser)
        assert page.exchange("PUT", "/api/push", given)[0] == 204
        cookie = page.cookie
    with server.json(ann) as other:
        other.request("send", to=[bob], text="wake up")
        got = service.next()
        assert browser.read(got.body)["text"] == "wake up"
        assert got.headers["Authorization"].endswith(f"k={key}")
        with WebClient(server.place) as page:
            page.cookie = cookie
            page.login(bob)
            other.request("send", to=[bob], text="seen already")
            assert page.texts(2) == ["wake up", "seen already"]
        with WebClient(server.place) as page:
            page.cookie = cookie
            assert page.exchange("DELETE", "/api/push")[0] == 204
            other.request("send", to=[bob], text="not any more")
            assert page.exchange("PUT", "/api/push", given)[0] == 204
        eventually(lambda: not other.request("who")["users"])
        other.request("send", to=[bob], text="but now")
        assert browser.read(service.next().body)["text"] == "but now"


def test_who_may_subscribe(server: ServerProcess, service: PushService) -> None:
    (bob,) = server.accounts("bob")
    given = _subscription(service, Receiver())
    with WebClient(server.place) as page:
        assert page.exchange("PUT", "/api/push", given)[0] == 401
        assert page.exchange("DELETE", "/api/push")[0] == 204
        page.log_in(bob)
        assert page.exchange("PUT", "/api/push", given, origin="http://evil.example")[0] == 403
        status, _, body = page.exchange("PUT", "/api/push", given)  # at a private address
        assert (status, json.loads(body)["code"]) == (400, "bad_request")
        assert page.exchange("POST", "/api/push", given)[0] == 405


def test_a_server_without_a_way_out(start_server: StartServer, service: PushService) -> None:
    server = start_server(web_push=False)
    bob = server.add("bob")
    with WebClient(server.place) as page:
        page.log_in(bob)
        assert json.loads(page.exchange("GET", "/api/push")[2]) == {"key": None}
        assert page.exchange("PUT", "/api/push", _subscription(service, Receiver()))[0] == 404
    assert not (server.data / "push.pem").exists()
