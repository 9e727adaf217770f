"""What a browser is answered: the page, its login, and who is let into the chat from where."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from e2e.web import frame
from scoped import Scoped

from chatserver.commands.dispatcher import _INTERNAL
from chatserver.net.flusher import Flusher
from chatserver.net.stream import PlainStream
from chatserver.order.devices import Devices
from chatserver.serving import pages as module
from chatserver.serving.assets import Assets
from chatserver.serving.browser import browser
from chatserver.serving.pages import Entered, Pages
from chatserver.settings import ServerSettings, TlsSettings, WebSettings

from .fakes import DEADLINE, PASSWORD, Server, begun, raising

NEAR, FAR = "127.0.0.1", "192.0.2.7"
PAGE = b'<!doctype html><script src="{{base}}/main.js"></script>' + b" " * 500
SCRIPT = b'import"./other.js"\n' + b"f()\n" * 100
UPGRADE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"index.html": PAGE, "main.js": SCRIPT, "icon.svg": b"<svg/>", "sw.js": b"//"}
    made = tmp_path / "web"
    made.mkdir()
    for name, data in files.items():
        (made / name).write_bytes(data)
    (made / ".hidden.js").write_bytes(b"")
    (made / "notes.txt").write_bytes(b"")
    return made


class Answered:
    """One response, as a program reads it that is not ours."""

    def __init__(self, far: socket.socket, method: str) -> None:
        response = HTTPResponse(far, method=method)
        response.begin()
        self.status, self.headers = response.status, response.headers
        self.body = b"" if response.status == 101 else response.read()

    @property
    def json(self) -> dict[str, object]:
        return dict(json.loads(self.body))

    @property
    def cookie(self) -> str:
        return self.headers["Set-Cookie"].partition(";")[0]


class Visitor(Scoped):
    """A browser's connection to pages, from an address, inside TLS or as if it were."""

    def __init__(
        self,
        pages: Pages,
        flusher: Flusher,
        address: str = NEAR,
        *,
        secure: bool = False,
        admit: Callable[[str], bool] = lambda _: True,
    ) -> None:
        near, self.far = socket.socketpair()
        self.far.settimeout(DEADLINE)
        self.host = "chat.example:4119"
        self.origin = f"{'https' if secure else 'http'}://{self.host}"
        self.stream = PlainStream(near, address)
        if secure:
            self.stream.security = "TLSv1.3"
        self._served = begun(pages.serve, self.stream, b"", admit, flusher)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str | None) -> Answered:
        """Ask for something; a header of None is left out."""
        usual: dict[str, str | None] = {"host": self.host, "origin": self.origin}
        if body:
            usual |= {"content-length": str(len(body)), "content-type": "application/json"}
        usual |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}\r\n" for name, value in usual.items() if value is not None]
        self.far.sendall(f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body)
        return Answered(self.far, method)

    def get(self, target: str, **headers: str | None) -> Answered:
        return self.ask("GET", target, **headers)

    def log_in(self, name: str = "alice", password: str = PASSWORD, **more: str | None) -> Answered:
        body = json.dumps({"name": name, "password": password}).encode()
        return self.ask("POST", "/api/login", body, **more)

    def enter(self, cookie: str | None, **headers: str | None) -> Answered:
        return self.get("/ws", cookie=cookie, **UPGRADE | headers)

    def entered(self) -> Entered | None:
        return self._served.result(DEADLINE)

    def end(self, error: BaseException | None) -> None:
        self.far.close()
        self._served.result(DEADLINE)
        self.stream.close()


@pytest.fixture
def settings() -> dict[str, object]:
    return {}


@pytest.fixture
def server(tmp_path: Path, settings: dict[str, object]) -> Iterator[Server]:
    with Server(tmp_path, **settings) as running:
        running.add_accounts("alice", "bob")
        yield running


@pytest.fixture
def pages(server: Server, folder: Path) -> Pages:
    return Pages(server.services, "0123456789abcdef", Assets(folder))


@pytest.fixture
def near(pages: Pages, flusher: Flusher) -> Iterator[Visitor]:
    with Visitor(pages, flusher) as visitor:
        yield visitor


@pytest.fixture
def far(pages: Pages, flusher: Flusher) -> Iterator[Visitor]:
    """Somebody on another machine, inside TLS."""
    with Visitor(pages, flusher, FAR, secure=True) as visitor:
        yield visitor


# -- the page --


@pytest.mark.parametrize("path", ["/", "/r/ops", "/u/bob,carol", "/s?q=hello", "/?x", "/r"])
def test_the_shell_is_wherever_the_page_shows_something(near: Visitor, path: str) -> None:
    answer = near.get(path)
    base = answer.body.partition(b'src="')[2].partition(b"/main.js")[0].decode()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"
    script = near.get(f"{base}/main.js")
    assert script.body == SCRIPT
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/sw.js", "/favicon.ico"])
def test_what_has_not_changed_is_not_sent_again(near: Visitor, path: str) -> None:
    tag = near.get(path).headers["ETag"]
    again = near.get(path, if_none_match=f'"other", {tag}')
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Content-Security-Policy"]
    assert near.get(path, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [("gzip, br", True), ("br", False), ("gzip;q=0", False), ("*", True), (None, False)],
)
def test_it_is_compressed_for_who_can_read_that(
    near: Visitor, accepts: str | None, packed: bool
) -> None:
    answer = near.get("/", accept_encoding=accepts)
    assert (answer.headers["Content-Encoding"] == "gzip") is packed
    assert (len(answer.body) < 200) is packed
    assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/a/0123/main.js",
        "/r/ops/x",
        "/../etc/passwd",
        "/notes.txt",
        "/.hidden.js",
        "/main.js",
    ],
)
def test_there_is_nothing_else(near: Visitor, path: str) -> None:
    assert near.get(path).status == 404
    base = near.get("/").body.partition(b'src="')[2].partition(b"/main.js")[0].decode()
    for name in ("notes.txt", ".hidden.js", "../chat.db", "", "main.js/"):
        assert near.get(f"{base}/{name}").status == 404


def test_head_is_as_get_without_the_body(near: Visitor) -> None:
    got, head = near.get("/"), near.ask("HEAD", "/")
    assert (head.status, head.body, head.headers["Content-Length"]) == (
        200,
        b"",
        got.headers["Content-Length"],
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/sw.js", "GET, HEAD"),
        ("GET", "/api/login", "POST"),
        ("HEAD", "/api/logout", "POST"),
        ("POST", "/ws", "GET, HEAD"),
        ("OPTIONS", "/api/login", "POST"),
        ("PATCH", "/healthz", "GET, HEAD"),
    ],
)
def test_other_methods_are_not_allowed(near: Visitor, method: str, path: str, allowed: str) -> None:
    answer = near.ask(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/x", "/healthz", "/ws", "/api/login"])
def test_every_answer_has_the_headers_that_keep_others_out(near: Visitor, path: str) -> None:
    headers = near.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["Strict-Transport-Security"] is None
    assert headers["Date"]


@pytest.mark.parametrize("settings", [{"tls": TlsSettings(certificate="x", key="y")}])
def test_with_a_certificate_of_ones_own_only_tls_is_asked_for(near: Visitor) -> None:
    assert near.get("/").headers["Strict-Transport-Security"] == "max-age=31536000"


# -- from where --


def test_plaintext_from_another_machine_is_sent_to_tls_and_gets_nothing_else(
    pages: Pages, flusher: Flusher
) -> None:
    with Visitor(pages, flusher, FAR) as visitor:
        for method, target in (("GET", "/r/ops?x=1"), ("POST", "/api/login"), ("GET", "/ws")):
            answer = visitor.ask(method, target)
            assert (answer.status, answer.body) == (308, b"")
            assert answer.headers["Location"] == f"https://chat.example:4119{target}"
        assert visitor.get("/healthz").status == 200


@pytest.mark.parametrize("settings", [{"server": ServerSettings(allow_plaintext=True)}])
def test_plaintext_from_another_machine_is_served_where_it_is_allowed(
    pages: Pages, flusher: Flusher
) -> None:
    with Visitor(pages, flusher, FAR) as visitor:
        assert visitor.get("/").status == 200


@pytest.mark.parametrize(
    "host", [None, "", "a b", "a/b", "a:b", "a@b", "[::1", "a:123456", "x\x80"]
)
def test_an_odd_host_is_refused(pages: Pages, flusher: Flusher, host: str | None) -> None:
    for address in (NEAR, FAR):
        with Visitor(pages, flusher, address) as visitor:
            assert visitor.get("/", host=host).status == 400


@pytest.mark.parametrize("host", ["chat.example", "127.0.0.1:4119", "[::1]:4119", "a_b-c.D"])
def test_other_hosts_are_not(near: Visitor, host: str) -> None:
    assert near.get("/", host=host).status == 200


@pytest.mark.parametrize("settings", [{"web": WebSettings(hosts=("Chat.example", "[::1]"))}])
def test_where_hosts_are_named_others_are_refused(near: Visitor) -> None:
    hosts = {"chat.example:1": 200, "CHAT.EXAMPLE": 200, "[::1]:2": 200, "evil.example": 421}
    for host, status in hosts.items():
        assert near.get("/", host=host).status == status
    assert near.get("/healthz", host="10.0.0.1").status == 200


PROXIED = [{"web": WebSettings(trusted_proxies=("127.0.0.1", "10.0.0.0/8"))}]


@pytest.mark.parametrize("settings", PROXIED)
def test_a_trusted_proxy_says_who_asks_and_how(
    pages: Pages, flusher: Flusher, caplog: pytest.LogCaptureFixture
) -> None:
    admitted: list[str] = []
    through = {"x_forwarded_for": f"203.0.113.1, {FAR}, 10.1.1.1", "x_forwarded_proto": "https"}

    def admit(address: str) -> bool:
        admitted.append(address)
        return True

    with Visitor(pages, flusher, admit=admit) as visitor:
        visitor.origin = "https://chat.example:4119"
        plain = visitor.get("/", x_forwarded_for=FAR, x_forwarded_proto="http")
        assert plain.status == 308
        logged_in = visitor.log_in(**through)
        assert logged_in.cookie.startswith("__Host-chat-")
        assert visitor.log_in(password="wrong", **through).status == 401
        assert f"login failed: address={FAR}" in caplog.text
        assert visitor.enter(logged_in.cookie, **through).status == 101
        entered = visitor.entered()
    assert admitted == [FAR]
    assert entered is not None
    assert (entered.stream.address, entered.stream.security) == (FAR, "TLS up to a proxy")


def test_nobody_else_is_believed(pages: Pages, flusher: Flusher) -> None:
    with Visitor(pages, flusher, FAR) as visitor:
        assert visitor.get("/", x_forwarded_for=NEAR, x_forwarded_proto="https").status == 308


# -- who it is --


def test_a_login_gives_a_cookie_that_enters_and_a_logout_takes_it_back(
    near: Visitor, server: Server, pages: Pages, flusher: Flusher
) -> None:
    answer = near.log_in(user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    assert (answer.status, answer.body) == (204, b"")
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == "chat-0123456789ab"
    assert rest.partition("; ")[2] == "Path=/; Max-Age=15552000; HttpOnly; SameSite=Strict"
    (device,) = server.devices.of(server.account_id("alice"))
    assert (device.address, device.client) == (NEAR, "Firefox on Linux")
    with Visitor(pages, flusher) as other:
        assert other.enter(f"a=b; {answer.cookie}; c").status == 101
        entered = other.entered()
        assert entered is not None
        assert entered.device == device.token
    out = near.ask("POST", "/api/logout", cookie=answer.cookie)
    assert (out.status, "Max-Age=0" in out.headers["Set-Cookie"]) == (204, True)
    assert near.enter(answer.cookie).status == 401
    assert near.ask("POST", "/api/logout", cookie=answer.cookie).status == 204


def test_a_page_can_ask_who_it_is_logged_in_as(near: Visitor) -> None:
    assert near.get("/api/session").json == {"name": None}
    assert near.get("/api/session", cookie=near.log_in().cookie).json == {"name": "alice"}


def test_inside_tls_the_cookie_is_for_tls_alone(far: Visitor) -> None:
    answer = far.log_in()
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == "__Host-chat-0123456789ab"
    assert rest.partition("; ")[2] == "Path=/; Max-Age=15552000; HttpOnly; Secure; SameSite=Strict"
    assert far.enter(answer.cookie.removeprefix("__Host-")).status == 401
    assert far.enter(answer.cookie).status == 101


def test_a_wrong_password_is_counted_as_everywhere(near: Visitor, server: Server) -> None:
    for left in (2, 1):
        answer = near.log_in(password="wrong")
        assert (answer.status, answer.json["attempts_left"]) == (401, left)
        assert answer.json["code"] == "bad_credentials"
    assert near.log_in(password="wrong").headers["Retry-After"] == "60"
    answer = near.log_in()
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (
        429,
        "locked_out",
        "60",
    )
    assert near.log_in("bob").status == 204


def test_an_account_gets_twenty_sessions_an_hour(near: Visitor) -> None:
    assert [near.log_in().status for _ in range(21)] == [204] * 20 + [429]
    assert near.log_in("bob").status == 204


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name":"alice","password":"correct horse"}', "text/plain", 415),
        (b"name=alice&password=correct+horse", "application/x-www-form-urlencoded", 415),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"name":"alice"}', "application/json", 400),
        (b'{"name":"alice","password":7}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 16_000, "application/json", 400),
    ],
)
def test_what_is_no_login_is_refused(near: Visitor, body: bytes, kind: str, status: int) -> None:
    answer = near.ask("POST", "/api/login", body, content_type=kind)
    assert answer.status == status
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "https://chat.example:4119", "http://chat.example",
     "http://chat.example:4119.evil.example", "http://chat.example:4119/"],
)  # fmt: skip
def test_nothing_is_done_for_another_page(
    near: Visitor, server: Server, origin: str | None
) -> None:
    cookie = near.log_in().cookie
    assert near.log_in(origin=origin).status == 403
    assert near.ask("POST", "/api/logout", cookie=cookie, origin=origin).status == 403
    assert near.enter(cookie, origin=origin).status == 403
    assert len(server.devices.of(server.account_id("alice"))) == 1
    assert near.enter(cookie).status == 101


@pytest.mark.parametrize("settings", [{"web": WebSettings(origins=("https://Other.example",))}])
def test_a_page_that_is_named_may(near: Visitor) -> None:
    assert near.log_in(origin="https://other.example").status == 204
    assert near.log_in(origin="https://others.example").status == 403


@pytest.mark.parametrize("cookie", [None, "", "chat-0123456789ab", "chat-0123456789ab=x", "a=b; ;"])
def test_nobody_enters_without_a_token(near: Visitor, cookie: str | None) -> None:
    assert near.enter(cookie).status == 401


def test_whose_password_was_changed_enters_no_more(near: Visitor, server: Server) -> None:
    cookie = near.log_in().cookie
    server.put("alice", server.passwords.hash("another horse"))
    assert near.enter(cookie).status == 401


def test_what_is_no_handshake_is_refused_and_the_connection_goes_on(near: Visitor) -> None:
    cookie = near.log_in().cookie
    assert near.get("/ws", cookie=cookie).status == 426
    assert near.enter(cookie, sec_websocket_version="8").status == 400
    assert near.ask("HEAD", "/ws", cookie=cookie, **UPGRADE).status == 405
    assert near.get("/").status == 200


def test_a_handshake_in_http_1_0_is_none(near: Visitor) -> None:
    cookie = near.log_in().cookie
    lines = {"host": near.host, "origin": near.origin, "cookie": cookie, **UPGRADE}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    near.far.sendall(f"GET /ws HTTP/1.0\r\n{head}\r\n".encode())
    assert Answered(near.far, "GET").status == 505
    assert near.entered() is None


def test_a_handshake_with_a_body_and_a_frame_behind_it(near: Visitor) -> None:
    cookie = near.log_in().cookie
    data = b"abc" + frame(b'{"op":"who"}')
    answer = near.ask("GET", "/ws", data, cookie=cookie, content_length="3", **UPGRADE)
    assert answer.status == 101
    entered = near.entered()
    assert entered is not None
    assert entered.stream.receive() == b'{"op":"who"}\n'


def test_where_there_is_no_room_it_is_said_and_the_page_is_still_there(
    pages: Pages, flusher: Flusher
) -> None:
    with Visitor(pages, flusher, admit=lambda _: False) as visitor:
        answer = visitor.enter(visitor.log_in().cookie)
        assert (answer.status, answer.json["code"]) == (503, "server_full")
        assert answer.headers["Retry-After"] == "30"
        assert visitor.get("/").status == 200


# -- when something fails --


def test_health_is_that_of_the_log(
    near: Visitor, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (near.get("/healthz").status, near.get("/healthz").body) == (200, b"ok\n")
    monkeypatch.setattr(module, "_HEALTH_SECONDS", 0.01)
    with server.paused():
        threading.Event().wait(0.02)
        assert near.get("/healthz").status == 503
    monkeypatch.setattr(module, "_HEALTH_SECONDS", DEADLINE)
    near_again = near.get("/healthz")
    assert near_again.status == 200


def test_a_bug_is_answered_and_logged(
    near: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Devices, "make", raising(RuntimeError("a bug")))
    assert near.log_in().status == 500
    assert "a request by HTTP failed" in caplog.text
    assert near.get("/").status == 200


def test_an_error_of_the_order_is_503(near: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Devices, "make", raising(_INTERNAL))
    assert near.log_in().status == 503


def test_who_goes_in_the_middle_leaves_nothing_behind(pages: Pages, flusher: Flusher) -> None:
    for data in (b"", b"GET", b"GET / HTTP/1.1\r\n", b"POST /api/login HTTP/1.1\r\nHost: a\r\n"
                 b"Content-Length: 9\r\n\r\nabc"):  # fmt: skip
        with Visitor(pages, flusher) as visitor:
            visitor.far.sendall(data)
            visitor.far.close()
            assert visitor.entered() is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18) Version/18 Mobile Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15.0) Firefox/140.0", "Firefox on macOS"),
        ("curl/8", "a browser"),
    ],
)  # fmt: skip
def test_a_browser_has_a_name_that_people_know(said: str, shown: str) -> None:
    assert browser(said) == shown
