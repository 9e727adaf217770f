"""The push thread: what it sends, when it sends it again, and when it gives up."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from e2e.client import eventually

from chatserver.errors import CommandError
from chatserver.net.webpush import decoded
from chatserver.order.alerts import Alert, Alerts
from chatserver.order.devices import Known
from chatserver.serving import push as module
from chatserver.serving.push import Push
from chatserver.settings import WebSettings

from .fakes import FakeClock, Server
from .push_service import PushService, Receiver, status
from .test_devices import coming, made

ORIGIN = "https://chat.example"


class Pushes:
    """A server whose log thread alerts, a push thread, and the service that it reaches."""

    def __init__(self, server: Server, service: PushService, data: Path, **settings: Any) -> None:
        self.server = server
        self.service = service
        self.clock = FakeClock()
        self.browser = Receiver()
        web = WebSettings(**({"push_to_private": True} | settings))
        self.push = Push(data, web, server.order, server.time, service.context, self.clock)
        self.posted: list[Alert] = []
        server.delivery._alert = Alerts(server.directory, self._post).follow

    def _post(self, alert: Alert) -> None:
        self.posted.append(alert)
        self.push.post(alert)

    def subscribe(self, name: str = "bob", url: str = "", **more: object) -> str:
        """Have a new device of an account be reached; return its token."""
        token = made(self.server, name)
        self.change(token, endpoint=url or self.service.url, **more)
        return token

    def change(self, token: str, **fields: object) -> None:
        given = {"endpoint": self.service.url, "keys": self.browser.keys} | fields
        self.push.subscribe(self.device(token), msgspec.json.encode(given), ORIGIN)

    def device(self, token: str) -> Known:
        found = self.server.devices.find(token)
        assert found is not None
        return found

    def read(self) -> dict[str, Any]:
        """Return what the next push says."""
        return self.browser.read(self.service.next().body)

    def later(self, seconds: float) -> None:
        """Let time pass for the push thread."""
        self.clock.advance(seconds)
        with self.push._changed:
            self.push._changed.notify()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    with PushService(tmp_path / "service") as running:
        yield running


@pytest.fixture
def pushes(server: Server, service: PushService, tmp_path: Path) -> Iterator[Pushes]:
    found = Pushes(server, service, tmp_path)
    found.push.start()
    yield found
    found.push.stop()


def test_what_is_said_to_somebody_who_is_not_here(pushes: Pushes) -> None:
    pushes.subscribe()
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "x" * 300, "bob")
    got = pushes.service.next()
    assert pushes.browser.read(got.body) == {
        "from": "alice",
        "place": "alice",
        "seq": pushes.posted[0].seq,
        "text": "x" * 200,
    }
    assert got.path == "/to/device"
    assert got.headers["Content-Encoding"] == "aes128gcm"
    assert got.headers["TTL"] == "86400"
    assert got.headers["Authorization"].startswith("vapid t=")
    assert got.headers["Authorization"].endswith(f"k={pushes.push.public_key()}")
    claims = got.headers["Authorization"].split(".")[1]
    said = msgspec.json.decode(decoded(claims))
    assert said["sub"] == ORIGIN
    assert pushes.service.url.startswith(said["aud"] + "/")
    assert got.headers["Topic"] == hashlib.sha256(b"alice").hexdigest()[:32]


def test_the_words_can_stay_here(server: Server, service: PushService, tmp_path: Path) -> None:
    pushes = Pushes(server, service, tmp_path, push_text=False)
    pushes.push.start()
    pushes.subscribe()
    (alice,) = server.joined("alice")
    server.say(alice, "a secret", "bob")
    assert sorted(pushes.read()) == ["from", "place", "seq"]
    pushes.push.stop()


def test_quiet_conversations_are_quiet(pushes: Pushes) -> None:
    pushes.subscribe(quiet=["alice"])
    alice, carol = pushes.server.joined("alice", "carol")
    pushes.server.say(alice, "not this", "bob")
    pushes.server.say(carol, "but this", "bob")
    assert pushes.read()["text"] == "but this"


@pytest.mark.parametrize("code", [404, 410])
def test_a_subscription_that_has_ended_goes(pushes: Pushes, code: int) -> None:
    token = pushes.subscribe()
    pushes.service.answers = [status(code)]
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "hi", "bob")
    pushes.service.next()
    eventually(lambda: not pushes.device(token).endpoint)
    pushes.server.say(alice, "hi again", "bob")
    pushes.server.settle()
    assert len(pushes.posted) == 1


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (status(503), 60),
        (status(429, Retry_After="5"), 5),
        (status(500, Retry_After="999999"), 600),
        (lambda _: None, 60),
    ],
    ids=["unavailable", "too many", "for ever", "no answer"],
)
def test_what_fails_is_tried_once_more(pushes: Pushes, answer: Any, wait: int) -> None:
    pushes.subscribe()
    pushes.service.answers = [answer, status(503)]
    alice, carol = pushes.server.joined("alice", "carol")
    pushes.server.say(alice, "one", "bob")
    pushes.service.next()
    until_idle(pushes, waiting=1)
    pushes.later(wait - 0.5)
    pushes.server.say(carol, "two", "bob")  # waits with it
    until_idle(pushes, waiting=2)
    assert pushes.service.got.empty()
    pushes.later(1)
    assert pushes.read()["text"] == "one"  # for the last time: it fails again
    until_idle(pushes, waiting=1)
    pushes.later(61)
    assert pushes.read()["text"] == "two"
    until_idle(pushes, waiting=0)


def test_what_would_wait_for_too_long_is_dropped(
    pushes: Pushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LATE_SECONDS", 100)
    pushes.subscribe()
    pushes.service.answers = [status(429, Retry_After="200")]
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "one", "bob")
    pushes.service.next()
    eventually(lambda: pushes.push._resting)
    pushes.later(201)
    pushes.server.say(alice, "two", "bob")
    assert pushes.read()["text"] == "two"


def until_idle(pushes: Pushes, waiting: int) -> None:
    """Wait until the push thread has nothing due, and so many jobs for later."""

    def idle() -> bool:
        with pushes.push._changed:
            jobs = list(pushes.push._jobs)
            return len(jobs) == waiting and all(job.due > pushes.clock() for job in jobs)

    eventually(idle)


def test_a_service_that_hangs_is_left_alone(
    pushes: Pushes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)
    with PushService(tmp_path / "service") as slow:
        slow.answers = [slow.hang] * 10
        pushes.subscribe("carol", slow.url)
        pushes.subscribe("bob")
        (alice,) = pushes.server.joined("alice")
        for number in range(5):
            pushes.server.say(alice, f"{number}", "carol")
        pushes.server.say(alice, "bob's", "bob")
        assert pushes.read()["text"] == "bob's"
        slow.next()
        assert slow.got.empty()  # asked once, not five times


@pytest.mark.parametrize("code", [301, 307, 400, 401, 403, 413])
def test_what_is_refused_is_not_tried_again(pushes: Pushes, code: int) -> None:
    token = pushes.subscribe()
    pushes.service.answers = [status(code, Location=pushes.service.url + "/other")]
    alice, carol = pushes.server.joined("alice", "carol")
    pushes.server.say(alice, "one", "bob")
    pushes.server.say(carol, "two", "bob")
    assert [pushes.read()["text"] for _ in range(2)] == ["one", "two"]
    until_idle(pushes, waiting=0)
    assert pushes.device(token).endpoint


def test_of_too_many_the_oldest_go(pushes: Pushes, service: PushService, tmp_path: Path) -> None:
    push = Push(tmp_path, WebSettings(), pushes.server.order, pushes.server.time)
    for number in range(1500):
        push.post(Alert(service.url, "{}", number, "alice", "alice", ""))
    assert [job.alert.seq for job in push._jobs] == list(range(500, 1500))


def test_whoever_logs_in_to_the_same_browser_gets_what_is_his(pushes: Pushes) -> None:
    before = pushes.subscribe("carol")
    after = pushes.subscribe("bob")
    assert not pushes.device(before).endpoint
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "for carol", "carol")
    pushes.server.say(alice, "for bob", "bob")
    assert pushes.read()["text"] == "for bob"
    pushes.push.unsubscribe(pushes.device(after))
    pushes.server.say(alice, "nothing more", "bob")
    pushes.server.settle()
    assert len(pushes.posted) == 1


def test_a_device_takes_it_along(pushes: Pushes) -> None:
    pushes.subscribe()
    _, context, _ = coming(pushes.server, made(pushes.server))
    pushes.server.ask(context, "revoke", device=1)
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "to nobody", "bob")
    pushes.server.settle()
    assert not pushes.posted
    assert not pushes.server.directory.state.reached


def test_it_is_there_after_a_restart(pushes: Pushes) -> None:
    pushes.subscribe()
    pushes.server.settle()
    state = pushes.server.store.load()
    (device,) = state.reached.values()
    assert device.endpoint == pushes.service.url
    assert state.devices[device.token] is device


def test_the_same_subscription_is_written_once(
    pushes: Pushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = pushes.subscribe()
    run: list[object] = []
    monkeypatch.setattr(pushes.push, "_run_item", run.append)
    pushes.change(token)
    assert not run
    pushes.change(token, quiet=["#ops"])
    assert len(run) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"endpoint":"https://push.example/"}',
        b'{"endpoint":"https://push.example/","keys":{"p256dh":"","auth":""}}',
        b"[" * 5000,
    ],
)
def test_what_is_no_subscription(pushes: Pushes, body: bytes) -> None:
    device = pushes.device(made(pushes.server))
    with pytest.raises(CommandError) as caught:
        pushes.push.subscribe(device, body, ORIGIN)
    assert caught.value.code == "bad_request"


def test_a_private_address_is_refused_where_the_setting_does_not_allow_it(
    server: Server, service: PushService, tmp_path: Path
) -> None:
    pushes = Pushes(server, service, tmp_path, push_to_private=False)
    with pytest.raises(CommandError):
        pushes.subscribe()
    pushes.subscribe(url="https://push.example/")


def test_names_of_so_many_people_that_they_do_not_fit(pushes: Pushes) -> None:
    pushes.subscribe()
    (device,) = pushes.server.directory.state.reached.values()
    place = ",".join(f"somebody-with-a-long-name-{n:05}" for n in range(200))
    pushes.push.post(Alert(device.endpoint, device.push, 1, "alice", place, "\U0001f600" * 300))
    said = pushes.read()
    assert (said["place"], said["text"]) == ("", "\U0001f600" * 200)


def test_a_push_reaches_the_log_of_nobody(pushes: Pushes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    pushes.subscribe()
    pushes.service.answers = [lambda _: None]
    (alice,) = pushes.server.joined("alice")
    pushes.server.say(alice, "a secret", "bob")
    pushes.service.next()
    until_idle(pushes, waiting=1)
    assert "host=127.0.0.1" in caplog.text
    assert "a secret" not in caplog.text
    assert "/to/device" not in caplog.text
