"""Two tiny clients on raw sockets. They import nothing of the project, so that a mistake both sides
share cannot hide: what is tested here is what is on the wire.
"""

import contextlib
import itertools
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scoped import Scoped

SCALE = float(os.environ.get("CHAT_TEST_TIME_SCALE", "1"))
"""Stretches every wait, for slow machines."""

PATIENCE = 15.0 * SCALE
"""Seconds after which something that should have come is missing."""

PASSWORD = "correct horse"

Event = dict[str, Any]
Place = tuple[str, int]

_tokens = itertools.count(1)


class Ended(AssertionError):
    """The server closed the connection while something was still expected."""


class Wire(Scoped):
    """A TCP connection that is read with a deadline."""

    def __init__(
        self,
        place: Place,
        *,
        source: str | None = None,
        receive_buffer: int | None = None,
        secure: bool = False,
    ) -> None:
        """Connect; inside TLS where it is to be `secure`, to whoever it is."""
        self.name = ""
        self.ended = False
        self.socket = socket.socket()
        try:
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.settimeout(PATIENCE)
            self.socket.connect(place)
            if secure:
                self.socket = trusting().wrap_socket(self.socket)
        except BaseException:
            self.socket.close()
            raise

    def end(self, error: BaseException | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def reset(self) -> None:
        """Hang up as a crashed machine does: what is on its way is lost."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(data)

    def finish(self) -> None:
        """Say that nothing more will be sent, as `nc` does at the end of its input."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def receive_all(self) -> bytes:
        """Return all bytes up to the end; a connection that is reset has ended, too."""
        deadline = time.monotonic() + PATIENCE
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while more := self.receive(deadline):
                data += more
        return data

    def receive(self, deadline: float) -> bytes:
        """Return some bytes, or b"" at the end. Raises TimeoutError."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        return self.socket.recv(1 << 16)


class JsonClient(Wire):
    """Requests out, events in. `events` are those that nobody has asked for yet, in order."""

    def __init__(self, place: Place, **options: Any) -> None:
        super().__init__(place, **options)
        self.events: list[Event] = []
        self._ids = itertools.count(1)
        self._rest = b""
        self._fence = ""

    def send(self, op: str, **fields: object) -> int:
        """Send a request and return its id."""
        number = next(self._ids)
        self.write(line({"op": op, "id": number, **fields}))
        return number

    def request(self, op: str, **fields: object) -> Event:
        """Send a request and return its answer: a reply or an error."""
        return self.answer(self.send(op, **fields))

    def answer(self, number: int) -> Event:
        """Return the answer to the request with that id."""
        return self.expect(re=number)

    def ask(self, op: str, **fields: object) -> Event:
        """Send a request and return its reply; an error is a failure."""
        answer = self.request(op, **fields)
        assert answer["event"] == "reply", answer
        assert answer["op"] == op
        return answer

    def refused(self, op: str, **fields: object) -> Event:
        """Send a request and return its error; a reply is a failure."""
        answer = self.request(op, **fields)
        assert answer["event"] == "error", answer
        return answer

    def login(self, name: str, password: str = PASSWORD, **fields: object) -> Event:
        """Log in and return the reply."""
        self.name = name
        return self.ask("login", name=name, password=password, **fields)

    def say(self, text: str, **fields: object) -> int:
        """Broadcast and return the message's number."""
        return int(self.ask("broadcast", text=text, **fields)["seq"])

    def tell(self, to: str | list[str], text: str, **fields: object) -> Event:
        """Send to one or several and return the reply."""
        return self.ask("send", to=[to] if isinstance(to, str) else to, text=text, **fields)

    def expect(
        self,
        matches: Callable[[Event], bool] | None = None,
        /,
        *,
        within: float = PATIENCE,
        **fields: object,
    ) -> Event:
        """Take the first event that matches out of `events`, waiting for it if need be."""
        fields = {name.rstrip("_"): value for name, value in fields.items()}
        deadline = time.monotonic() + within
        looked_at = 0
        while True:
            for at in range(looked_at, len(self.events)):
                event = self.events[at]
                fits = all(name in event and event[name] == value for name, value in fields.items())
                if fits and (matches is None or matches(event)):
                    return self.events.pop(at)
            looked_at = len(self.events)
            try:
                more = self._read(deadline)
            except TimeoutError:
                raise AssertionError(f"no {fields} came; but {self._shown()}") from None
            if not more:
                raise Ended(f"the connection ended before {fields}; but {self._shown()}")

    def messages(self, count: int) -> list[Event]:
        """Take the next `count` messages."""
        return [self.expect(event="message") for _ in range(count)]

    def texts(self, count: int) -> list[str]:
        """Take the next `count` messages and return what they say."""
        return [event["text"] for event in self.messages(count)]

    def fence(self) -> list[Event]:
        """Return every event that was caused by what happened before this call.

        A message to oneself goes through the log like any other, so nothing said before it can
        come after it. To the busy it does not come, but what was said before the first of two
        comes before the answer to the second.
        """
        self._fence = f"fence {next(_tokens)}"
        self.ask("send", to=[self.name], text=self._fence)
        if self.ask("status")["busy"]:
            self.ask("send", to=[self.name], text=self._fence)
        else:
            self.expect(event="message", text=self._fence)
        before = self.events
        self.events = []
        return before

    def heard(self) -> list[str]:
        """Return the texts of the messages that came before now."""
        return [event["text"] for event in self.fence() if event["event"] == "message"]

    def to_end(self) -> list[Event]:
        """Read until the server closes; return what nobody has asked for yet."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        events, self.events = self.events, []
        return events

    def bye(self) -> str:
        """Expect a goodbye as the very last event and return its code."""
        events = self.to_end()
        assert events, "the connection ended without a word"
        assert events[-1]["event"] == "bye", events[-3:]
        assert [each["event"] for each in events].count("bye") == 1
        assert events[-1]["text"]
        return str(events[-1]["code"])

    def _read(self, deadline: float) -> bool:
        """Read some more; False at the end."""
        if self.ended:
            return False
        data = self.receive(deadline)
        if not data:
            self.ended = True
            assert not self._rest, f"cut off in the middle of a line: {self._rest[:80]!r}"
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for each in lines:
            event = json.loads(each)
            assert isinstance(event, dict)
            text = event.get("text", "")
            if event["event"] != "message" or not text.startswith("fence ") or text == self._fence:
                self.events.append(event)
        return True

    def _shown(self) -> str:
        return f"{len(self.events)} others: {str(self.events[-8:])[:1500]}"


class TextClient(Wire):
    """Lines out, text in. `expect` takes everything up to what is expected."""

    def __init__(self, place: Place, **options: Any) -> None:
        super().__init__(place, **options)
        self._bytes = b""

    def send(self, text: str) -> None:
        """Send one line."""
        self.write(text.encode() + b"\n")

    def expect(self, text: str, within: float = PATIENCE) -> str:
        """Return everything up to and including `text`, and take it."""
        wanted = text.encode()
        deadline = time.monotonic() + within
        while wanted not in self._bytes:
            try:
                more = self._read(deadline)
            except TimeoutError:
                raise AssertionError(f"no {text!r} came; but {self._shown()}") from None
            if not more:
                raise Ended(f"the connection ended before {text!r}; but {self._shown()}")
        before, _, self._bytes = self._bytes.partition(wanted)
        return (before + wanted).decode()

    def line(self, containing: str = "") -> str:
        """Take everything up to the first line that contains the text; return that line."""
        if containing:
            return self.expect(containing).rpartition("\n")[2] + self.expect("\n").rstrip("\n")
        return self.expect("\n").rstrip("\n")

    def login(self, name: str, password: str = PASSWORD) -> str:
        """Log in and return the line of welcome."""
        self.name = name
        self.send(name)
        self.expect("Password: ")
        self.send(password)
        return self.line("Welcome")

    def ask(self, text: str, containing: str = "-- ") -> str:
        """Send a line and return the first line that answers it."""
        self.send(text)
        return self.line(containing)

    def fence(self) -> list[str]:
        """Return every line that was caused by what happened before this call."""
        token = f"fence {next(_tokens)}"
        answered = f"-- Delivered to {self.name}."
        self.send(f"send {self.name} {token}")
        lines = self.expect(f"{answered}\n").splitlines()[:-1]
        self.send("status")
        while not (line := self.line()).startswith(f"-- You are {self.name}: "):
            lines.append(line)
        if f"{self.name}: not busy" in line:
            if not any(each.endswith(f": {token}") for each in lines):
                lines += self.expect(f": {token}\n").splitlines()
        else:
            self.send(f"send {self.name} {token}")
            lines += self.expect(f"{answered}\n").splitlines()[:-1]
        return [each for each in lines if ": fence " not in each]

    def to_end(self) -> str:
        """Read until the server closes; return what nobody has asked for yet."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        rest, self._bytes = self._bytes, b""
        return rest.decode()

    def _read(self, deadline: float) -> bool:
        if self.ended:
            return False
        data = self.receive(deadline)
        self.ended = not data
        self._bytes += data
        return bool(data)

    def _shown(self) -> str:
        return repr(self._bytes[-1500:])


Client = JsonClient | TextClient


class Flood(Scoped, threading.Thread):
    """Somebody who broadcasts `1`, `2`, `3` … until told to stop, always with some on their way."""

    def __init__(self, client: JsonClient, at_once: int = 10) -> None:
        super().__init__(name="flood")
        self.sent = 0
        self._client = client
        self._at_once = at_once
        self._stop_now = threading.Event()
        self._said = threading.Condition()
        self._problem: BaseException | None = None

    def begin(self) -> None:
        self.start()

    def end(self, error: BaseException | None) -> None:
        self._stop_now.set()
        self.join()
        if self._problem is not None and error is None:
            raise self._problem

    def wait_for(self, count: int) -> None:
        """Wait until `count` more have been said."""
        with self._said:
            goal = self.sent + count
            done = self._said.wait_for(
                lambda: self.sent >= goal or self._problem is not None, PATIENCE
            )
            assert done, "the flood has dried up"

    def run(self) -> None:
        """Talk."""
        try:
            while not self._stop_now.is_set():
                self._say(range(self.sent + 1, self.sent + 1 + self._at_once))
        except BaseException as error:
            self._problem = error
            with self._said:
                self._said.notify_all()

    def _say(self, numbers: range) -> None:
        lines = b"".join(
            line({"op": "broadcast", "id": number, "text": str(number)}) for number in numbers
        )
        self._client.write(lines)
        for number in numbers:
            answer = self._client.expect(re=number)
            assert answer["event"] == "reply", answer
        with self._said:
            self.sent = numbers[-1]
            self._said.notify_all()


def trusting(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a context that takes any certificate, and speaks one version if given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def line(request: object) -> bytes:
    """Return a request as it goes over the wire."""
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make the calls in threads of their own, together; return their results in order."""
    results: list[Any] = [None] * len(calls)
    problems: list[BaseException] = []
    start = threading.Barrier(len(calls))

    def make(at: int, call: Callable[[], Any]) -> None:
        try:
            start.wait(PATIENCE)
            results[at] = call()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=make, args=each) for each in enumerate(calls)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if problems:
        raise problems[0]
    return results


def eventually(check: Callable[[], Any], within: float = PATIENCE) -> Any:
    """Ask again and again until the answer is true, and return it."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within} s"
        time.sleep(0.01)


def rounds(within: float = PATIENCE) -> Iterator[None]:
    """Go round and round, for a loop that ends with `break`; not for ever."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        yield
    raise AssertionError(f"still going round after {within} s")


def seqs(events: Iterable[Event]) -> list[int]:
    """Return the numbers of the messages among the events."""
    return [event["seq"] for event in events if event["event"] == "message"]
