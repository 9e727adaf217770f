"""A bot that reminds: tell it `remind me in 10m to drink something`, in private or by its name.

CHAT_HOST=… CHAT_USER=reminder CHAT_PASSWORD=… python -m examples.reminder [FILE]

What it has to remember is in FILE (reminders.json), so it may be restarted. What it was told while
it was away it hears at its next login; the number of each message keeps it from doing anything
twice.
"""

import os
import re
import sys
import time
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from chatclient.bot import Bot
from chatclient.errors import LinkLost
from chatwire.events import Message
from chatwire.names import fold
from chatwire.replies import Reply

_REQUEST: Final = re.compile(
    r"\bremind\s+me\s+in\s+(.{1,60}?)\s+(?:to|that|about|of)\s+(.+)", re.IGNORECASE | re.DOTALL
)
_PART: Final = re.compile(r"(\d{1,9})\s*([a-z])[a-z]*", re.IGNORECASE)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST: Final = 366 * 86400
_MOST_EACH: Final = 50
_USAGE: Final = (
    "Say: remind me in 10m to water the plants. Seconds, minutes, hours, days and weeks will do;"
    " !reminders lists yours, !forget and a number drops one."
)


class Reminder(Struct, kw_only=True):
    """What to tell whom at what time (seconds since 1970); `seq` is the message that asked."""

    seq: int
    who: str
    at: float
    what: str


class Memory(Struct, kw_only=True):
    """What is in the file; `seen` is the last message that has changed it."""

    seen: int = 0
    reminders: list[Reminder] = field(default_factory=list)


class Reminders:
    """The reminders, kept in a file. Used by the bot's one thread."""

    def __init__(self, file: Path) -> None:
        """Read the file, if there is one. Raises ValueError when it is something else."""
        self._file = file
        self._memory = Memory()
        if file.exists():
            self._memory = msgspec.json.decode(file.read_bytes(), type=Memory)

    def add(self, reminder: Reminder) -> None:
        """Remember something, unless the message that asked for it has been seen."""
        if reminder.seq > self._memory.seen:
            self._memory.seen = reminder.seq
            self._memory.reminders.append(reminder)
            self._save()

    def drop(self, reminder: Reminder) -> None:
        """Forget something."""
        self._memory.reminders.remove(reminder)
        self._save()

    def of(self, who: str) -> list[Reminder]:
        """Return what is remembered for somebody, the next first."""
        mine = [each for each in self._memory.reminders if fold(each.who) == fold(who)]
        return sorted(mine, key=lambda each: each.at)

    def due(self, now: float) -> list[Reminder]:
        """Return what it is time for."""
        return [each for each in self._memory.reminders if each.at <= now]

    def _save(self) -> None:
        """Write all of it beside the file, then put it in its place, so that it is always whole."""
        beside = self._file.with_name(f"{self._file.name}.new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(self._memory))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)


def seconds_in(text: str) -> int:
    """Return a time such as `1h 30m` or `2 days` in seconds; 0 when it is none or too long."""
    parts = _PART.findall(text)
    if not parts or any(unit.lower() not in _SECONDS for _, unit in parts):
        return 0
    total = sum(int(count) * _SECONDS[unit.lower()] for count, unit in parts)
    return total if total <= _LONGEST else 0


def add_to(bot: Bot, reminders: Reminders) -> None:
    """Teach a bot to remind."""
    on_their_way: dict[int, Future[Reply]] = {}

    @bot.mention
    def remember(message: Message) -> str:
        found = _REQUEST.search(message.text)
        seconds = seconds_in(found[1]) if found else 0
        if found is None or not seconds:
            return _USAGE
        if len(reminders.of(message.sender)) >= _MOST_EACH:
            return "You have too many reminders; !forget some first."
        said_at = datetime.fromisoformat(message.at).timestamp()
        reminder = Reminder(
            seq=message.seq, who=message.sender, at=said_at + seconds, what=found[2].strip()
        )
        reminders.add(reminder)
        return f"I will remind you at {_clock(reminder.at)} (number {reminder.seq})."

    @bot.command("reminders")
    def show(message: Message, arguments: str) -> str:  # noqa: ARG001
        mine = reminders.of(message.sender)
        rows = [f"{each.seq}. {_clock(each.at)}: {each.what}" for each in mine]
        return "\n".join(rows) or "You have no reminders."

    @bot.command("forget")
    def forget(message: Message, arguments: str) -> str:
        for each in reminders.of(message.sender):
            if str(each.seq) == arguments:
                reminders.drop(each)
                return f"Forgotten: {each.what}"
        return "You have no reminder with that number: see !reminders."

    @bot.every(1)
    def remind() -> None:
        for each in reminders.due(time.time()):
            future = on_their_way.get(each.seq)
            if future is None or (future.done() and isinstance(future.exception(), LinkLost)):
                # The same key each time, so that a restart at the wrong moment repeats nothing.
                on_their_way[each.seq] = bot.send(
                    each.who, f"Reminder: {each.what}", key=f"reminder-{each.seq}"
                )
            elif future.done():
                reminders.drop(each)
                del on_their_way[each.seq]


def _clock(at: float) -> str:
    moment, today = datetime.fromtimestamp(at), datetime.now().date()
    return f"{moment:%H:%M}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M}"


def main(file: Path) -> None:
    """Be the program."""
    try:
        reminders = Reminders(file)
    except (OSError, ValueError) as error:
        sys.exit(f"{file} cannot be read as reminders ({error}): move it away to begin anew.")
    bot = Bot(replayed=True)
    add_to(bot, reminders)
    bot.main()


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or ["reminders.json"]))
