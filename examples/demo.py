"""`make demo`: a real server, two accounts and a bot, thrown away afterwards.

At a terminal it opens `chat connect` as one of the two. Anywhere else it plays a conversation
between two real clients that uses most commands, prints it, and fails if anything does not come.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chatclient.errors import ChatError, Refused
from chatclient.link.connection import Connection
from chatclient.talk.commandline import CommandLine
from chatclient.talk.transcript import plain_lines
from chatwire.events import Event, Message, Presence, Replayed
from chatwire.replies import HelpReply
from examples.throwaway import CHAT, end, running_server

_BOT: Final = "greeter"
_WAIT_SECONDS: Final = 10.0

# Who types what, and what the others see of it.
_SCRIPT: Final[list[tuple[str, str, list[tuple[str, str]]]]] = [
    ("alice", "help", []),
    ("alice", "who", []),
    ("alice", "broadcast Good morning, everybody!", [("robin", "Good morning")]),
    ("alice", "create #garden", []),
    ("robin", "rooms", []),
    ("robin", "join #garden", [("alice", "robin joined")]),
    ("alice", "topic #garden tomatoes", [("robin", "tomatoes")]),
    ("alice", "send #garden Who waters today?", [("robin", "Who waters")]),
    ("alice", "edit Who waters tomorrow?", [("robin", "corrected")]),
    ("robin", "react 👍", [("alice", "reacted with 👍")]),
    ("robin", "reply I do", [("alice", "I do")]),
    ("robin", "members #garden", []),
    ("robin", "unread", []),
    ("robin", "send alice Morning! Coffee?", [("alice", "Coffee")]),
    ("robin", "busy making coffee", [("alice", "robin is busy")]),
    ("alice", "send robin Yes please, with milk", []),
    ("alice", f"send (robin {_BOT}) And one for the bot", [("alice", "letters")]),
    ("robin", "status", []),
    (
        "robin",
        "idle",
        [
            ("robin", "milk"),
            ("robin", "for the bot"),
            ("robin", "you missed"),
            ("alice", "no longer"),
        ],
    ),
    ("robin", "hide", [("alice", "went offline")]),
    ("alice", "who", []),
    ("alice", "send robin Are you there?", [("robin", "Are you there")]),
    ("robin", "appear", [("alice", "came online")]),
    ("alice", "last 5", []),
    ("alice", f"send {_BOT} ping", [("alice", "pong")]),
    ("robin", "logout", [("alice", "went offline")]),
    ("alice", "logout", []),
]


def main() -> None:
    """Run the demonstration. Exits 1 with one line when something does not come."""
    with tempfile.TemporaryDirectory(prefix="chat-demo-") as folder:
        names = ("alice", "robin", _BOT)
        with (
            running_server(Path(folder), names) as ((host, port), passwords),
            _bot(host, port, passwords[_BOT]),
        ):
            if sys.stdin.isatty() and sys.stdout.isatty():
                _chat_yourself(host, port, passwords)
            else:
                _play(host, port, passwords)


def _chat_yourself(host: str, port: int, passwords: dict[str, str]) -> None:
    print(f"A server runs at {host} port {port}. You are 'alice'; the bot is '{_BOT}'.")
    print(f"From another terminal, with the password {passwords['robin']}:")
    print(f"  {Path(sys.executable).with_name('chat')} connect {host} {port} --user robin")
    print(
        f"Or in a browser: http://localhost:{port}/, as robin or as alice ({passwords['alice']})."
    )
    print(f"Try: who, broadcast hello, send {_BOT} help. Ctrl-D leaves.\n", flush=True)
    environ = os.environ | {"CHAT_PASSWORD": passwords["alice"]}
    with suppress(KeyboardInterrupt):
        subprocess.run(
            [*CHAT, "connect", host, str(port), "--user", "alice"], env=environ, check=False
        )


def _play(host: str, port: int, passwords: dict[str, str]) -> None:
    people: dict[str, Person] = {}
    try:
        for name in ("robin", "alice"):
            people[name] = Person(name, passwords[name], host, port)
            people[name].expect("I am a bot")
        people["robin"].expect("alice came online")
        for name, line, seen in _SCRIPT:
            people[name].type(line)
            for watcher, text in seen:
                people[watcher].expect(text)
    except (ChatError, DemoFailure) as error:
        sys.exit(f"demo: {error}")
    finally:
        for person in people.values():
            person.chat.close()
    print("That was the tour; everything came.")


class DemoFailure(Exception):
    """Something that should have been seen was not."""


class Person:
    """One of the two, at a real client connection, printing all that is seen."""

    def __init__(self, name: str, password: str, host: str, port: int) -> None:
        self.name = name
        self.chat = Connection.open(host, port)
        self.show(self.chat.login(name, password))
        reply = self.chat.request("help")
        assert isinstance(reply, HelpReply)
        self._commands = CommandLine(reply.commands)

    def type(self, line: str) -> None:
        """Type a command and print its answer."""
        print(f"{self.name:>6} > {line}")
        request = self._commands.parse(line)
        assert request is not None
        if request.op == "logout":
            self.chat.logout()
            return
        try:
            self.show(self.chat.submit(request.op, **request.fields).result(_WAIT_SECONDS))
        except Refused as refusal:
            raise DemoFailure(f"{line!r} was refused: {refusal.text}") from refusal

    def expect(self, text: str) -> None:
        """Print what is seen until `text` is in it."""
        while True:
            event = self.chat.next_event(_WAIT_SECONDS)
            if event is None:
                raise DemoFailure(f"{self.name} did not see '{text}'")
            lines = self.show(event)
            if any(text in line for line in lines):
                return

    def show(self, event: Event) -> list[str]:
        """Print an event as this person reads it, and return its lines."""
        lines = plain_lines(event, self.name)
        unprompted = isinstance(event, Message | Presence | Replayed)
        for line in lines:
            print(f"{self.name:>6} {'<' if unprompted else ' '} {line}")
        return lines


@contextmanager
def _bot(host: str, port: int, password: str) -> Iterator[None]:
    # Its last words would be that the server is going: nobody needs to see them.
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.greeter", host, str(port), _BOT],
        env=os.environ | {"CHAT_PASSWORD": password},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        end(process)


if __name__ == "__main__":
    main()
