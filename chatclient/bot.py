"""Bots: decorated functions that answer messages, mentions and commands, and work by the clock.

    bot = Bot()  # CHAT_HOST, CHAT_USER and CHAT_PASSWORD, or a server named in the settings

    @bot.command("roll")
    def roll(message, arguments):
        return f"{message.sender} rolled {random.randint(1, 6)}"

    bot.main()

What a handler returns is said where the message was: in the room, or to its sender. A message goes
to the most specific handlers there are for it: those of its command, else of a mention, else of
messages. Nobody answers the bot's own.

Threads: handlers run one after the other, in the order of the messages, in the thread that called
`run`. They must not wait for the Future of something they say: its answer may be behind messages
that wait for them. Other threads may, and may call `send`, `broadcast` and `stop` at any time.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, TypeVar

from msgspec import UNSET

from chatclient.cli.exits import DONE, finish
from chatclient.cli.options import find
from chatclient.errors import ChatError, LinkLost
from chatclient.faces.follow import acknowledge, tell_of_link
from chatclient.link.backoff import Backoff
from chatclient.link.keeper import FINAL_CODES, LinkState
from chatclient.link.resume import ResumingClient
from chatclient.schedule import Schedule
from chatclient.setup.credentials import PASSWORD_VARIABLE, find_credentials
from chatclient.setup.entrance import name_and_password
from chatclient.talk.mention import mentions_in
from chatwire.names import fold
from chatwire.protocol import Event, LoginReply, Message, Presence, Reply
from chatwire.sections import variables
from chatwire.text import clean

Answer = str | None
OnMessage = Callable[[Message], Answer]
OnCommand = Callable[[Message, str], Answer]
OnPresence = Callable[[Presence], Answer]
OnStart = Callable[[LoginReply], None]
OnTime = Callable[[], None]

_MessageHandler = TypeVar("_MessageHandler", bound=OnMessage)
_CommandHandler = TypeVar("_CommandHandler", bound=OnCommand)
_PresenceHandler = TypeVar("_PresenceHandler", bound=OnPresence)
_StartHandler = TypeVar("_StartHandler", bound=OnStart)
_TimeHandler = TypeVar("_TimeHandler", bound=OnTime)

_WAKE_SECONDS: Final = 1.0
"""The clock on the wall may be set, so it is looked at this often."""

_SORRY: Final = "That did not work, because of a fault in this bot; whoever runs it can see it."

_log = logging.getLogger(__name__)


class Bot:
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
    ) -> None:
        """What is None is taken from the environment and the settings, as by `chat connect`.

        `prefix` is what a command begins with. With `replayed`, messages from before this login are
        handled too: what was said while the bot was away, or while its link was lost.
        """
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
        self._schedule = Schedule()
        self._on_start: list[OnStart] = []
        self._on_message: list[OnMessage] = []
        self._on_mention: list[OnMessage] = []
        self._on_presence: list[OnPresence] = []
        self._on_command: dict[str, OnCommand] = {}
        self._stopped = threading.Event()
        self._client: ResumingClient | None = None
        self._name = ""

    # Handlers

    def start(self, handler: _StartHandler) -> _StartHandler:
        """Call this once, after the first login, with what the server said to it."""
        self._on_start.append(handler)
        return handler

    def message(self, handler: _MessageHandler) -> _MessageHandler:
        """Call this with each message that is no command or mention with a handler of its own."""
        self._on_message.append(handler)
        return handler

    def mention(self, handler: _MessageHandler) -> _MessageHandler:
        """Call this with each message to the bot: private, or with its name as a whole word."""
        self._on_mention.append(handler)
        return handler

    def presence(self, handler: _PresenceHandler) -> _PresenceHandler:
        """Call this when somebody comes or goes; what it returns is said to them."""
        self._on_presence.append(handler)
        return handler

    def command(self, name: str) -> Callable[[_CommandHandler], _CommandHandler]:
        """Call this with each message that begins with `!name`, and the text behind that.

        Raises ValueError for a name that is taken or is not one word.
        """
        if name.lower() in self._on_command or not name or name.split() != [name]:
            raise ValueError(f"'{name}' is taken, or is not one word: choose another name.")

        def register(handler: _CommandHandler) -> _CommandHandler:
            self._on_command[name.lower()] = handler
            return handler

        return register

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
        return self._say("broadcast", text=clean(text), key=key)

    def send(self, to: str | Sequence[str], text: str, *, key: str | None = None) -> Future[Reply]:
        """Say something to one account or several; as `broadcast` otherwise."""
        names = [to] if isinstance(to, str) else list(to)
        return self._say("send", to=names, text=clean(text), key=key)

    def answer(self, message: Message, text: str) -> Future[Reply]:
        """Say something where `message` was said: in the room, or to its sender."""
        private = message.to is not UNSET
        return self.send(message.sender, text) if private else self.broadcast(text)

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
        for handler in self._on_start:
            self._try(handler, welcome)

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
        if isinstance(event, Message):
            mine = fold(event.sender) == fold(self._name)
            if not mine and (self._replayed or event.replay is not True):
                self._take(event)
        elif isinstance(event, Presence):
            for handler in self._on_presence:
                answer = self._try(handler, event)
                if answer:
                    self.send(event.name, answer)

    def _take(self, message: Message) -> None:
        word, *arguments = message.text.split(maxsplit=1) or [""]
        command = self._on_command.get(word.removeprefix(self._prefix).lower())
        if command is not None and word.startswith(self._prefix):
            # Whoever asked for something is told. Nothing else is answered with an error: two
            # bots would do that to each other for ever.
            self._reply(message, self._try(command, message, "".join(arguments), sorry=_SORRY))
        else:
            named = message.to is not UNSET or bool(mentions_in(message.text, self._name))
            for handler in self._on_mention if named and self._on_mention else self._on_message:
                self._reply(message, self._try(handler, message))

    def _reply(self, message: Message, answer: Answer) -> None:
        if answer:
            self.answer(message, answer)

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

    # -- any thread --

    def _say(self, op: str, **fields: object) -> Future[Reply]:
        if self._client is None:
            raise LinkLost("The bot has not logged in yet: say it from a handler.")
        future = self._client.submit(op, **fields)
        future.add_done_callback(_log_refusal)
        return future


def _log_refusal(future: "Future[Reply]") -> None:
    error = future.exception()
    if error is not None:
        _log.warning("Not said: %s", error)
