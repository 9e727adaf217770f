"""A dialect that the server does not know is one file and one entry in the list: see `frames`."""

import json
import time
from collections.abc import Iterator

import pytest

from chatserver.accounts.file import Account
from chatserver.app import ChatServer, dialects
from chatserver.settings import PasswordSettings, ServerSettings, SessionSettings, Settings

from .client import PASSWORD, PATIENCE, Event, JsonClient, Place, TextClient, Wire, line
from .frames import LENGTH, MAGIC, frame, with_frames
from .process import hashed

LIMIT = 1000
NAMES = ("alice", "bob", "carol")
LOGIN = {"op": "login", "name": "alice", "password": PASSWORD}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where a server listens that speaks frames, too."""
    server = ChatServer(
        Settings(
            server=ServerSettings(host="127.0.0.1", port=0),
            passwords=PasswordSettings(time_cost=1, memory_kib=8, parallelism=1),
            session=SessionSettings(rate_per_second=0),
        ),
        tmp_path_factory.mktemp("frames") / "data",
        lambda registry, settings: with_frames(dialects(registry, settings), LIMIT),
    )
    with server.accounts.edit() as draft:
        for name in NAMES:
            draft.put(Account(name, hashed()))
    server.start()
    host, _, port = server.place.rpartition(":")
    yield host, int(port)
    server.stop()


class Framed(Wire):
    """Frames out, frames in, on one connection."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._data = b""

    def ask(self, *requests: Event) -> None:
        self.write(b"".join(map(frame, requests)))

    def login(self) -> Event:
        self.write(MAGIC + frame(LOGIN | {"since": 10**9}))  # nothing of earlier tests is replayed
        return self.until(op="login")[-1]

    def next(self) -> Event:
        """Return the next event, but for others who come and go."""
        deadline = time.monotonic() + PATIENCE
        while len(self._data) < (size := LENGTH.size + int.from_bytes(self._data[: LENGTH.size])):
            more = self.receive(deadline)
            assert more, "the connection ended"
            self._data += more
        payload, self._data = self._data[LENGTH.size : size], self._data[size:]
        event: Event = json.loads(payload)
        return self.next() if event["event"] == "presence" else event

    def until(self, **fields: object) -> list[Event]:
        """Return what comes up to an event with these fields."""
        events = [self.next()]
        while any(events[-1].get(name) != value for name, value in fields.items()):
            events.append(self.next())
        return events


@pytest.fixture
def alice(place: Place) -> Iterator[Framed]:
    with Framed(place) as client:
        client.login()
        yield client


def test_it_talks_with_the_others_and_its_answers_have_its_labels(
    place: Place, alice: Framed
) -> None:
    with JsonClient(place) as bob, TextClient(place) as carol:
        bob.login("bob")
        carol.login("carol")
        alice.ask({"op": "broadcast", "label": "a label", "text": "hello from a frame"})
        assert alice.until(op="broadcast")[-1]["label"] == "a label"
        assert bob.expect(event="message")["text"] == "hello from a frame"
        carol.expect("alice: hello from a frame\n")
        bob.say("hello from a line")
        assert alice.until(event="message")[-1]["text"] == "hello from a line"
        alice.ask({"op": "send", "label": "wrong", "to": 3, "text": "hi"})
        (error,) = alice.until(event="error")
        assert (error["label"], error["code"]) == ("wrong", "bad_request")


def test_on_the_way_it_changes_its_renderer_and_is_shown_its_own_words(
    place: Place, alice: Framed
) -> None:
    def say(text: str) -> Event:
        return {"op": "broadcast", "label": text, "text": text}

    with JsonClient(place) as bob:
        bob.login("bob")
        alice.ask(say("one"))
        alice.until(label="one")
        bob.say("fence")
        assert alice.until(event="message")[-1]["text"] == "fence"
        alice.ask({"op": "want", "echoes": True, "label": "now"}, say("two"))
        assert alice.next() == {"event": "wanted", "label": "now"}
        own = alice.until(event="message")[-1]
        assert (own["from"], own["text"]) == ("alice", "two")
        alice.ask({"op": "want", "echoes": False}, say("three"))
        alice.until(label="three")
        bob.say("end")
        assert alice.until(event="message")[-1]["text"] == "end"


def test_what_a_dialect_says_by_itself_goes_out_in_its_place(alice: Framed) -> None:
    alice.ask(
        *(
            {"op": op, "label": f"{op} {turn}"}
            for turn in range(50)
            for op in ("who", "want", "status")
        )
    )
    labels = [each["label"] for each in alice.until(label="status 49")]
    assert labels == [f"{op} {turn}" for turn in range(50) for op in ("who", "want", "status")]


def test_who_stops_in_the_middle_of_what_tells_the_dialect_is_asked_in_text(place: Place) -> None:
    with TextClient(place) as nobody:
        nobody.write(MAGIC[:3])
        nobody.expect("Username: ")
        nobody.send("")  # that was half a name
        nobody.expect("Password: ")


def test_where_nothing_more_can_be_read_it_ends_with_the_reason(alice: Framed) -> None:
    alice.ask({"op": "who", "label": "before"})
    alice.write(LENGTH.pack(LIMIT + 1))
    who, error, bye = alice.until(event="bye")
    assert who["label"] == "before"
    assert (error["code"], bye["code"]) == ("line_too_long", "line_too_long")
    assert alice.receive(time.monotonic() + PATIENCE) == b""


SAID = {"op": "send", "to": ["bob"], "text": "all at once"}


@pytest.mark.parametrize(
    "data",
    [
        line(LOGIN) + line(SAID),
        f"alice\n{PASSWORD}\nsend bob all at once\n".encode(),
        MAGIC + frame(LOGIN) + frame(SAID),
    ],
    ids=["json", "text", "frames"],
)
def test_all_may_be_said_at_once_and_the_line_closed_behind_it(place: Place, data: bytes) -> None:
    with JsonClient(place) as bob, Wire(place) as alice:
        bob.login("bob")
        alice.write(data)
        alice.finish()
        assert bob.expect(event="message", text="all at once")["from"] == "alice"
        alice.receive_all()
