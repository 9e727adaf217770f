"""What the server answers to a browser: the page, its login, and the way into the chat.

There is one table of what is where. Nothing here is made for one reader: the page is the same for
everybody, and what people say goes by the WebSocket alone.
"""

import logging
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from math import ceil
from typing import Final, NamedTuple, TypeAlias

import msgspec

from chatserver.errors import CommandError, Disconnected
from chatserver.net.flusher import Flusher
from chatserver.net.http import PLAIN, HttpConversation, Request, Response
from chatserver.net.ratelimit import TokenBucket, TokenBuckets
from chatserver.net.stream import Stream
from chatserver.net.websocket import WebSocketStream, handshake
from chatserver.order.devices import Known
from chatserver.order.items import Purged
from chatserver.order.pending import Waiter
from chatserver.services import Services
from chatserver.serving.assets import Asset, Assets
from chatserver.serving.browser import browser
from chatwire.loopback import is_loopback
from chatwire.names import fold

_log = logging.getLogger(__name__)

_HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; trusted-types chat;"
        " require-trusted-types-for 'script'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(),"
        " fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(),"
        " payment=(), picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(),"
        " usb=(), xr-spatial-tracking=()",
    ),
)
_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=31536000")
_NEVER_CHANGES: Final = ("Cache-Control", "public, max-age=31536000, immutable")
_ASK_AGAIN: Final = ("Cache-Control", "no-cache")
_KEEP_NOTHING: Final = ("Cache-Control", "no-store")

_AT_THE_ROOT: Final = {
    "/sw.js": "sw.js",
    "/app.webmanifest": "app.webmanifest",
    "/favicon.ico": "icon.svg",
}
_VIEWS: Final = re.compile(r"/(?:[rus](?:/[^/]*)?)?")
"""Where the page shows something: it finds its own way."""

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")

_SESSIONS_AN_HOUR: Final = 20
_DEVICE_SECONDS: Final = 180 * 86_400
_HEALTH_SECONDS: Final = 1.0
_MOST_REST_SECONDS: Final = 1.0

_STATUS: Final = {"bad_request": 400, "bad_credentials": 401, "locked_out": 429, "try_later": 429}


class _Login(msgspec.Struct):
    name: str
    password: str


class Entered(NamedTuple):
    """Somebody who has come in by HTTP: the stream inside the WebSocket, and the digest of his
    token."""

    stream: WebSocketStream
    device: str


class Visit(NamedTuple):
    """One connection of a browser, and how it is admitted as a client, if it becomes one."""

    conversation: HttpConversation
    address: str
    secure: bool
    admit: Callable[[], bool]


Answer: TypeAlias = Response | Entered
Endpoint: TypeAlias = Callable[["Pages", Visit, Request], Answer]


class Pages:
    """The endpoints. Each is carried out in the handler thread of whoever asks."""

    def __init__(self, services: Services, server_id: str, assets: Assets) -> None:
        """`server_id` tells this server's cookies from those of another on the same machine."""
        self._services = services
        self._assets = assets
        self._cookie = f"chat-{server_id[:12]}"
        self._new_sessions = TokenBuckets(_SESSIONS_AN_HOUR / 3600, _SESSIONS_AN_HOUR)
        self._healthy_at = float("-inf")
        own = () if not services.settings.tls.certificate else (_TRANSPORT,)
        # Where people have to accept our own certificate, it would take the button for that away.
        self._headers = (*_HEADERS, *own)

    def serve(
        self, stream: Stream, first: bytes, admit: Callable[[], bool], flusher: Flusher
    ) -> Entered | None:
        """Answer requests; return where one of them leads into the chat. Raises Disconnected."""
        conversation = HttpConversation(stream, first, flusher.watch)
        limits = self._services.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst)
        secure = stream.security != "plaintext"
        visit = Visit(conversation, stream.address, secure, admit)
        try:
            for request in conversation.requests():
                time.sleep(min(bucket.take(1), _MOST_REST_SECONDS))
                answer = self._answer(visit, request)
                if isinstance(answer, Entered):
                    return answer
                conversation.respond(answer._replace(headers=(*answer.headers, *self._headers)))
                _log.debug("http: address=%s %s %s", visit.address, request.method, answer.status)
        finally:
            flusher.forget(conversation)
        return None

    def _answer(self, visit: Visit, request: Request) -> Answer:
        """Return what a request is answered with; whatever fails, it is answered."""
        try:
            host = request.headers.get("host", "")
            if not _HOST.fullmatch(host) or not request.target.startswith("/"):
                return _said(400, "That is no address of this server.")
            if not (visit.secure or self._services.settings.server.allow_plaintext) and (
                not is_loopback(visit.address)
            ):
                return Response(308, headers=(("Location", f"https://{host}{request.target}"),))
            hosts = self._services.settings.web.hosts
            if hosts and _without_port(host) not in map(str.lower, hosts):
                return _said(421, "This server is not called that.")
            return self._route(visit, request)
        except CommandError as error:
            return _refused(error)
        except Disconnected:
            raise
        except Exception:
            _log.exception("a request by HTTP failed")
            return _said(500, "Something went wrong on the server.")

    def _route(self, visit: Visit, request: Request) -> Answer:
        endpoints = _ENDPOINTS.get(request.path)
        if endpoints is None:
            return self._file(request)
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = endpoints.get(method)
        if endpoint is None:
            return _not_so(*endpoints)
        if method != "GET" and not self._is_own_origin(visit, request):
            return _said(403, "That came from another page.")
        return endpoint(self, visit, request)

    # -- the page --

    def _file(self, request: Request) -> Response:
        """Return a file of the page."""
        path, cache = request.path, _ASK_AGAIN
        name = _AT_THE_ROOT.get(path, "index.html" if _VIEWS.fullmatch(path) else "")
        if path.startswith(f"{self._assets.base}/"):
            name, cache = path.removeprefix(f"{self._assets.base}/"), _NEVER_CHANGES
        asset = self._assets.get(name)
        if asset is None:
            return _said(404, "There is nothing here.")
        if request.method not in ("GET", "HEAD"):
            return _not_so("GET")
        return _sent(asset, request, cache)

    def _health(self, _: Visit, __: Request) -> Response:
        """Tell whether what people say is written; asked of the log once a second at most."""
        now = time.monotonic()
        if now - self._healthy_at > _HEALTH_SECONDS:
            waiter = Waiter()
            self._services.order.append(Purged(at=self._services.clock.now(), seqs=()), waiter)
            if waiter.wait(_HEALTH_SECONDS) is None:
                return _said(503, "The log does not answer.")
            self._healthy_at = now
        return _said(200, "ok")

    # -- who it is --

    def _login(self, visit: Visit, request: Request) -> Response:
        """Check a name and a password, and give the browser a token for them."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return _said(415, "Send the name and the password as application/json.")
        try:
            given = msgspec.json.decode(request.body, type=_Login)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise CommandError("bad_request", "Send a name and a password.") from None
        services = self._services
        account = services.authenticator.authenticate(
            given.name, given.password, visit.address, visit.conversation.check_is_there
        )
        rate = self._new_sessions.of(fold(account.name))
        wait = ceil(rate.wait_for(1))
        if wait:
            raise CommandError(
                "try_later",
                f"This account has logged in too often; try again in {wait} seconds.",
                retry_after=wait,
            )
        rate.take(1)
        token = services.devices.make(
            account, visit.address, browser(request.headers.get("user-agent", ""))
        )
        _log.info("logged in: address=%s account=%s by=web", visit.address, account.name)
        return Response(204, headers=(self._cookie_header(visit, token, _DEVICE_SECONDS),))

    def _session(self, visit: Visit, request: Request) -> Response:
        """Say who the browser is logged in as: it tells no script why a WebSocket was refused."""
        device = self._device(visit, request)
        name = None if device is None else device.name
        headers = (("Content-Type", "application/json"), _KEEP_NOTHING)
        return Response(200, msgspec.json.encode({"name": name}), headers)

    def _logout(self, visit: Visit, request: Request) -> Response:
        """End the token, and what is connected by it."""
        device = self._device(visit, request)
        if device is not None:
            self._services.devices.end(device.account, device.number)
        return Response(204, headers=(self._cookie_header(visit, "", 0),))

    def _enter(self, visit: Visit, request: Request) -> Answer:
        """Open the WebSocket."""
        if request.method == "HEAD":
            return _not_so("GET")
        if not self._is_own_origin(visit, request):
            return _said(403, "That came from another page.")
        device = self._device(visit, request)
        if device is None:
            return _said(401, "Log in first.")
        answer = handshake(request.path, request.headers)
        if answer.status != 101:
            return Response(answer.status, answer.text, (*PLAIN, *answer.headers))
        if not visit.admit():
            error = CommandError("server_full", "The server is full; try again later.")
            return _refused(error, 503, ("Retry-After", "30"))
        conversation = visit.conversation
        first = conversation.upgrade(answer.headers)
        limit = self._services.settings.message.max_line_bytes
        stream = WebSocketStream(conversation.stream, limit, first)
        return Entered(stream, device.token)

    def _is_own_origin(self, visit: Visit, request: Request) -> bool:
        """Tell whether a request comes from our own page: no other may use its cookie."""
        origin = request.headers.get("origin", "").lower()
        scheme = "https" if visit.secure else "http"
        own = f"{scheme}://{request.headers['host']}".lower()
        return origin == own or origin in map(str.lower, self._services.settings.web.origins)

    def _device(self, visit: Visit, request: Request) -> Known | None:
        token = self._token(visit, request)
        return self._services.devices.find(token) if token else None

    def _token(self, visit: Visit, request: Request) -> str:
        """Return the token in the cookie, or nothing."""
        name = self._cookie_name(visit)
        for each in request.headers.get("cookie", "").split(";"):
            key, _, value = each.strip().partition("=")
            if key == name:
                return value
        return ""

    def _cookie_name(self, visit: Visit) -> str:
        return f"__Host-{self._cookie}" if visit.secure else self._cookie

    def _cookie_header(self, visit: Visit, token: str, seconds: int) -> tuple[str, str]:
        secure = " Secure;" if visit.secure else ""
        return (
            "Set-Cookie",
            f"{self._cookie_name(visit)}={token}; Path=/; Max-Age={seconds}; HttpOnly;{secure}"
            " SameSite=Strict",
        )


_ENDPOINTS: Final[dict[str, dict[str, Endpoint]]] = {
    "/healthz": {"GET": Pages._health},
    "/ws": {"GET": Pages._enter},
    "/api/session": {"GET": Pages._session},
    "/api/login": {"POST": Pages._login},
    "/api/logout": {"POST": Pages._logout},
}
"""What is not a file: by path and method, where HEAD is as GET."""


def _sent(asset: Asset, request: Request, cache: tuple[str, str]) -> Response:
    """Return a file as it is asked for: compressed or not, or that it has not changed."""
    headers: tuple[tuple[str, str], ...] = (
        cache,
        ("ETag", asset.tag),
        ("Vary", "Accept-Encoding"),
    )
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(304, headers=headers)
    headers = (*headers, ("Content-Type", asset.kind))
    if asset.packed and _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(200, asset.packed, (*headers, ("Content-Encoding", "gzip")))
    return Response(200, asset.data, headers)


def _takes_gzip(accepted: str) -> bool:
    """Tell whether gzip is accepted, and not with a quality of nothing."""
    for each in accepted.lower().split(","):
        coding, _, quality = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", quality)
    return False


def _said(status: int, text: str) -> Response:
    return Response(status, f"{text}\n".encode(), (*PLAIN, _KEEP_NOTHING))


def _not_so(*methods: str) -> Response:
    """Return that a path has other methods."""
    allowed = [
        each for method in methods for each in (("GET", "HEAD") if method == "GET" else (method,))
    ]
    answer = _said(HTTPStatus.METHOD_NOT_ALLOWED, "That cannot be done here.")
    return answer._replace(headers=(*answer.headers, ("Allow", ", ".join(allowed))))


def _refused(error: CommandError, status: int = 0, *headers: tuple[str, str]) -> Response:
    """Return an error as JSON, with the fields that it has in the chat."""
    body = {"code": error.code, "text": error.text}
    fields: dict[str, object] = dict(body)
    if error.attempts_left is not None:
        fields["attempts_left"] = error.attempts_left
    if error.retry_after is not None:
        fields["retry_after"] = error.retry_after
        headers = (*headers, ("Retry-After", str(error.retry_after)))
    return Response(
        status or _STATUS.get(error.code, 503),
        msgspec.json.encode(fields),
        (("Content-Type", "application/json"), _KEEP_NOTHING, *headers),
    )


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host).lower()
