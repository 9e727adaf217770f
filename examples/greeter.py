"""A small bot: it greets who comes, and answers what it is told in private.

CHAT_PASSWORD=… python -m examples.greeter HOST PORT NAME
"""

import os
import sys

from chatclient.connection import Connection
from chatwire.protocol import Event, Message, Presence

_ANSWERS = {
    "hi": "Hello! Ask me for help.",
    "hello": "Hello! Ask me for help.",
    "help": "I know: hi, ping, and how many letters a word has.",
    "ping": "pong",
}


def greeting(name: str) -> str:
    """Return the first words to somebody."""
    return f"Hello, {name}! I am a bot; send me: help"


def answer(text: str) -> str:
    """Return what the bot says to `text`."""
    words = text.lower().strip(" .!?").split()
    if len(words) == 1 and words[0] in _ANSWERS:
        return _ANSWERS[words[0]]
    return f"That has {sum(map(len, words))} letters in {len(words)} words."


def react(chat: Connection, event: Event) -> None:
    """Greet whoever comes online; answer a private message that is not a replay."""
    if isinstance(event, Presence) and event.state == "online":
        chat.send(event.name, greeting(event.name))
    elif isinstance(event, Message) and isinstance(event.to, tuple) and event.replay is not True:
        chat.send(event.sender, answer(event.text))
    if isinstance(event, Message):
        chat.ack(event.seq)


def main(host: str, port: int, name: str, password: str) -> None:
    """Run the bot until the connection ends."""
    with Connection.open(host, port) as chat:
        greeted = chat.login(name, password)
        for person in greeted.online:
            chat.send(person, greeting(person))
        for event in chat.events():
            react(chat, event)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], os.environ["CHAT_PASSWORD"])
