"""The way out: where it may lead, and what may come back."""

import socket
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from chatserver.net import outward
from chatserver.net.outward import Answer, is_public, post, target_of

from .push_service import PushService, status


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    with PushService(tmp_path) as running:
        yield running


def posted(service: PushService, **options: Any) -> Answer:
    target = target_of(options.pop("url", service.url), private=True)
    given = {"seconds": 5.0, "context": service.context(), "private": True} | options
    return post(target, (("TTL", "60"),), b"body", **given)


def test_a_url_and_what_it_leads_to() -> None:
    target = target_of("https://push.example/a/b?c=d")
    assert target == ("push.example", 443, "/a/b?c=d")
    assert target.origin == "https://push.example"
    assert target_of("https://push.example:8443").origin == "https://push.example:8443"
    assert target_of("https://[2606:4700::1]:444/x").authority == "[2606:4700::1]:444"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://push.example/",
        "file:///etc/passwd",
        "https:///x",
        "https://user@push.example/",
        "https://user:secret@push.example/",
        "https://push.example/#x",
        "https://push.example:0x1/",
        "https://push.example:99999/",
        "https://push.example/a b",
        "https://push.example/a\r\nX: y",
        "https://püsh.example/",
        "https://push.example/" + "x" * 1024,
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
    ],
)
def test_urls_that_lead_nowhere(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|Port"):
        target_of(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1", True),
        ("0.0.0.0", False),
        ("127.8.8.8", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("fc00::1", False),
        ("ff0e::1", False),
        ("::ffff:93.184.216.34", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:a00:1::", False),
    ],
)
def test_addresses_that_everybody_means(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) == public


def test_what_is_posted_and_answered(service: PushService) -> None:
    assert posted(service) == Answer(201, None)
    got = service.next()
    assert (got.path, got.body, got.headers["TTL"]) == ("/to/device", b"body", "60")
    service.answers += [status(429, Retry_After="7"), status(503, Retry_After="tomorrow")]
    assert posted(service) == Answer(429, 7)
    assert posted(service) == Answer(503, None)


def test_nothing_is_followed(service: PushService) -> None:
    service.answers += [status(307, Location=service.url + "/other")]
    assert posted(service).status == 307
    service.next()
    assert service.got.empty()


def test_a_name_that_leads_to_a_private_address(
    service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it had led elsewhere when it was looked at."""
    connected: list[object] = []
    real = socket.getaddrinfo
    monkeypatch.setattr(
        outward.socket, "getaddrinfo", lambda _, *rest, **more: real("127.0.0.1", *rest, **more)
    )
    monkeypatch.setattr(socket.socket, "connect", lambda _, place: connected.append(place))
    with pytest.raises(PermissionError, match="private"):
        posted(service, url="https://push.example/", private=False)
    assert not connected


def test_whom_the_system_does_not_trust(service: PushService) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        posted(service, context=ssl.create_default_context())
    assert service.got.empty()


def test_what_does_not_answer_in_time(service: PushService) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            if service.hanging.wait(0.05):
                return

    for answer in (service.hang, drip):
        service.answers = [answer]
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            posted(service, seconds=0.4)
        assert time.monotonic() - began < 3


def test_what_is_no_answer(service: PushService) -> None:
    service.answers = [
        lambda handler: None,
        lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n\r\n") and None,
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 50_000) and None,
    ]
    for _ in range(3):
        with pytest.raises(ConnectionError):
            posted(service)
