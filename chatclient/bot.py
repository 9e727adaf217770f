"""Bots: decorated functions that answer messages, mentions and commands, and work by the clock.

    bot = Bot()  # CHAT_HOST, CHAT_USER and CHAT_PASSWORD, or a server named in the settings
    ops = bot.room("ops")

    @ops.command("roll")
    def roll(message, arguments):
        return f"{message.sender} rolled {random.randint(1, 6)}"

    bot.main()

What a handler returns is said where it happened: in the room, or to everybody in the conversation.
A message goes to the most specific handlers there are for it: those of its command, else of a
mention, else of messages, and of each those of its room before those for anywhere. Nobody answers
the bot's own.

Threads: handlers run one after the other, in the order of the messages, in the thread that called
`run`. They must not wait for the Future of something they say or ask: its answer may be behind
messages that wait for them. Other threads may, and may say and ask something and call `stop` at any
time.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from msgspec import UNSET

from chatclient.cli.exits import DONE, finish
from chatclient.cli.options import find
from chatclient.errors import ChatError, LinkLost
from chatclient.faces.follow import acknowledge, tell_of_link
from chatclient.handlers import ANYWHERE, CHANGES, Answer, Handlers, Hearing, command_called
from chatclient.link.backoff import Backoff
from chatclient.link.connection import place
from chatclient.link.keeper import FINAL_CODES, LinkState
from chatclient.link.resume import ResumingClient
from chatclient.schedule import Schedule
from chatclient.setup.credentials import PASSWORD_VARIABLE, find_credentials
from chatclient.setup.entrance import name_and_password
from chatclient.talk.conversation import is_mentioned
from chatwire.events import (
    Deleted,
    Edited,
    Event,
    Message,
    Numbered,
    Presence,
    Reacted,
    RoomChanged,
)
from chatwire.names import LOBBY, fold
from chatwire.replies import LoginReply, Reply
from chatwire.sections import variables
from chatwire.text import clean

OnPresence = Callable[[Presence], Answer]
OnStart = Callable[[LoginReply], None]
OnTime = Callable[[], None]

_PresenceHandler = TypeVar("_PresenceHandler", bound=OnPresence)
_StartHandler = TypeVar("_StartHandler", bound=OnStart)
_TimeHandler = TypeVar("_TimeHandler", bound=OnTime)

_WAKE_SECONDS: Final = 1.0
"""The clock on the wall may be set, so it is looked at this often."""

_SORRY: Final = "That did not work, because of a fault in this bot; whoever runs it can see it."

_log = logging.getLogger(__name__)


class BotRoom(Hearing):
    """One room of a bot: its handlers there, and what it says there."""

    def __init__(self, bot: "Bot", name: str, handlers: Handlers) -> None:
        super().__init__(handlers, name)
        self.name = name
        self._bot = bot

    def send(self, text: str, *, key: str | None = None) -> Future[Reply]:
        """Say something there; as `Bot.send` otherwise."""
        return self._bot.send(f"#{self.name}", text, key=key)

    def members(self) -> Future[Reply]:
        """Ask who is there; the answer is a MembersReply."""
        return self._bot.request("members", room=self.name)

    def join(self) -> Future[Reply]:
        """Join it. What is named before `run` is joined then, and when the bot is invited."""
        return self._bot.request("join", room=self.name)

    def leave(self) -> Future[Reply]:
        """Leave it."""
        return self._bot.request("leave", room=self.name)


class Bot(Hearing):
    """One bot. Decorate its handlers first, then call `main`, or `run` inside another program."""

    def __init__(
        self,
        server: str | None = None,
        *,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        fingerprint: str | None = None,
        plaintext: bool = False,
        prefix: str = "!",
        replayed: bool = False,
        joins: bool = False,
    ) -> None:
        """What is None is taken from the environment and the settings, as by `chat connect`.

        `prefix` is what a command begins with. With `replayed`, messages from before this login are
        handled too: what was said while the bot was away, or while its link was lost. A bot that
        `joins` goes to every room that it is invited to.
        """
        super().__init__(Handlers(), ANYWHERE)
        self._where = {
            "server": server,
            "port": port,
            "user": user,
            "fingerprint": fingerprint,
            "plaintext": plaintext,
        }
        self._password = password
        self._prefix = prefix
        self._replayed = replayed
        self._joins = joins
        self._rooms: dict[str, BotRoom] = {}
        self._schedule = Schedule()
        self._on_start: list[OnStart] = []
        self._on_presence: list[OnPresence] = []
        self._stopped = threading.Event()
        self._client: ResumingClient | None = None
        self._name = ""

    def room(self, name: str) -> BotRoom:
        """Return a room, to say something there and to register what is handled there alone."""
        name = name.removeprefix("#")
        return self._rooms.setdefault(fold(name), BotRoom(self, name, self._handlers))

    # Handlers

    def start(self, handler: _StartHandler) -> _StartHandler:
        """Call this once, after the first login, with what the server said to it."""
        self._on_start.append(handler)
        return handler

    def presence(self, handler: _PresenceHandler) -> _PresenceHandler:
        """Call this when somebody comes or goes; what it returns is said to them."""
        self._on_presence.append(handler)
        return handler

    def every(self, seconds: float) -> Callable[[_TimeHandler], _TimeHandler]:
        """Call this each `seconds`. Raises ValueError."""

        def register(handler: _TimeHandler) -> _TimeHandler:
            self._schedule.every(seconds, self._safely(handler))
            return handler

        return register

    def daily(self, at: str) -> Callable[[_TimeHandler], _TimeHandler]:
        """Call this each day at a local time such as "09:00". Raises ValueError."""

        def register(handler: _TimeHandler) -> _TimeHandler:
            self._schedule.daily(at, self._safely(handler))
            return handler

        return register

    # Saying something (any thread)

    @property
    def name(self) -> str:
        """The bot's own account, once it has logged in."""
        return self._name

    def broadcast(self, text: str, *, key: str | None = None) -> Future[Reply]:
        """Say something to everybody; it is kept, and sent, until the server has answered.

        What is said again with the same `key` is said once. A refusal is logged.
        """
        return self.request("broadcast", text=clean(text), key=key)

    def send(self, to: str | Sequence[str], text: str, *, key: str | None = None) -> Future[Reply]:
        """Say something to one account, to several, or in a room (`#ops`); else as `broadcast`."""
        return self.request("send", text=clean(text), key=key, **place(to))

    def answer(self, event: Numbered, text: str) -> Future[Reply]:
        """Say something where `event` happened: in the room, or to all in the conversation."""
        if not isinstance(event, RoomChanged) and event.to is not UNSET:
            return self.send(self._others(event), text)
        in_lobby = event.room is UNSET or event.room == LOBBY
        return self.broadcast(text) if in_lobby else self.send(f"#{event.room}", text)

    def react(self, message: Message, reaction: str, *, on: bool = True) -> Future[Reply]:
        """React to a message, or, not `on`, no longer do so."""
        return self.request("react", target=message.seq, reaction=reaction, on=on)

    def request(self, op: str, /, **fields: object) -> Future[Reply]:
        """Ask the server for anything else that the protocol has; a refusal is logged."""
        if self._client is None:
            raise LinkLost("The bot has not logged in yet: say it from a handler.")
        given = {name: value for name, value in fields.items() if value is not None}
        future = self._client.submit(op, **given)
        future.add_done_callback(_log_refusal)
        return future

    # Running

    def main(self) -> None:
        """Be a whole program: `run` until Ctrl-C, then exit with a code and a sentence."""
        logging.basicConfig(format="%(message)s")

        def work() -> int:
            self.run()
            return DONE

        finish(work, interrupted=DONE)

    def run(self) -> None:
        """Log in, and handle what comes until `stop`.

        A server that is not there is waited for, at the start and later. Raises SettingsError,
        NoPassword, and what makes it useless to go on: Refused, Untrusted or LinkLost.
        """
        found = find(**self._where).destination
        environ = variables(os.environ)
        if self._password is not None:
            environ[PASSWORD_VARIABLE] = self._password
        credentials = find_credentials(found, environ, None)
        name, password = name_and_password(credentials)
        client = ResumingClient(found.opener(), name, password, attended=False, watch=tell_of_link)
        try:
            welcome = self._log_in(client)
        finally:
            credentials.answered()
        if welcome is None:
            return
        try:
            credentials.accepted(welcome.name, password)
            self._begin(client, welcome)
            self._work(client)
        finally:
            client.close()

    def stop(self) -> None:
        """Leave; `run` returns when the handler that is running has."""
        self._stopped.set()
        if self._client is not None:
            self._client.wake()

    # -- the thread of `run` only --

    def _log_in(self, client: ResumingClient) -> LoginReply | None:
        """Return what the server says to the login, however long it takes; None after `stop`."""
        backoff = Backoff()
        while not self._stopped.is_set():
            try:
                return client.start()
            except ChatError as error:
                if error.code in FINAL_CODES:
                    raise
                wait = backoff.next()
                tell_of_link(LinkState("waiting", wait, error.text))
                self._stopped.wait(wait)
        return None

    def _begin(self, client: ResumingClient, welcome: LoginReply) -> None:
        self._client = client
        self._name = welcome.name
        for room in tuple(self._rooms.values()):
            room.join()
        self._accept(welcome.invited)
        for handler in self._on_start:
            self._try(handler, welcome)

    def _accept(self, rooms: Iterable[str]) -> None:
        """Join the rooms that the bot is invited to and wants to be in."""
        for name in rooms:
            if self._joins or fold(name) in self._rooms:
                self.request("join", room=name)

    def _work(self, client: ResumingClient) -> None:
        while not self._stopped.is_set():
            due = self._schedule.wait()
            for event in client.next_events(
                min(_WAKE_SECONDS, _WAKE_SECONDS if due is None else due)
            ):
                if self._stopped.is_set():
                    return  # not acknowledged, so it comes again
                self._hear(event)
                acknowledge(client, [event])
            self._schedule.run_due()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Presence):
            for handler in self._on_presence:
                answer = self._try(handler, event)
                if answer:
                    self.send(event.name, answer)
        elif isinstance(event, LoginReply):
            self._accept(event.invited)
        elif isinstance(event, Numbered) and fold(event.sender) != fold(self._name):
            self._hear_of(event)

    def _hear_of(self, event: Numbered) -> None:
        """Take what somebody else has said or changed."""
        if isinstance(event, RoomChanged) and event.change == "invited" and self._is_me(event.name):
            self._accept((event.room,))
        if event.replay is True and not self._replayed:
            return
        if isinstance(event, Message):
            self._take(event)
            return
        room = event.room if isinstance(event.room, str) else ANYWHERE
        for handler in self._handlers.of(CHANGES[type(event)], room):
            self._reply(event, self._try(handler, event))

    def _take(self, message: Message) -> None:
        room = message.room if isinstance(message.room, str) else ANYWHERE
        word, *arguments = message.text.split(maxsplit=1) or [""]
        if word.startswith(self._prefix):
            called = command_called(word.removeprefix(self._prefix))
            for handler in self._handlers.of(called, room):
                # Whoever asked for something is told. Nothing else is answered with an error: two
                # bots would do that to each other for ever.
                self._reply(message, self._try(handler, message, "".join(arguments), sorry=_SORRY))
                return
        mentioned = self._handlers.of("mention", room) if self._is_meant(message) else []
        for handler in mentioned or self._handlers.of("message", room):
            self._reply(message, self._try(handler, message))

    def _is_meant(self, message: Message) -> bool:
        """Tell whether a message is private or names the bot."""
        return message.to is not UNSET or is_mentioned(message, self._name)

    def _is_me(self, name: object) -> bool:
        return isinstance(name, str) and fold(name) == fold(self._name)

    def _others(self, event: Message | Edited | Deleted | Reacted) -> tuple[str, ...]:
        """Return who else is in the conversation of a private message."""
        to = () if event.to is UNSET else event.to
        others = {fold(each): each for each in (event.sender, *to) if not self._is_me(each)}
        return tuple(others.values()) or (self._name,)

    def _reply(self, event: Numbered, answer: Answer) -> None:
        if answer:
            self.answer(event, answer)

    def _try(self, handler: Callable[..., Answer], *given: object, sorry: Answer = None) -> Answer:
        """Call a handler; what it raises is logged, and not the end of the bot."""
        try:
            return handler(*given)
        except Exception:
            _log.exception("A handler of the bot failed: %s", getattr(handler, "__name__", handler))
            return sorry

    def _safely(self, handler: OnTime) -> OnTime:
        def work() -> None:
            self._try(handler)

        return work


def _log_refusal(future: "Future[Reply]") -> None:
    error = future.exception()
    if error is not None:
        _log.warning("Not said: %s", error)
