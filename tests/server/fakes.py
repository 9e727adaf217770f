"""A server without sockets: real parts put together, clients that are only bytes in memory."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scoped import Scoped

from chatserver.accounts.authentication import Authenticator
from chatserver.accounts.file import FILE_NAME as ACCOUNTS_FILE
from chatserver.accounts.file import Account, Accounts
from chatserver.accounts.lockout import Lockout
from chatserver.accounts.passwords import Passwords
from chatserver.commands import all_commands
from chatserver.commands.context import Context
from chatserver.commands.dispatcher import dispatch
from chatserver.dialects.dialect import Direct
from chatserver.dialects.json import RENDERER as JSON
from chatserver.dialects.json import JsonDialect
from chatserver.errors import Disconnected
from chatserver.net.ratelimit import TokenBucket, TokenBuckets
from chatserver.order.delivery import Delivery, Post
from chatserver.order.log import Log
from chatserver.order.presence import Joined, Presence
from chatserver.order.replay import Replay
from chatserver.order.retention import Clock, Retention
from chatserver.search.archive import Archive
from chatserver.search.index import FILE_NAME as SEARCH_FILE
from chatserver.search.index import SearchIndex
from chatserver.services import Services
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.session import Session
from chatserver.settings import PasswordSettings, SessionSettings, Settings
from chatserver.speech import Renderer
from chatserver.storage.store import FILE_NAME as STORE_FILE
from chatserver.storage.store import Store
from chatwire.protocol import encode

DEADLINE = 10.0
"""Seconds after which a test that waits for something has failed."""

CHEAP = PasswordSettings(time_cost=1, memory_kib=8, parallelism=1)
"""Passwords that cost nothing to check."""

PASSWORD = "correct horse"
NAMES = ("alice", "bob", "Carol", "dave")

Event = dict[str, Any]


class FakeClock:
    """A clock that goes when it is told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeStream:
    """A stream of which everything sent is in `sent`; it takes `room` bytes (None: any number)."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.security = "plaintext"
        self.on_output: Callable[[], None] = lambda: None
        self.sent = bytearray()
        self.room: int | None = None
        self.gone = False
        self.on_the_way = 0
        self.coming: bytes | None = None
        self.interrupted = threading.Event()

    def fileno(self) -> int:
        return -1

    def receive(self, timeout: float | None = None) -> bytes | None:
        if timeout != 0:
            raise NotImplementedError
        return b"" if self.gone else self.coming

    def seal(self, data: bytes) -> bytes:
        return data

    def send(self, data: bytes | memoryview) -> int:
        if self.gone:
            raise Disconnected("gone")
        taken = len(data) if self.room is None else min(self.room, len(data))
        self.sent += data[:taken]
        if self.room is not None:
            self.room -= taken
        return taken

    def is_gone(self) -> bool:
        return self.gone

    def expect_life(self, seconds: float) -> None:
        return

    def unacknowledged(self) -> int:
        return self.on_the_way

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self, linger: float = 0.0) -> None:
        self.gone = True


class Client:
    """One connection, what it has been sent, and its session once it has joined."""

    def __init__(
        self,
        account: str = "alice",
        renderer: Renderer = JSON,
        *,
        address: str = "127.0.0.1",
        outbox_bytes: int = 1 << 20,
        since: int | None = None,
    ) -> None:
        self.stream = FakeStream(address)
        self.watched = 0
        self.connection = Connection(1, self.stream, outbox_bytes, renderer, self._watch)
        self.session = Session(self.connection, account, since)

    def events(self) -> list[Event]:
        """Return the events sent since the last call."""
        lines = bytes(self.stream.sent).splitlines()
        self.stream.sent.clear()
        return [json.loads(line) for line in lines]

    def named(self, event: str) -> list[Event]:
        """Return the events of one kind sent since the last call; the others are lost."""
        return [each for each in self.events() if each["event"] == event]

    def said(self) -> list[str]:
        """Return the texts of the messages sent since the last call; other events are lost."""
        return [each["text"] for each in self.named("message")]

    def text(self) -> str:
        """Return what was sent since the last call, for the text dialect."""
        text = self.stream.sent.decode()
        self.stream.sent.clear()
        return text

    def _watch(self, _: Connection) -> None:
        self.watched += 1


class Server(Scoped):
    """The parts of a server on a data folder, its log thread running inside a `with`."""

    def __init__(self, data: Path, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(
            passwords=CHEAP, session=SessionSettings(rate_per_second=0)
        )
        self.clock = FakeClock()
        self.store = Store(data / STORE_FILE, synchronous="off")  # no test pulls the plug
        self.accounts = Accounts(data / ACCOUNTS_FILE)
        self.passwords = Passwords(self.settings.passwords)
        login = self.settings.login
        self.directory = UserDirectory(self.store.standings())
        self.delivery = Delivery(self.directory)
        self.presence = Presence(self.directory, self.settings.session.presence_notices_up_to)
        self.log = Log(
            self.store, self.directory, self.delivery, self.accounts.exists, self.presence.forget
        )
        self.index = SearchIndex(data / SEARCH_FILE, self.store)
        self.retention = self.new_retention()
        self.archive = Archive(self.store, self.index, most_bytes=100_000)
        self.replay = Replay(self.store, self.settings.history.replay_limit)
        self.registry = all_commands()
        self.services = Services(
            settings=self.settings,
            accounts=self.accounts,
            authenticator=Authenticator(
                self.accounts,
                self.passwords,
                Lockout(login.attempts, login.block_seconds, self.clock),
                Lockout(login.address_failures, login.address_block_seconds, self.clock),
            ),
            directory=self.directory,
            log=self.log,
            presence=self.presence,
            replay=self.replay,
            archive=self.archive,
            rates=TokenBuckets(
                self.settings.session.rate_per_second,
                self.settings.session.rate_burst,
                self.clock,
            ),
        )
        self._running = False

    def begin(self) -> None:
        self.log.start()
        self._running = True

    def end(self, error: BaseException | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the log and close the store, once."""
        if self._running:
            self._running = False
            self.log.stop()
            close_index(self.index)
            self.store.close()

    def new_retention(self, clock: Clock | None = None) -> Retention:
        """Return what deletes old messages, by a clock of its own."""
        days = self.settings.history.retention_days
        return Retention(self.store, self.index, self.log, self.accounts.exists, days, clock)

    def add_accounts(self, *names: str) -> None:
        """Write accounts with the password PASSWORD."""
        hashed = self.passwords.hash(PASSWORD)
        with self.accounts.edit() as draft:
            for name in names:
                draft.put(Account(name, hashed))

    def admit(self, client: Client) -> Joined:
        """Give the client's session its place in the order; its outbox holds, as at a login."""
        session = client.session
        account = self.accounts.look_up(session.account)
        session.identity = "" if account is None else self.accounts.identity(account)

        def join(seq: int) -> Joined:
            known = self.log.has_standing(session.key)
            return self.presence.join(session, seq, known=known)

        return self.log.run(join, session.key)

    def join(self, client: Client) -> Client:
        """Add the client's session to the directory; nothing is replayed."""
        self.admit(client)
        client.connection.outbox.release()
        client.connection.logged_in = True
        self.settle()
        return client

    def joined(self, *names: str) -> list[Client]:
        """Return a new json client for each name, all of them here, with nothing left to read."""
        clients = [self.join(Client(name)) for name in names]
        for each in clients:
            each.stream.sent.clear()
        return clients

    def leave(self, client: Client) -> None:
        """Take the client's session out of the directory."""
        self.log.run(lambda _: self.presence.leave(client.session), client.session.key)
        self.settle()

    def context(self, client: Client, *, logged_in: bool = True) -> Context:
        """Return the context in which the client's commands run."""
        limits = self.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst, self.clock)
        session = client.session if logged_in else None
        return Context(self.services, self.registry, client.connection, bucket, session)

    def ask(self, context: Context, op: str, **arguments: object) -> Event | None:
        """Carry out a json request as a handler thread would; return its answer, if any by now."""
        request = JsonDialect(self.registry, 0).read(encode({"op": op, **arguments}))
        assert not isinstance(request, Direct)
        event = dispatch(context, request)
        if context.session is not None:
            self.replay.serve(context.session)
        self.settle()
        if event is None:
            return None
        answered: Event = json.loads(JSON.answer(request, event))
        return answered

    def say(self, client: Client, text: str, *to: str, key: str | None = None) -> Post:
        """Append a message, to the room or to accounts."""
        post = Post(client.session, None, text, key, to or None)
        self.log.append(post)
        return post

    def index_all(self) -> None:
        """Make everything said so far findable; the index has no thread here."""
        index_all(self.index)

    def settle(self) -> None:
        """Wait until the log thread has done and sent everything that came before."""
        for _ in range(2):  # a batch is sent after its changes are done, but before the next one
            self.log.run(lambda _: None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the log thread waiting, so that what is appended inside becomes one batch."""
        begun, go_on = threading.Event(), threading.Event()

        def pause(_: int) -> None:
            begun.set()
            go_on.wait(DEADLINE)

        self.log.run_later(pause)
        assert begun.wait(DEADLINE)
        try:
            yield
        finally:
            go_on.set()
            self.settle()


def index_all(index: SearchIndex) -> None:
    """Do at once what the indexer thread does in its own time."""
    while index._step() or index._purge(float("inf")):
        pass


def close_index(index: SearchIndex) -> None:
    """Close an index whose thread was never started."""
    index.close()
