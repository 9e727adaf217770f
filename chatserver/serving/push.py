"""Web Push: messages for devices that are not here, through the push services of their browsers.

One thread sends, one after the other. What waits for it is bounded, and the oldest goes first: a
push only says that there is something, and nothing is lost with it.
"""

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chatserver.errors import CommandError
from chatserver.net.outward import Answer, Target, post, target_of
from chatserver.order.alerts import Alert
from chatserver.order.clock import Clock
from chatserver.order.devices import Known
from chatserver.order.items import Subscribed, Unsubscribed
from chatserver.order.order import Order
from chatserver.order.outcome import Refused
from chatserver.settings import WebSettings
from chatserver.system.processors import roaming

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_log = logging.getLogger(__name__)

FILE_NAME: Final = "push.pem"

_MOST_WAITING: Final = 1000
_MOST_RESTING: Final = 1000
_MOST_CHARACTERS: Final = 200
_MOST_QUIET: Final = 200
_SECONDS: Final = 5.0
"""For one request in all."""
_REST_SECONDS: Final = 60
_MOST_REST_SECONDS: Final = 600
_LIFE_SECONDS: Final = 86_400
"""How long a push service keeps what it cannot deliver yet."""
_LATE_SECONDS: Final = 3600
"""How long we do, while it does not answer."""
_STOP_SECONDS: Final = 1.0


class _Keys(Struct, frozen=True):
    p256dh: str
    auth: str


class _Subscription(Struct, frozen=True):
    """What a browser says of where it is reached, and which conversations are to be quiet."""

    endpoint: str
    keys: _Keys
    quiet: tuple[str, ...] = ()


class _Ways(Struct, frozen=True):
    """What is kept of that beside the endpoint: `contact` is where the page came from."""

    p256dh: str
    auth: str
    contact: str
    quiet: tuple[str, ...]


class _Job(Struct, frozen=True):
    """An alert that waits: until it is `due`, and until it is too `late` for it."""

    alert: Alert
    late: float
    due: float = 0.0
    again: bool = False


class Push:
    """The push thread, and what the pages need to know of it. Any thread may ask."""

    def __init__(
        self,
        data: Path,
        settings: WebSettings,
        order: Order,
        clock: Clock,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`context` makes what decides whom to trust: those that the system trusts."""
        self._path = data / FILE_NAME
        self._settings = settings
        self._order = order
        self._clock = clock
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._monotonic = monotonic
        self._key: EllipticCurvePrivateKey | None = None
        self._making = threading.Lock()
        self._changed = threading.Condition(threading.Lock())
        self._jobs: deque[_Job] = deque(maxlen=_MOST_WAITING)
        self._stopped = False
        self._resting: dict[str, float] = {}  # the push thread's: until when
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a request that is under way is not waited for long."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(_STOP_SECONDS)

    def post(self, alert: Alert) -> None:
        """Have an alert sent, which costs the log thread no more than this."""
        self._put(_Job(alert, self._monotonic() + _LATE_SECONDS))

    # -- for the pages --

    def public_key(self) -> str:
        """Return the key that browsers know this server by, made at the first use.

        Raises CommandError where it can be neither read nor made.
        """
        from chatserver.net.webpush import encoded, public_bytes  # noqa: PLC0415

        try:
            return encoded(public_bytes(self._own_key()))
        except (OSError, ValueError) as error:
            _log.error("%s cannot be used: %s", self._path, error)
            raise CommandError("internal", "The server has no key for pushes.") from error

    def subscribe(self, device: Known, body: bytes, origin: str) -> None:
        """Have a device be reached as its browser says. Raises CommandError."""
        from chatserver.net.webpush import receiver  # noqa: PLC0415

        try:
            given = msgspec.json.decode(body, type=_Subscription)
            target_of(given.endpoint, private=self._settings.push_to_private)
            receiver(given.keys.p256dh, given.keys.auth)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise CommandError(
                "bad_request", "Send the subscription that the browser has made."
            ) from None
        contact = origin if origin.startswith("https://") else ""
        quiet = given.quiet[:_MOST_QUIET]
        ways = _Ways(given.keys.p256dh, given.keys.auth, contact, quiet)
        push = msgspec.json.encode(ways).decode()
        if (device.endpoint, device.push) != (given.endpoint, push):
            self._run_item(
                Subscribed(
                    at=self._clock.now(), token=device.token, endpoint=given.endpoint, push=push
                )
            )

    def unsubscribe(self, device: Known) -> None:
        """Have a device be reached no more. Raises CommandError."""
        if device.endpoint:
            self._run_item(Unsubscribed(at=self._clock.now(), endpoint=device.endpoint))

    def _run_item(self, item: Subscribed | Unsubscribed) -> None:
        outcome = self._order.run(item)
        if isinstance(outcome, Refused):
            raise CommandError(outcome.code, outcome.text)

    def _own_key(self) -> "EllipticCurvePrivateKey":
        from chatserver.net.webpush import ensure_key  # noqa: PLC0415

        # Held across the making of the file: two keys would be one too many, and nobody else waits.
        with self._making:
            if self._key is None:
                self._key = ensure_key(self._path)
            return self._key

    # -- the queue --

    def _put(self, job: _Job) -> None:
        with self._changed:
            self._jobs.append(job)  # of too many the oldest goes
            self._changed.notify()

    def _take(self) -> _Job | None:
        """Wait for what is due; None at the end."""
        with self._changed:
            while not self._stopped:
                now = self._monotonic()
                for number, job in enumerate(self._jobs):
                    if job.due <= now:
                        del self._jobs[number]
                        return job
                due = min((job.due for job in self._jobs), default=None)
                self._changed.wait(None if due is None else due - now)
        return None

    # -- the push thread only --

    def _run(self) -> None:
        with roaming():  # as the index: nobody waits for it, so it takes what core is free
            while (job := self._take()) is not None:
                try:
                    self._send(job)
                except Exception:
                    _log.exception("a push could not be sent")

    def _send(self, job: _Job) -> None:
        alert = job.alert
        ways = msgspec.json.decode(alert.push, type=_Ways)
        if alert.place in ways.quiet:
            return
        target = target_of(alert.endpoint, private=self._settings.push_to_private)
        rest = self._resting.get(target.origin, 0.0)
        if rest > self._monotonic():
            # One that does not answer must not take the time of the others.
            self._wait(replace(job, due=rest))
            return
        try:
            answer = self._post(target, alert, ways)
        except OSError as error:
            _log.info("a push service cannot be reached: host=%s: %s", target.host, error)
            answer = Answer(503, None)
        if answer.status in (404, 410):
            _log.info("a device is no longer reached by its push service: host=%s", target.host)
            self._order.append(Unsubscribed(at=self._clock.now(), endpoint=alert.endpoint))
        elif answer.status == 429 or answer.status >= 500:
            wait = min(answer.retry_after or _REST_SECONDS, _MOST_REST_SECONDS)
            rest = self._rest(target, wait)
            if not job.again:
                self._wait(replace(job, due=rest, again=True))
        elif answer.status >= 300:
            _log.warning("a push was refused: host=%s status=%d", target.host, answer.status)

    def _wait(self, job: _Job) -> None:
        """Have a job wait until it is due, unless that is too late."""
        if job.due < job.late:
            self._put(job)

    def _rest(self, target: Target, seconds: float) -> float:
        """Leave a push service alone for a while; return until when."""
        if len(self._resting) >= _MOST_RESTING:
            self._resting.clear()
        self._resting[target.origin] = until = self._monotonic() + seconds
        return until

    def _post(self, target: Target, alert: Alert, ways: _Ways) -> Answer:
        """Send an alert to where it goes. Raises OSError."""
        from chatserver.net.webpush import authorization, encrypted, receiver  # noqa: PLC0415

        key = self._own_key()
        if self._context is None:
            self._context = self._make_context()
        body = encrypted(self._message(alert), receiver(ways.p256dh, ways.auth))
        topic = sha256(alert.place.encode()).hexdigest()[:32]  # the newest of each conversation
        now = self._clock.now() / 1000
        headers = (
            ("Authorization", authorization(key, target.origin, ways.contact, now)),
            ("Content-Encoding", "aes128gcm"),
            ("Content-Type", "application/octet-stream"),
            ("TTL", str(_LIFE_SECONDS)),
            ("Urgency", "high"),
            ("Topic", topic),
        )
        return post(
            target,
            headers,
            body,
            seconds=_SECONDS,
            context=self._context,
            private=self._settings.push_to_private,
        )

    def _message(self, alert: Alert) -> bytes:
        """Return what the page's service worker shows."""
        from chatserver.net.webpush import MOST_BYTES  # noqa: PLC0415

        said = {"from": alert.sender, "place": alert.place, "seq": alert.seq}
        if self._settings.push_text:
            said["text"] = alert.text[:_MOST_CHARACTERS]
        message = msgspec.json.encode(said)
        if len(message) > MOST_BYTES:  # so many people that even their names are too long
            message = msgspec.json.encode(said | {"place": ""})
        return message
