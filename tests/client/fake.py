"""A server of a few scripted lines, on a real socket, for tests of the client."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, structs
from scoped import Scoped

from chatclient.link.connection import Connection
from chatclient.setup.credentials import GivenCredentials
from chatclient.setup.entrance import Entry, enter
from chatserver.commands import all_commands
from chatwire.events import Bye, Error, Event, Hello, Message
from chatwire.protocol import encode
from chatwire.replies import BroadcastReply, CommandHelp, HelpReply, HistoryReply, LoginReply, Reply

DEADLINE = 20.0
"""Seconds after which a test that waits for something has failed."""


def commands(*names: str) -> tuple[CommandHelp, ...]:
    """Describe commands as a server does."""
    return tuple(each.help for each in all_commands() if each.help.name in names)


COMMANDS = commands(
    *("who", "last", "broadcast", "send", "busy", "idle"),
    *("hide", "appear", "status", "help", "logout"),
)
(HISTORY,) = commands("history")
"""Not in every server: `Link.take_login` takes `commands`."""


def message(seq: int, text: str, sender: str = "bob", **more: Any) -> Message:
    """Return a message said today in the lobby, unless `more` says otherwise."""
    if "to" not in more:
        more.setdefault("room", "lobby")
    # What was said on another day is shown with that day.
    more.setdefault("at", f"{datetime.now(UTC):%Y-%m-%d}T15:24:02.123Z")
    return Message(seq=seq, sender=sender, text=text, **more)


def reset(sock: socket.socket) -> None:
    """Break a connection instead of closing it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def welcome(name: str = "alice", **more: Any) -> LoginReply:
    """Return the answer to a login; bob is here, and nothing was missed."""
    values: dict[str, Any] = {
        "online": ("bob",),
        "seq": 0,
        "missed": 0,
        "busy": False,
        "hidden": False,
    }
    return LoginReply(name=name, **(values | more))


class Link:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(DEADLINE)
        self.sock = sock
        self._file = sock.makefile("rb")

    def read(self) -> dict[str, Any]:
        """Return the client's next request."""
        line = self._file.readline()
        assert line.startswith(b"{"), f"the client sent {line!r}"
        assert line.endswith(b"\n")
        request: dict[str, Any] = json.loads(line)
        return request

    def expect(self, op: str) -> dict[str, Any]:
        """Return the next request that is neither an ack nor a ping; it must be this one."""
        request = self.read()
        while request["op"] in {"ack", "ping"} - {op}:
            request = self.read()
        assert request["op"] == op, request
        return request

    def send(self, *events: Event | dict[str, object] | bytes) -> None:
        """Send events; bytes go out as they are."""
        self.sock.sendall(b"".join(e if isinstance(e, bytes) else encode(e) for e in events))

    def answer(self, op: str, answer: Reply | Error | None = None) -> dict[str, Any]:
        """Answer the next request that is not an ack; it must be this one. Return it."""
        request = self.expect(op)
        self.send(structs.replace(answer or Reply(op=op), re=request["id"]))
        return request

    def greet(self, server: str = "fake", can: tuple[str, ...] = (), most: int = 0) -> None:
        """Answer the client's first line; a limit of characters is told if there is one."""
        ping = self.expect("ping")
        self.send(
            Hello(server=server, can=can, most_characters=most or UNSET),
            Reply(op="ping", re=ping["id"]),
        )

    def let_in(
        self, name: str = "alice", *, can: tuple[str, ...] = (), most: int = 0, **more: Any
    ) -> None:
        """Greet, take any password, and describe the commands."""
        self.greet(can=can, most=most)
        self.take_login(name, **more)

    def take_login(
        self, name: str = "alice", commands: tuple[CommandHelp, ...] = COMMANDS, **more: Any
    ) -> None:
        """Take any password and describe the commands."""
        self.welcome(name, **more)
        self.answer("help", HelpReply(commands=commands))

    def take_login_again(self, **more: Any) -> dict[str, Any]:
        """Greet and let a client in that knows the commands; return its request."""
        self.greet()
        return self.welcome(**more)

    def welcome(self, name: str = "alice", **more: Any) -> dict[str, Any]:
        """Take any password; return the request."""
        return self.answer("login", welcome(name, **more))

    def take_broadcast(self, text: str, seq: int, **busy: str) -> dict[str, Any]:
        """Take the broadcast of this text, as number `seq`; return the request."""
        said = self.answer("broadcast", BroadcastReply(seq=seq, busy=busy))
        assert said["text"] == text, said
        return said

    def take_logout(self) -> None:
        """Let the client leave."""
        self.answer("logout")
        self.send(Bye(code="logged_out", text="Goodbye."))

    def until_closed(self) -> bytes:
        """Wait until the client has closed, and return what it still sent."""
        try:
            return self._file.read()
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Break the connection instead of closing it."""
        self._file.close()
        reset(self.sock)

    def close(self) -> None:
        """Close; harmless when closed already."""
        self._file.close()
        self.sock.close()


Play = Callable[[Link], object]
"""What a server does with a client that has come in."""


class FakeServer(Scoped):
    """Plays one script per connection, one after the other, in a thread.

    `with FakeServer(script) as server:` ends by waiting for the scripts; what went wrong in one of
    them is raised there.
    """

    def __init__(self, *scripts: Play) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self.port: int = self._listener.getsockname()[1]
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._play, name="fake-server")

    def connect(self, **more: Any) -> Connection:
        """Return a connection to it."""
        return Connection.open("127.0.0.1", self.port, timeout=DEADLINE, **more)

    def enter(self) -> Entry:
        """Come in as alice."""
        return enter(self.connect, GivenCredentials("alice", "secret", str), print)

    def begin(self) -> None:
        self._thread.start()

    def end(self, error: BaseException | None) -> None:
        if error is not None and self._thread.is_alive():
            self._abandoned = True
            socket.create_connection(("127.0.0.1", self.port)).close()  # wakes accept
        self._thread.join()
        self._listener.close()
        if self._error is not None and error is None:
            raise self._error

    def _play(self) -> None:
        try:
            for script in self._scripts:
                link = Link(self._listener.accept()[0])
                try:
                    if self._abandoned:
                        return
                    script(link)
                finally:
                    link.close()
        except BaseException as error:  # raised again in `end`
            self._error = error


def greeted(play: Play = Link.until_closed) -> Callable[[Link], None]:
    """Return a script that greets, plays and waits until the client has closed."""

    def script(link: Link) -> None:
        link.greet()
        play(link)
        link.until_closed()

    return script


def at_home(play: Play = id, **login: Any) -> Callable[[Link], None]:
    """Return a script that lets a client in, plays and lets it out."""

    def script(link: Link) -> None:
        link.let_in(**login)
        play(link)
        link.take_logout()

    return script


@contextmanager
def talking(play: Play = Link.until_closed, **more: Any) -> Iterator[Connection]:
    """A connection that was greeted, to a server that plays and waits until it is closed."""
    with FakeServer(greeted(play)) as server, server.connect(**more) as chat:
        yield chat


def refuse_history(link: Link) -> None:
    """Answer the question whether there is anybody called bbo."""
    asked = link.answer("history", Error(code="no_such_user", text="No such user: bbo."))
    assert {"with": "bbo", "limit": 1}.items() <= asked.items()


def take_history(link: Link, seq: int, more: bool, **fields: object) -> None:
    """Answer the request for a page of history, with two messages; it must have these fields."""
    messages = (message(seq, f"number {seq}"), message(seq + 1, f"number {seq + 1}"))
    asked = link.answer("history", HistoryReply(messages=messages, more=more))
    assert fields == {name: asked.get(name) for name in fields}
