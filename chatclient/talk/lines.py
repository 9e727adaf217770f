"""Events as lines with the local time, for screen readers, logs and pipes: no cursor, no colour.

An event is one line; breaks in what somebody said are shown as ` / `. Only answers that are lists
have more, and those begin with blanks, so that no text can pass for somebody else's line.
"""

from datetime import datetime
from typing import Final

from chatclient.talk.transcript import plain_lines
from chatwire.events import Event, Numbered
from chatwire.protocol import encode
from chatwire.replies import HistoryReply, SearchReply
from chatwire.text import clean, escaped
from chatwire.wording import event_lines

_DATED: Final = "%Y-%m-%d %H:%M"
_TODAY: Final = "%H:%M"
_BREAK: Final = " / "


def stamped_lines(
    event: Event, viewer: str, *, dated: bool = False, numbered: bool = False
) -> list[str]:
    """Return an event as `viewer`, an account name, reads it; `dated`: each time with its day.

    Without that, only what was said on another day has one. `numbered`: messages have their numbers
    as people type them.
    """
    now = datetime.now().astimezone()
    if isinstance(event, HistoryReply | SearchReply):
        past = [
            line
            for each in event.messages
            for line in stamped_lines(each, viewer, dated=True, numbered=numbered)
        ]
        return [*past, *_stamped(now, list(map(clean, event_lines(event))), now, dated)]
    lines = plain_lines(event, viewer)
    parts = [part for line in lines for part in line.split("\n")]
    if isinstance(event, Numbered):
        said = _BREAK.join(part.strip() if at else part for at, part in enumerate(parts))
        if numbered and said:
            said = f"^{event.seq} {said}"
        return _stamped(local_time(event.at), [said] if said else [], now, dated)
    return _stamped(now, parts, now, dated)


def json_line(event: Event) -> bytes:
    """Return an event as it is on the wire, but for escapes where a screen would obey it."""
    line = encode(event)
    if line.isascii() and b"\x7f" not in line:  # controls below the space are escaped anyway
        return line
    return escaped(line[:-1].decode()).encode() + b"\n"


def local_time(at: str) -> datetime | None:
    """Return a time on the wire as local time; None when it is none."""
    try:
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _stamped(moment: datetime | None, lines: list[str], now: datetime, dated: bool) -> list[str]:
    """Return lines with the time before the first, and blanks as wide before the others."""
    if moment is None:
        stamp = "--:--"
    else:
        today = not dated and moment.date() == now.date()
        stamp = moment.strftime(_TODAY if today else _DATED)
    blank = " " * len(stamp)
    return [f"{blank if at else stamp} {line}" for at, line in enumerate(lines)]
