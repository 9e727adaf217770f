"""A bot for games and decisions: `!roll 2d6`, `!poll Lunch? pizza / soup`, `!vote 1`, `!result`.

CHAT_HOST=… CHAT_USER=dice CHAT_PASSWORD=… python -m examples.dice
"""

import random
import re
from dataclasses import dataclass, field
from typing import Final

from chatclient.bot import Bot
from chatwire.events import Message

_ROLL: Final = re.compile(r"(\d{0,3})d(\d{1,4})([+-]\d{1,4})?", re.IGNORECASE)
_USAGE: Final = "Say !roll, or !roll 2d6+1: up to 100 dice of 2 to 1000 sides."
_MOST_CHOICES: Final = 20


@dataclass
class Poll:
    """A question, what can be chosen, and who has chosen what."""

    question: str
    choices: list[str]
    votes: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as it stands, one choice a line."""
        counts = list(self.votes.values())
        rows = [
            f"{number}. {choice}: {counts.count(number)}"
            for number, choice in enumerate(self.choices, 1)
        ]
        return "\n".join([self.question, *rows])


def roll(dice: str) -> str:
    """Return a throw of dice such as 2d6+1, in words."""
    found = _ROLL.fullmatch(dice.replace(" ", "") or "1d6")
    if found is None:
        return _USAGE
    count, sides, bonus = int(found[1] or 1), int(found[2]), int(found[3] or 0)
    if not 1 <= count <= 100 or not 2 <= sides <= 1000:
        return _USAGE
    thrown = [random.randint(1, sides) for _ in range(count)]
    if count == 1 and not bonus:
        return str(thrown[0])
    return f"{' + '.join(map(str, thrown))}{found[3] or ''} = {sum(thrown) + bonus}"


def parse_poll(text: str) -> Poll | None:
    """Return the poll in `Question? this / that`; None when there is nothing to choose."""
    question, mark, rest = text.partition("?")
    choices = [choice.strip() for choice in rest.split("/") if choice.strip()]
    if not mark or not question.strip() or not 2 <= len(choices) <= _MOST_CHOICES:
        return None
    return Poll(question.strip() + "?", choices)


def add_to(bot: Bot) -> None:
    """Teach a bot to throw dice and to hold one poll at a time."""
    polls: list[Poll] = []

    @bot.command("roll")
    def throw(message: Message, arguments: str) -> str:
        return f"{message.sender}: {roll(arguments)}"

    @bot.command("poll")
    def ask(message: Message, arguments: str) -> str | None:  # noqa: ARG001
        poll = parse_poll(arguments)
        if poll is None:
            return "Say it like this: !poll Lunch? pizza / soup"
        polls[:] = [poll]
        bot.broadcast(f"{poll}\nSay !vote and a number.")
        return None

    @bot.command("vote")
    def vote(message: Message, arguments: str) -> str:
        if not polls:
            return "There is no poll."
        number = int(arguments) if re.fullmatch("[0-9]{1,4}", arguments) else 0
        if not 1 <= number <= len(polls[0].choices):
            return f"Vote for a number from 1 to {len(polls[0].choices)}."
        polls[0].votes[message.sender] = number
        return f"{message.sender} votes for {polls[0].choices[number - 1]}."

    @bot.command("result")
    def result(message: Message, arguments: str) -> str:  # noqa: ARG001
        return str(polls[0]) if polls else "There is no poll."


def main() -> None:
    """Be the program."""
    bot = Bot()
    add_to(bot)
    bot.main()


if __name__ == "__main__":
    main()
