"""The way in: connect, log in, and learn the commands. No screen: who asks is handed in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from chatclient.errors import LinkLost, Refused
from chatclient.link.connection import Connection
from chatclient.talk.commandline import CommandLine
from chatwire.replies import CommandHelp, HelpReply, LoginReply
from chatwire.text import one_line

_MOST_COMMANDS: Final = 1000
"""What a server has to offer people, and many times more."""

_MOST_WORDS: Final = 20
_MOST_CHARACTERS: Final = 500
"""What a command may have of aliases and of parameters, and how long a word of it may be."""

_LONGEST_WAIT: Final = 60.0
"""Seconds; a server that wants us to wait for longer is asked again all the same."""

_PATIENCE: Final = 5
"""How often a server that says "try later" is tried again."""


class AnotherName(Exception):
    """Whoever was asked for a password wants to be asked for the name again."""


class Credentials(Protocol):
    """Where name and password come from. Both may raise EOFError or KeyboardInterrupt."""

    def name(self) -> str:
        """Return the name to log in with; called again after each refusal."""

    def password(self, name: str) -> str:
        """Return the password that goes with `name`. Raises AnotherName."""

    def answered(self) -> None:
        """Take note that the server has answered, or never will: what is typed is shown again."""

    def refused(self, refusal: Refused) -> bool:
        """Take note that the password was wrong, and tell whether to ask again."""

    def accepted(self, name: str, password: str) -> None:
        """Take note that these were right."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is there once somebody is in; `password` is what opened the door, to come back with."""

    connection: Connection
    password: str
    welcome: LoginReply
    commands: CommandLine


def enter(
    open_connection: Callable[[], Connection],
    credentials: Credentials,
    say: Callable[[str], None],
    since: int | None = None,
    *,
    attended: bool = True,
) -> Entry:
    """Connect, ask for name and password until the server takes them, and fetch the commands.

    The connection is made first: nobody should type a password to learn that nobody is listening.
    `say` shows a sentence; `since` is the last message already seen, if that is known, and
    `attended` whether a person is here. Raises
    ConnectFailed, LinkLost, NoAnswer or Refused, and whatever `credentials` raises; then no
    connection is left open.
    """
    connection = open_connection()
    try:
        while True:
            try:
                name, password = name_and_password(credentials)
                if connection.lost is not None:  # the login deadline passed while somebody typed
                    connection.close()
                    connection = open_connection()
                welcome = _login(connection, name, password, since, attended, say)
            except Refused as refusal:
                credentials.answered()
                wrong = refusal.code == "bad_credentials" and refusal.attempts_left != 0
                if not wrong or not credentials.refused(refusal):
                    raise
                continue
            entry = Entry(connection, password, welcome, _commands(connection, say))
            credentials.accepted(welcome.name, password)
            return entry
    except BaseException:
        connection.close()
        raise
    finally:
        credentials.answered()


def name_and_password(credentials: Credentials) -> tuple[str, str]:
    """Return a name and the password that goes with it. Raises what `credentials` raises."""
    while True:
        name = credentials.name()
        try:
            return name, credentials.password(name)
        except AnotherName:
            continue


def refusal_line(refusal: Refused) -> str:
    """Return a refusal in words, with the tries or seconds left unless its text has them."""
    text = refusal.text
    left, wait = refusal.attempts_left, refusal.retry_after
    if left is not None and str(left) not in text:
        text += " (1 try left)" if left == 1 else f" ({left} tries left)"
    if wait is not None and str(wait) not in text:
        text += f" (try again in {wait} s)"
    return text


def _login(
    connection: Connection,
    name: str,
    password: str,
    since: int | None,
    attended: bool,
    say: Callable[[str], None],
) -> LoginReply:
    """Log in, waiting as often as is decent when the server is too busy to check a password."""
    for _ in range(_PATIENCE):
        try:
            return connection.login(name, password, since, attended=attended)
        except Refused as refusal:
            if refusal.code != "try_later":
                raise
            say(refusal_line(refusal))
            asked_for = 1.0 if refusal.retry_after is None else refusal.retry_after
            time.sleep(max(0.0, min(asked_for, _LONGEST_WAIT)))
    return connection.login(name, password, since, attended=attended)


def _commands(connection: Connection, say: Callable[[str], None]) -> CommandLine:
    """Return the server's commands; none where it refuses to describe them."""
    try:
        reply = connection.request("help")
    except Refused as refusal:
        say(f"The server does not say which commands it has: {refusal.text}")
        return CommandLine(())
    if not isinstance(reply, HelpReply):
        raise LinkLost("The server did not say which commands it has: update it or the client.")
    return CommandLine(map(_harmless, reply.commands[:_MOST_COMMANDS]))


def _harmless(command: CommandHelp) -> CommandHelp:
    """Return a command with nothing in its words that would steer the line it is typed on."""
    return CommandHelp(
        name=one_line(command.name[:_MOST_CHARACTERS]),
        aliases=tuple(one_line(each[:_MOST_CHARACTERS]) for each in command.aliases[:_MOST_WORDS]),
        group=command.group,
        summary=one_line(command.summary[:_MOST_CHARACTERS]),
        parameters=tuple(
            msgspec.structs.replace(each, label=one_line(each.label[:_MOST_CHARACTERS]))
            for each in command.parameters[:_MOST_WORDS]
        ),
    )
