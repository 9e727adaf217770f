"""A small bot: it greets who comes, and answers what it is told in private or by its name.

CHAT_PASSWORD=… python -m examples.greeter HOST PORT NAME
"""

import sys

from chatclient.bot import Bot
from chatwire.events import Message, Presence
from chatwire.replies import LoginReply

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


def add_to(bot: Bot) -> None:
    """Teach a bot to greet and to answer."""

    @bot.start
    def greet_all(welcome: LoginReply) -> None:
        for name in welcome.online:
            bot.send(name, greeting(name))

    @bot.presence
    def greet(presence: Presence) -> str | None:
        return greeting(presence.name) if presence.state == "online" else None

    @bot.mention
    def reply(message: Message) -> str:
        return answer(message.text)


def main(host: str, port: int, name: str) -> None:
    """Be the program."""
    bot = Bot(host, port=port, user=name)
    add_to(bot)
    bot.main()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
