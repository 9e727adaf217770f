"""A server without sockets: real parts put together, clients that are only bytes in memory."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

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
from chatserver.dialects.json import JsonDialect, JsonRequest
from chatserver.errors import Disconnected
from chatserver.net.ratelimit import SlidingWindows, TokenBucket, TokenBuckets
from chatserver.order.clock import Clock
from chatserver.order.delivery import Delivery
from chatserver.order.devices import Devices
from chatserver.order.items import AccountMade, Came, Purged, Said, Went
from chatserver.order.local import LocalOrder
from chatserver.order.log import Log
from chatserver.order.outcome import Arrived, Registered
from chatserver.order.pending import Entry, Question
from chatserver.order.presence import Presence
from chatserver.order.records import LOBBY_ID
from chatserver.order.records import Account as AccountState
from chatserver.order.registrar import Registrar
from chatserver.order.replay import Replay
from chatserver.order.retention import Retention
from chatserver.search.archive import Archive
from chatserver.search.index import FILE_NAME as SEARCH_FILE
from chatserver.search.index import SearchIndex
from chatserver.services import Services
from chatserver.sessions.connection import Connection
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.rooms import Rooms
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
T = TypeVar("T")


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """Return what fails whatever it is called with."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def begun(action: Callable[..., T], *arguments: object) -> Future[T]:
    """Begin something in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(action, *arguments)
    pool.shutdown(wait=False)
    return future


def all_at_once(*actions: Callable[[], T]) -> list[T]:
    """Do each in a thread of its own, all of them together; return what they return."""
    together = threading.Barrier(len(actions))

    def act(action: Callable[[], T]) -> T:
        together.wait(DEADLINE)
        return action()

    return [each.result(DEADLINE) for each in [begun(act, action) for action in actions]]


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
        self.sends: list[int] = []  # how many bytes each send was given
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
        self.sends.append(len(data))
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


_NUMBERS = itertools.count(1000)  # a handler beside these counts from 1


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
        number = next(_NUMBERS)
        self.connection = Connection(number, self.stream, outbox_bytes, renderer, self._watch)
        self.session = Session(self.connection, 0, account, since)  # it has no number yet

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

    @property
    def ending(self) -> tuple[str | None, str] | None:
        """How the connection has ended, in code and words."""
        found = self.connection.ending
        return None if found is None else (found.code, found.text)

    @property
    def code(self) -> str | None:
        """The code with which the connection has ended."""
        return None if self.ending is None else self.ending[0]

    def _watch(self, _: Connection) -> None:
        self.watched += 1


class Server(Scoped):
    """The parts of a server on a data folder, its log thread running inside a `with`."""

    def __init__(self, data: Path, **sections: Any) -> None:
        usual = {"passwords": CHEAP, "session": SessionSettings(rate_per_second=0)}
        self.settings = Settings(**(usual | sections))
        self.clock = FakeClock()
        self.time = Clock()
        self.store = Store(data / STORE_FILE, synchronous="off")  # no test pulls the plug
        self.accounts = Accounts(data / ACCOUNTS_FILE)
        self.passwords = Passwords(self.settings.passwords)
        login, limits = self.settings.login, self.settings.session
        self.directory = UserDirectory(self.store.load())
        self.replay = Replay(self.store, self.settings.history.replay_limit)
        self.presence = Presence(
            self.directory, self.settings.session.presence_notices_up_to, self.replay.start
        )
        self.delivery = Delivery(self.directory, self.presence)
        self.index = SearchIndex(data / SEARCH_FILE, self.store)
        self.log = Log(self.store, self.directory, self.delivery, self.index.forget)
        self.order = LocalOrder(self)
        self.registrar = Registrar(self.accounts, self.directory, self.order, self.time)
        self.devices = Devices(self.accounts, self.directory, self.order, self.registrar, self.time)
        self._gate = threading.Event()  # shut while the log thread is to wait
        self._gate.set()
        self._waits = threading.Event()
        self.retention = self.new_retention()
        self.archive = Archive(self.store, self.index, most_bytes=100_000)
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
            clock=self.time,
            order=self.order,
            registrar=self.registrar,
            devices=self.devices,
            replay=self.replay,
            archive=self.archive,
            rooms=Rooms(self.directory, lobby=self.settings.rooms.lobby),
            guesses=SlidingWindows(20, 86_400, self.clock),
            rates=TokenBuckets(limits.rate_per_second, limits.rate_burst, self.clock),
        )
        self._running = False

    def begin(self) -> None:
        self.order.start()
        self._running = True

    def end(self, error: BaseException | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the log and close the store, once."""
        if self._running:
            self._running = False
            self.order.stop()
            self.log.finish()
            self.index.close()  # whose thread was never started
            self.store.close()

    def follow(self, batch: Sequence[Entry]) -> None:
        """Be the follower: the log, which `paused` keeps waiting."""
        if not self._gate.is_set():
            self._waits.set()
            self._gate.wait(DEADLINE)
        self.log.follow(batch)

    def new_retention(self, clock: Clock | None = None) -> Retention:
        """Return what deletes old messages, by a clock of its own."""
        days = self.settings.history.retention_days
        return Retention(self.store, self.index, self.order, days, clock or Clock())

    def add_accounts(self, *names: str) -> None:
        """Write accounts with the password PASSWORD."""
        hashed = self.passwords.hash(PASSWORD)
        with self.accounts.edit() as draft:
            for name in names:
                draft.put(Account(name, hashed))

    def put(self, name: str, hashed: str) -> None:
        """Write an account with a hash, as an operator may with an editor."""
        with self.accounts.edit() as draft:
            draft.put(Account(name, hashed))

    def hash_of(self, name: str) -> str:
        """Return the hash that is in the file."""
        account = self.accounts.look_up(name)
        assert account is not None
        return account.hash

    def admit(self, client: Client) -> Arrived:
        """Give the client's session its place in the order; its outbox holds, as at a login."""
        session = client.session
        account = self.accounts.look_up(session.account)
        session.identity = "" if account is None else self.accounts.identity(account)
        session.account_id = self.account_id(session.account)
        self.directory.enter(session)
        at, account_id, name = self.time.now(), session.account_id, session.account
        came = Came(at=at, account=account_id, session=session.id, name=name)
        arrived = self.order.run(came)
        assert isinstance(arrived, Arrived)
        return arrived

    def join(self, client: Client) -> Client:
        """Add the client's session to the directory; nothing is replayed."""
        self.admit(client)
        client.session.owed.clear()
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
        session, at = client.session, self.time.now()
        acked = 0 if session.revoked else session.read
        self.order.run(Went(at=at, account=session.account_id, session=session.id, acked=acked))
        self.settle()

    def account_id(self, name: str) -> int:
        """Return the number of an account, whether or not it is in the file."""
        made = self.order.run(AccountMade(at=0, name=name))
        assert isinstance(made, Registered)
        return made.account

    def account(self, name: str) -> AccountState:
        """Return how the account that has a name now stands; only to look at."""
        found = self.directory.state.account(name)
        assert found is not None
        return found

    def sessions_of(self, name: str) -> tuple[Session, ...]:
        """Return the sessions of the account that has a name now, if there is one."""
        found = self.directory.state.account(name)
        return () if found is None else self.directory.sessions_of(found.id)

    def log_in(self, name: str, password: str = PASSWORD, **fields: object) -> Client:
        """Return a client that has logged in as people do, and what it was told by that."""
        client, context = self.arriving(name)
        assert self.ask(context, "login", name=name, password=password, **fields) == {}
        assert context.session is not None
        client.session = context.session
        return client

    def arriving(self, name: str = "bob") -> tuple[Client, Context]:
        """Return a client that has not logged in yet, and its context."""
        client = Client(name)
        return client, self.context(client, logged_in=False)

    def context(self, client: Client, *, logged_in: bool = True) -> Context:
        """Return the context in which the client's commands run."""
        limits = self.settings.session
        bucket = TokenBucket(limits.rate_per_second, limits.rate_burst, self.clock)
        session = client.session if logged_in else None
        return Context(self.services, self.registry, client.connection, bucket, session)

    def ask(self, context: Context, op: str, **arguments: object) -> Event:
        """Carry out a json request as a handler thread would; return its answer, if any by now."""
        request = JsonDialect(self.registry, 0).read(encode({"op": op, **arguments}))
        assert not isinstance(request, Direct)
        event = dispatch(context, request)
        if context.session is not None:
            self.replay.serve(context.session)
        self.settle()
        if event is None:
            return {}
        answered: Event = json.loads(JSON.answer(request, event))
        return answered

    def say(self, client: Client, text: str, *to: str, key: str | None = None) -> None:
        """Say something, to the room or to accounts; it is done but where the log is `paused`."""
        said = Said(
            at=self.time.now(),
            account=client.session.account_id,
            session=client.session.id,
            text=text,
            room=None if to else LOBBY_ID,
            to=tuple(map(self.account_id, to)),
            key=key,
        )
        self.order.append(said, Question(client.session, None, (), "send" if to else "broadcast"))
        if self._gate.is_set():
            self.settle()

    def settle(self) -> None:
        """Wait until the log thread has done and sent everything that came before."""
        for _ in range(2):  # a batch is sent after its waiters go on, but before the next one
            self.order.run(Purged(at=0, seqs=()))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the log thread waiting, so that what is appended inside becomes one batch."""
        self._waits.clear()
        self._gate.clear()
        self.order.append(Purged(at=0, seqs=()))
        assert self._waits.wait(DEADLINE)
        try:
            yield
        finally:
            self._gate.set()
            self.settle()


def index_all(index: SearchIndex) -> None:
    """Do at once what the indexer thread does in its own time."""
    while index._step() or index._purge(float("inf")):
        pass


def said_once(
    server: Server, when: float, *texts: str, sender: str = "bob", to: Sequence[str] = ()
) -> int:
    """Have messages on disk that somebody who is here said at a time (s since 1970). Return the
    number of the last. Nobody is told: the log thread must have nothing to do."""
    state, account = server.directory.state, server.account(sender)
    ids = tuple(map(server.account_id, to))
    server.settle()
    state.at = 0  # it never goes back but here
    room, at = None if to else LOBBY_ID, int(when * 1000)
    words: dict[str, Any] = {"account": account.id, "session": account.sessions[0]}
    words |= {"room": room, "to": ids}
    said = [Entry(Said(at=at, text=text, **words), None) for text in texts]
    server.directory.apply(said)
    server.store.write(state)
    state.saved()
    return state.seq


class Pair:
    """Alice and bob, logged in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.alice, self.bob = server.joined("alice", "bob")
        self.as_alice, self.as_bob = map(server.context, (self.alice, self.bob))

    def alice_asks(self, op: str, **fields: object) -> Event:
        """Return the answer to what alice asks for, {} if there is none by now."""
        return self.server.ask(self.as_alice, op, **fields)

    def bob_asks(self, op: str, **fields: object) -> Event:
        """Return the answer to what bob asks for, {} if there is none by now."""
        return self.server.ask(self.as_bob, op, **fields)


class People:
    """Accounts, logged in by json, who ask for things; what they are shown is kept for them."""

    def __init__(self, server: Server, *names: str) -> None:
        self.server = server
        self.clients = dict(zip(names, server.joined(*names), strict=True))
        self._contexts = {name: server.context(each) for name, each in self.clients.items()}
        self._shown: dict[str, list[Event]] = {name: [] for name in names}

    def ask(self, name: str, op: str, /, **fields: object) -> Event:
        """Return the answer to what somebody asks for, from whichever thread; {} for none."""
        return self.server.ask(self._contexts[name], op, **fields) or self.answer(name)

    def begin(self, name: str, op: str, /, **fields: object) -> None:
        """Have somebody ask for something while the log is `paused`."""
        assert dispatch(self._contexts[name], request(op, **fields)) is None

    def answer(self, name: str) -> Event:
        """Return the last answer that came by itself; {} for none."""
        answer: Event = {}
        for event in self.clients[name].events():
            if event["event"] in ("reply", "error"):
                answer = event
            else:
                self._shown[name].append(event)
        return answer

    def do(self, name: str, op: str, /, **fields: object) -> Event:
        """Return the answer, which is no refusal."""
        answer = self.ask(name, op, **fields)
        assert answer.get("event") == "reply", (op, fields, answer)
        return answer

    def refused(self, name: str, op: str, /, **fields: object) -> tuple[str, str]:
        """Return the code and words of the refusal."""
        return refusal(self.ask(name, op, **fields))

    def shown(self, name: str) -> list[Event]:
        """Return what somebody was shown since the last call, answers apart."""
        found = self._shown[name] + self.clients[name].events()
        self._shown[name] = []
        return found


def request(op: str, number: int | None = None, **fields: object) -> JsonRequest:
    """Return a request of the json dialect."""
    return JsonRequest(op, number, encode({"op": op, "id": number, **fields}))


def refusal(event: Event) -> tuple[str, str]:
    """Return the code and the words of an answer that is an error."""
    assert event["event"] == "error"
    return event["code"], event["text"]
