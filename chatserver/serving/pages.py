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
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from chatserver.errors import CommandError, Disconnected
from chatserver.net.flusher import Flusher
from chatserver.net.http import PLAIN, Headers, HttpConversation, Request, Response
from chatserver.net.proxies import Proxies
from chatserver.net.ratelimit import TokenBucket, TokenBuckets
from chatserver.net.server import Admit
from chatserver.net.stream import UP_TO_PROXY, Stream
from chatserver.net.websocket import WebSocketStream, handshake
from chatserver.order.devices import Known
from chatserver.order.items import Purged
from chatserver.order.outcome import Outcome
from chatserver.order.pending import Waiter
from chatserver.services import Services
from chatserver.serving.assets import Asset, Assets
from chatserver.serving.browser import browser
from chatserver.serving.push import Push
from chatserver.serving.trust import PATHS, TrustPages
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
    """A request, and from where it came: which a proxy that is trusted says."""

    conversation: HttpConversation
    admit: Admit
    request: Request
    address: str
    secure: bool

    def header(self, name: str) -> str:
        """Return a header of the request, or nothing."""
        return self.request.headers.get(name, "")


Answer: TypeAlias = Response | Entered
Endpoint: TypeAlias = Callable[["Pages", Visit], Answer]


class Pages:
    """The endpoints. Each is carried out in the handler thread of whoever asks."""

    def __init__(
        self,
        services: Services,
        server_id: str,
        assets: Assets,
        authority: Path | None = None,
        push: Push | None = None,
    ) -> None:
        """`server_id` tells this server's cookies from those of another on the same machine;
        `authority` is where the certificate of one is, once there is one; `push` wakes browsers."""
        self._push = push
        self._services = services
        self._settings = services.settings.web
        self._assets = assets
        self._trust = TrustPages(authority, assets)
        self._proxies = Proxies(self._settings.trusted_proxies)
        self._cookie = f"chat-{server_id[:12]}"
        self._new_sessions = TokenBuckets(_SESSIONS_AN_HOUR / 3600, _SESSIONS_AN_HOUR)
        self._healthy_at = float("-inf")
        # Where people have to accept our own certificate, it would take the button for that away.
        self._headers = (*_HEADERS, *((_TRANSPORT,) if services.settings.tls.certificate else ()))

    def serve(self, stream: Stream, first: bytes, admit: Admit, flusher: Flusher) -> Entered | None:
        """Answer requests; return where one of them leads into the chat."""
        conversation = HttpConversation(stream, first, flusher.watch, self._headers)
        limits = self._services.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst)
        try:
            for request in conversation.requests():
                time.sleep(min(bucket.take(1), _MOST_REST_SECONDS))
                visit = self._visit(conversation, admit, request)
                answer = self._answer(visit)
                if isinstance(answer, Entered):
                    return answer
                conversation.respond(answer)
                _log.debug("http: address=%s %s %d", visit.address, request.method, answer.status)
        except Disconnected as error:
            _log.debug("http: address=%s: %s", stream.address, error.reason)
        finally:
            flusher.forget(conversation)
        return None

    def _visit(self, conversation: HttpConversation, admit: Admit, request: Request) -> Visit:
        stream = conversation.stream
        address, scheme = stream.address, "http" if stream.security == "plaintext" else "https"
        if self._proxies.trusts(address):
            address = self._proxies.origin(address, request.headers.get("x-forwarded-for", ""))
            scheme = request.headers.get("x-forwarded-proto", scheme).lower()
        return Visit(conversation, admit, request, address, scheme == "https")

    def _answer(self, visit: Visit) -> Answer:
        """Return what a request is answered with; whatever fails, it is answered."""
        try:
            if visit.request.path == "/healthz":  # for whoever asks, by whatever name
                return self._route(visit)
            host, target = visit.header("host"), visit.request.target
            if not _HOST.fullmatch(host) or not target.startswith("/"):
                return _said(400, "That is no address of this server.")
            if not (
                visit.secure
                or visit.request.path in PATHS  # what is there is public, and says why
                or self._services.settings.server.allow_plaintext
                or is_loopback(visit.address)
            ):
                return Response(308, headers=(("Location", f"https://{host}{target}"),))
            if self._settings.hosts and _without_port(host) not in _lower(self._settings.hosts):
                return _said(421, "This server is not called that.")
            return self._route(visit)
        except CommandError as error:
            return _refused(error)
        except Disconnected:
            raise
        except Exception:
            _log.exception("a request by HTTP failed")
            return _said(500, "Something went wrong on the server.")

    def _route(self, visit: Visit) -> Answer:
        method, path = visit.request.method, visit.request.path
        endpoints = _ENDPOINTS.get(path)
        if endpoints is None:
            return self._file(visit.request)
        endpoint = endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            return _not_so(*endpoints)
        if (path == "/ws" or method not in ("GET", "HEAD")) and not self._is_own_origin(visit):
            return _said(403, "That came from another page.")
        return endpoint(self, visit)

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

    def _authority(self, visit: Visit) -> Response:
        """Return the certificate of the authority, or how to install it."""
        found = self._trust.get(visit.request.path)
        if found is None:
            return _said(404, "There is nothing to install: this server has no authority.")
        return _sent(found, visit.request, _ASK_AGAIN)

    def _health(self, _: Visit) -> Response:
        """Tell whether what people say is written; the log is asked once a second at most."""
        now = time.monotonic()
        if now - self._healthy_at > _HEALTH_SECONDS:
            waiter = Waiter()
            self._services.order.append(Purged(at=self._services.clock.now(), seqs=()), waiter)
            if not isinstance(waiter.wait(_HEALTH_SECONDS), Outcome):
                return _said(503, "The log does not answer.")
            self._healthy_at = now
        return _said(200, "ok")

    # -- who it is --

    def _login(self, visit: Visit) -> Response:
        """Check a name and a password, and give the browser a token for them."""
        if visit.header("content-type").partition(";")[0].strip().lower() != "application/json":
            return _said(415, "Send the name and the password as application/json.")
        try:
            given = msgspec.json.decode(visit.request.body, type=_Login)
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
        token = services.devices.make(account, visit.address, browser(visit.header("user-agent")))
        _log.info("logged in: address=%s account=%s by=web", visit.address, account.name)
        return Response(204, headers=(self._set_cookie(visit, token, _DEVICE_SECONDS),))

    def _session(self, visit: Visit) -> Response:
        """Say who the browser is logged in as: it tells no script why a WebSocket was refused."""
        device = self._device(visit)
        name = None if device is None else device.name
        headers = (("Content-Type", "application/json"), _KEEP_NOTHING)
        return Response(200, msgspec.json.encode({"name": name}), headers)

    def _logout(self, visit: Visit) -> Response:
        """End the token, and what is connected by it."""
        device = self._device(visit)
        if device is not None:
            self._services.devices.end(device.account, device.number)
        return Response(204, headers=(self._set_cookie(visit, "", 0),))

    # -- push --

    def _push_key(self, _: Visit) -> Response:
        """Say by which key browsers know this server, or that it pushes nothing."""
        key = None if self._push is None else self._push.public_key()
        headers = (("Content-Type", "application/json"), _KEEP_NOTHING)
        return Response(200, msgspec.json.encode({"key": key}), headers)

    def _subscribe(self, visit: Visit) -> Response:
        """Have this device be told of messages while it is not here."""
        device = self._device(visit)
        if device is None:
            return _said(401, "Log in first.")
        if self._push is None:
            return _said(404, "This server pushes nothing.")
        self._push.subscribe(device, visit.request.body, visit.request.headers["origin"])
        return Response(204)

    def _unsubscribe(self, visit: Visit) -> Response:
        """Have it not be told any more."""
        device = self._device(visit)
        if device is not None and self._push is not None:
            self._push.unsubscribe(device)
        return Response(204)

    # -- the way in --

    def _enter(self, visit: Visit) -> Answer:
        """Open the WebSocket."""
        conversation = visit.conversation
        device = self._device(visit)
        if device is None:
            return _said(401, "Log in first.")
        answer = handshake(visit.request)
        if answer.status != 101:
            return Response(answer.status, answer.text, (*PLAIN, *answer.headers))
        if not visit.admit(visit.address):
            error = CommandError(
                "server_full", "The server is full; try again later.", retry_after=30
            )
            return _refused(error)
        first = conversation.upgrade(answer.headers)
        limit = self._services.settings.message.max_line_bytes
        stream = WebSocketStream(conversation.stream, limit, first)
        stream.address = visit.address
        if visit.secure and stream.security == "plaintext":
            stream.security = UP_TO_PROXY
        return Entered(stream, device.token)

    def _is_own_origin(self, visit: Visit) -> bool:
        """Tell whether a request comes from our own page: no other may use its cookie."""
        origin = visit.header("origin").lower()
        scheme = "https" if visit.secure else "http"
        own = f"{scheme}://{visit.header('host')}".lower()
        return origin == own or origin in _lower(self._settings.origins)

    def _device(self, visit: Visit) -> Known | None:
        """Return the device whose token is in the cookie."""
        wanted = self._cookie_name(visit)
        for each in visit.header("cookie").split(";"):
            name, _, value = each.strip().partition("=")
            if name == wanted:
                return self._services.devices.find(value)
        return None

    def _cookie_name(self, visit: Visit) -> str:
        return f"__Host-{self._cookie}" if visit.secure else self._cookie

    def _set_cookie(self, visit: Visit, token: str, seconds: int) -> tuple[str, str]:
        secure = " Secure;" if visit.secure else ""
        return (
            "Set-Cookie",
            f"{self._cookie_name(visit)}={token}; Path=/; Max-Age={seconds}; HttpOnly;{secure}"
            " SameSite=Strict",
        )


_ENDPOINTS: Final[dict[str, dict[str, Endpoint]]] = {
    "/healthz": {"GET": Pages._health},
    **{path: {"GET": Pages._authority} for path in PATHS},
    "/ws": {"GET": Pages._enter},
    "/api/session": {"GET": Pages._session},
    "/api/login": {"POST": Pages._login},
    "/api/logout": {"POST": Pages._logout},
    "/api/push": {
        "GET": Pages._push_key,
        "PUT": Pages._subscribe,
        "DELETE": Pages._unsubscribe,
    },
}
"""What is not a file: by path and method, where HEAD is as GET."""


def _sent(asset: Asset, request: Request, cache: tuple[str, str]) -> Response:
    """Return a file as it is asked for: compressed or not, or that it has not changed."""
    headers: Headers = (
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


def _refused(error: CommandError) -> Response:
    """Return an error as JSON, with the fields that it has in the chat."""
    fields: dict[str, object] = {"code": error.code, "text": error.text}
    headers: Headers = (("Content-Type", "application/json"), _KEEP_NOTHING)
    if error.attempts_left is not None:
        fields["attempts_left"] = error.attempts_left
    if error.retry_after is not None:
        fields["retry_after"] = error.retry_after
        headers = (*headers, ("Retry-After", str(error.retry_after)))
    return Response(_STATUS.get(error.code, 503), msgspec.json.encode(fields), headers)


def _lower(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each.lower() for each in texts)


def _without_port(host: str) -> str:
    return re.sub(r":\d*$", "", host).lower()
