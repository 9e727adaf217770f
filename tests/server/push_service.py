"""A push service over TLS on this machine, and a browser that it reaches."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from scoped import Scoped

from chatserver.net.certificate import ensure_certificate
from chatserver.net.webpush import encoded, public_bytes

DEADLINE = 10.0


class Pushed(NamedTuple):
    """A request that the service has got."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A browser's half: keys, and what it makes of a push, by RFC 8291 and nothing of ours."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = bytes(range(16))
        self.keys = {"p256dh": encoded(public_bytes(self._key)), "auth": encoded(self._secret)}

    def read(self, body: bytes) -> dict[str, Any]:
        """Decrypt a push. Raises InvalidTag for one that is for somebody else."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        theirs, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        info = b"WebPush: info\0" + public_bytes(self._key) + theirs
        material = _hkdf(self._secret, info, 32, self._key.exchange(ec.ECDH(), point))
        key = _hkdf(salt, b"Content-Encoding: aes128gcm\0", 16, material)
        nonce = _hkdf(salt, b"Content-Encoding: nonce\0", 12, material)
        said = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        assert said[-1:] == b"\x02"
        return dict(msgspec.json.decode(said[:-1]))


def _hkdf(salt: bytes, info: bytes, length: int, material: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with a status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class PushService(Scoped):
    """Answers each request with what is next in `answers`, and 201 after those."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[Answer] = []
        self.got: Queue[Pushed] = Queue()
        self.certificate, key = ensure_certificate(folder)
        self.hanging = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = service.answers.pop(0) if service.answers else status(201)
                service.got.put(Pushed(self.path, dict(self.headers), body))
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where a device is reached by it."""
        return f"https://127.0.0.1:{self._server.server_port}/to/device"

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts it, and nobody else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def next(self) -> Pushed:
        """Wait for a request."""
        return self.got.get(timeout=DEADLINE)

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Be an answer that does not come."""
        self.hanging.wait(DEADLINE)

    def begin(self) -> None:
        self._thread.start()

    def end(self, _: BaseException | None) -> None:
        self.hanging.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE)
