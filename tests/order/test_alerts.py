"""Whom a push is to wake, in the log thread's own order."""

from collections.abc import Sequence

import pytest
from server.fakes import Client

from chatserver.order.alerts import Alert, Alerts
from chatserver.order.delivery import Delivery
from chatserver.order.items import (
    Came,
    DeviceMade,
    DevicesEnded,
    Idle,
    Subscribed,
    Unsubscribed,
)
from chatserver.order.pending import Entry
from chatserver.order.presence import Presence

from .test_delivery import AT, Room

URL = "https://push.example/"


class Watched(Room):
    """Deliveries, and what follows for those who are not here."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: list[Alert] = []
        self.batches = 0
        presence = Presence(self.directory, 0, lambda _: None)
        presence.silent = True
        follow = Alerts(self.directory, self.alerts.append).follow

        def counted(batch: Sequence[Entry]) -> None:
            self.batches += 1
            follow(batch)

        self.delivery = Delivery(self.directory, presence, counted)

    def device(self, name: str, token: str, *, reached: bool = True) -> None:
        account = self.account(name)
        self.happen(
            DeviceMade(at=AT, account=account, token=token, password="", address="", client="")
        )
        if reached:
            self.happen(Subscribed(at=AT, token=token, endpoint=URL + token, push="{}"))

    def comes_from(self, name: str, token: str) -> Client:
        client = Client(name)
        client.session.device = token
        client.session.account_id = self.account(name)
        self.directory.enter(client.session)
        self.happen(
            Came(at=AT, account=client.session.account_id, session=client.session.id, name=name)
        )
        return client

    @property
    def woken(self) -> list[str]:
        """The devices that were alerted since the last look."""
        found = [each.endpoint.removeprefix(URL) for each in self.alerts]
        self.alerts.clear()
        return found


@pytest.fixture
def room() -> Watched:
    return Watched()


def test_private_messages_and_mentions(room: Watched) -> None:
    alice = room.join("alice")
    room.happen(Came(at=AT, account=room.account("Bob"), session=77, name="Bob"))
    room.device("Bob", "phone")
    entry = room.post(alice, "to you", "Bob")
    room.deliver(entry)
    (alert,) = room.alerts
    assert alert == Alert(URL + "phone", "{}", entry.result.seq, "alice", "alice", "to you")  # type: ignore[union-attr]
    room.alerts.clear()
    room.deliver(room.post(alice, "to all"), room.post(alice, "but you, @bob"))
    (alert,) = room.alerts
    assert (alert.place, alert.text) == ("#lobby", "but you, @bob")


def test_a_conversation_of_several_is_called_as_the_page_does(room: Watched) -> None:
    alice = room.join("alice")
    for name in ("Zoe", "bob", "Carol"):
        room.device(name, name)
    room.deliver(room.post(alice, "hi", "Zoe", "bob", "Carol"))
    assert {each.endpoint.removeprefix(URL): each.place for each in room.alerts} == {
        "Zoe": "alice,bob,Carol",
        "bob": "alice,Carol,Zoe",
        "Carol": "alice,bob,Zoe",
    }


def test_devices_that_are_here_are_not_woken(room: Watched) -> None:
    alice = room.join("alice")
    for token in ("phone", "desk"):
        room.device("bob", token)
    room.device("bob", "old", reached=False)
    room.comes_from("bob", "desk")
    room.deliver(room.post(alice, "hi", "bob"))
    assert room.woken == ["phone"]


def test_nor_those_of_who_said_it(room: Watched) -> None:
    alice = room.join("alice")
    room.device("alice", "phone")
    room.deliver(room.post(alice, "note to @alice", "alice"))
    room.deliver(room.post(alice, "I, @alice, say", "bob"))
    assert room.woken == []


def test_the_busy_are_left_alone(room: Watched) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    room.device("bob", "phone")
    room.busy("bob", "later")
    room.deliver(room.post(alice, "hi", "bob"))
    assert room.woken == []
    room.happen(Idle(at=AT, account=bob.session.account_id, session=bob.session.id))
    room.deliver(room.post(alice, "hi", "bob"))
    assert room.woken == ["phone"]


def test_what_was_said_before_wakes_nobody(room: Watched) -> None:
    alice = room.join("alice")
    room.device("bob", "phone")
    room.deliver(room.post(alice, "hi", "bob", key="k"))
    room.directory.state.keys = {(alice.session.account_id, "k"): 1}
    room.deliver(room.post(alice, "hi", "bob", key="k"))
    assert room.woken == ["phone"]


def test_ends(room: Watched) -> None:
    alice = room.join("alice")
    room.device("bob", "phone")
    room.happen(Unsubscribed(at=AT, endpoint=URL + "phone"))
    room.deliver(room.post(alice, "hi", "bob"))
    room.device("bob", "tablet")
    room.happen(DevicesEnded(at=AT, tokens=("tablet",)))
    room.deliver(room.post(alice, "hi", "bob"))
    assert room.woken == []
    assert not room.directory.state.reached


def test_a_refused_batch_reaches_what_it_did_before(room: Watched) -> None:
    room.device("bob", "phone")
    state = room.directory.state
    state.saved()
    state.at += 1
    room.happen(Subscribed(at=AT, token="phone", endpoint=URL + "other", push="{}"))
    room.happen(DevicesEnded(at=AT, tokens=("phone",)))
    room.directory.take_back()
    assert [each.endpoint for each in state.reached.values()] == [URL + "phone"]
    assert state.reached["phone"] is state.devices["phone"]


def test_a_fault_is_no_reason_not_to_be_delivered(
    room: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Alert) -> None:
        raise RuntimeError

    alice, carol = room.join("alice"), room.join("carol")
    room.device("bob", "phone")
    room.delivery._alert = Alerts(room.directory, fail).follow
    room.deliver(room.post(alice, "hi", "bob", "carol"))
    assert carol.said() == ["hi"]
    assert "nobody could be alerted" in caplog.text


def test_where_nobody_is_reached_nothing_is_looked_at(
    room: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = room.join("alice")
    room.device("bob", "desk", reached=False)
    monkeypatch.setattr(Alerts, "_follow", None)
    monkeypatch.setattr(room.directory, "sessions_of", None)
    room.deliver(*[room.post(alice, "@bob", "bob") for _ in range(100)])
    assert room.batches == 1
