"""A bot that holds a stand-up in a room: it asks in the morning, and puts the answers together.

CHAT_HOST=… CHAT_USER=standup CHAT_PASSWORD=… python -m examples.standup ROOM [09:30 [FILE]]

On working days it asks at that time. Whoever writes to it within half an hour, by its name in the
room or in private, has answered; what is corrected or deleted later counts as it reads then. After
that it says in the room what there is, and who is missing. `!standup` shows how it stands. What it
has to remember is in FILE (standup.json), so it may be restarted at any time.
"""

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET, Struct, field

from chatclient.bot import Bot
from chatwire.events import Deleted, Edited, Message
from chatwire.names import fold
from chatwire.replies import MembersReply, Reply

_QUESTION: Final = (
    "Stand-up! What have you done, what comes next, what is in your way?"
    " Tell me until {:%H:%M}, here by my name or in private."
)
_WAIT: Final = timedelta(minutes=30)
_SATURDAY: Final = 5


class Said(Struct, kw_only=True):
    """What somebody has answered, as message `seq`."""

    seq: int
    who: str
    text: str


class Round(Struct, kw_only=True):
    """The stand-up of one day (`2026-11-25`): what is in the file."""

    day: str = ""
    closed: bool = True
    answers: list[Said] = field(default_factory=list)


class StandUp:
    """The last stand-up, kept in a file. Used by the bot's one thread."""

    def __init__(self, at: str, file: Path) -> None:
        """`at` is a time such as `09:30`. Raises ValueError, also for a file of something else."""
        self.at = datetime.strptime(at, "%H:%M").time()
        self._file = file
        self.round = Round()
        if file.exists():
            self.round = msgspec.json.decode(file.read_bytes(), type=Round)

    def end(self, now: datetime) -> datetime:
        """Return until when the answers of a day are waited for."""
        return datetime.combine(now.date(), self.at) + _WAIT

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time to ask, and this day's has not begun."""
        in_time = self.end(now) - _WAIT <= now < self.end(now)
        return now.weekday() < _SATURDAY and in_time and self.round.day != _day(now)

    def is_over(self, now: datetime) -> bool:
        """Tell whether the time of one that is open has passed."""
        return not self.round.closed and (self.round.day != _day(now) or now >= self.end(now))

    def begin(self, now: datetime) -> None:
        """Begin the one of this day."""
        self.round = Round(day=_day(now), closed=False)
        self._save()

    def close(self) -> None:
        """Take no more answers."""
        self.round.closed = True
        self._save()

    def note(self, answer: Said) -> None:
        """Note an answer; the same person's last one is no more."""
        others = [each for each in self.round.answers if each.who != answer.who]
        self.round.answers = [*others, answer]
        self._save()

    def correct(self, seq: int, text: str) -> None:
        """Have the answer in message `seq` read `text`; without text it is none."""
        for each in [each for each in self.round.answers if each.seq == seq]:
            each.text = text
            if not text:
                self.round.answers.remove(each)
            self._save()

    def summary(self, members: list[str]) -> str:
        """Return what was answered, a person a line, and which of the members have not."""
        lines = [f"{each.who}: {' / '.join(each.text.splitlines())}" for each in self.round.answers]
        answered = {fold(each.who) for each in self.round.answers}
        missing = [name for name in members if fold(name) not in answered]
        if missing:
            lines.append(f"No word from {', '.join(missing)}.")
        return "\n".join([f"The stand-up of {self.round.day}:", *lines])

    def _save(self) -> None:
        """Write all of it beside the file, then put it in its place, so that it is always whole."""
        beside = self._file.with_name(f"{self._file.name}.new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(self.round))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)


def _day(now: datetime) -> str:
    return f"{now:%Y-%m-%d}"


def add_to(
    bot: Bot, room: str, standup: StandUp, now: Callable[[], datetime] = datetime.now
) -> None:
    """Teach a bot to hold stand-ups in a room; `now` is the local time."""
    place = bot.room(room)
    asked: list[Future[Reply]] = []

    @bot.mention
    def hear(message: Message) -> str | None:
        text = _words(bot, message.text)
        if standup.round.closed:
            return f"There is no stand-up now; the next one is at {standup.at:%H:%M}."
        if message.to is UNSET and fold(str(message.room)) != fold(room):
            return f"I hold the stand-up of #{room}: tell me there, or in private."
        standup.note(Said(seq=message.seq, who=message.sender, text=text))
        bot.react(message, "👍")
        return None

    @bot.edited
    def correct(event: Edited) -> None:
        standup.correct(event.target, _words(bot, event.text))

    @bot.deleted
    def drop(event: Deleted) -> None:
        standup.correct(event.target, "")

    @bot.command("standup")
    def show(message: Message, arguments: str) -> str:  # noqa: ARG001
        return standup.summary([]) if standup.round.day else "There has been no stand-up yet."

    @bot.every(1)
    def work() -> None:
        moment = now()
        if standup.is_due(moment):
            # The same key for the day, so that a restart at the wrong moment repeats nothing.
            place.send(_QUESTION.format(standup.end(moment)), key=f"standup-{room}-{_day(moment)}")
            standup.begin(moment)
        elif standup.is_over(moment):
            # A handler must not wait for an answer: it is looked at a second later.
            if not asked:
                asked.append(place.members())
            elif asked[0].done():
                members = _members(bot, asked.pop())
                place.send(standup.summary(members), key=f"stood-{room}-{standup.round.day}")
                standup.close()


def _words(bot: Bot, text: str) -> str:
    """Return a text without the name that it is addressed to."""
    return re.sub(rf"^\s*@?{re.escape(bot.name)}\b[:,]?\s*", "", text, flags=re.IGNORECASE)


def _members(bot: Bot, asked: Future[Reply]) -> list[str]:
    """Return who is in the room beside the bot; nobody, where there was no answer."""
    reply = None if asked.exception() else asked.result()
    members = reply.members if isinstance(reply, MembersReply) else ()
    return [each.name for each in members if fold(each.name) != fold(bot.name)]


def main(room: str, at: str, file: Path) -> None:
    """Be the program."""
    try:
        standup = StandUp(at, file)
    except (OSError, ValueError) as error:
        sys.exit(f"{at} must be a time such as 09:30, and {file} a stand-up's or new ({error}).")
    bot = Bot(replayed=True)
    add_to(bot, room, standup)
    bot.main()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit("Say in which room, at what time, and in which file: ROOM [09:30 [FILE]].")
    defaults = ["", "", "09:30", "standup.json"]
    _, room, at, kept = sys.argv + defaults[len(sys.argv) :]
    main(room.removeprefix("#"), at, Path(kept))
