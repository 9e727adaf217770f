"""What everybody is to be shown of rooms, worked out a second time from what happened.

The order is that of the numbers the server has given. Everything else is decided here again: who
was where when, and so what a session is shown at its login and after it.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .client import Event

LOBBY = "lobby"

SLACK = 20
"""How much may happen before something that was asked for has its place, or is looked up."""

EVENTS = {"said": "message", "edit": "edited", "delete": "deleted"}
EVENTS |= {"react": "reacted", "unreact": "reacted"}
RANKS = {"member": 0, "moderator": 1, "owner": 2}


@dataclass(frozen=True)
class Happened:
    """One thing that happened: said, edit, delete, react, unreact, or what a room's `change` is."""

    seq: int
    kind: str
    by: str
    room: str | None
    people: frozenset[str] = frozenset()
    target: int | None = None
    who: str | None = None
    value: str = ""
    text: str = ""
    """What was said, or what an edit made of it."""
    links: tuple[int, ...] = ()
    """The session that did it; or those of which one did."""
    to_self: bool = False
    """Whether its sender named himself, too, and is shown it."""


@dataclass
class Room:
    """How a room stands."""

    access: str = "open"
    speaking: str = "everyone"
    history: str = "all"
    roles: dict[str, str] = field(default_factory=dict)
    invited: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)

    def rank(self, name: str) -> int:
        return RANKS[self.roles[name]] if name in self.roles else -1

    @property
    def owners(self) -> list[str]:
        return [name for name, role in self.roles.items() if role == "owner"]


@dataclass
class Stay:
    """A membership: from after message `since` to the change `left` with which it ended."""

    since: int
    left: int | None = None

    def covers(self, seq: int) -> bool:
        return self.since < seq and (self.left is None or seq <= self.left)


@dataclass(frozen=True)
class Shown:
    """What a session is to be shown: `texts` are the words that it may have by then, "" when they
    are taken away; it may be left out where it is `perhaps` the session's own."""

    seq: int
    event: str
    by: str
    texts: tuple[str, ...] | None
    replay: bool
    perhaps: bool

    def is_it(self, event: Event) -> bool:
        same = (event["seq"], event["event"], event["from"]) == (self.seq, self.event, self.by)
        text = "" if event.get("deleted") else event.get("text")
        fits = self.texts is None or text in self.texts
        return same and fits and event.get("replay", False) == self.replay


class Model:
    """Everything that happened, and what follows."""

    def __init__(self, happened: Sequence[Happened], first: dict[str, int]) -> None:
        """`first` is after which message each account came for the first time."""
        self.happened = happened
        self.rooms: dict[str, Room] = {
            LOBBY: Room(history="joined", roles=dict.fromkeys(first, "member"))
        }
        self.after: dict[int, dict[str, Room]] = {0: copy.deepcopy(self.rooms)}
        """How the rooms stood after each number."""
        self.said: dict[int, Happened] = {}
        self.versions: dict[int, list[tuple[int, str]]] = {}
        """How each message has read, and since which number; "" when it was deleted."""
        self._stays: dict[tuple[str, str], list[Stay]] = {
            (LOBBY, name): [Stay(since)] for name, since in first.items()
        }
        last = 0
        for each in happened:
            assert each.seq > last, "a number was given twice"
            for between in range(last + 1, each.seq):
                self.after[between] = self.after[last]
            refusal = self.refusal(self.after[max(each.seq - 1, 0)], each)
            assert refusal is None, f"{each} could not happen: {refusal}"
            self._apply(each)
            self.after[each.seq] = copy.deepcopy(self.rooms)
            last = each.seq
        self.last = last

    # -- what may happen --

    def refusal(self, rooms: dict[str, Room], act: Happened) -> str | None:
        """Return why something cannot happen when rooms stand so; None: it can."""
        if act.kind in ("edit", "delete", "react", "unreact"):
            return self._change_refusal(rooms, act)
        if act.room is None:
            return None
        if act.kind == "made":
            return "there is one" if act.room in rooms else None
        room = rooms.get(act.room)
        if room is None:
            return "no such room"
        if act.kind == "joined":
            found = room.access == "open" or act.by in room.invited
            return None if found or act.by in room.roles else "it is closed"
        if act.kind == "role" and not act.links:
            return None if act.who == heir(room) else "not the heir"  # a last owner has left
        needed = 0
        if act.kind in ("said", "topic"):
            needed = room.speaking == "moderators"
            if act.by in room.muted:
                return "muted"
        elif act.kind == "invited":
            needed = room.access == "closed"
        elif act.kind in ("removed", "withdrawn", "muted"):
            needed = 1
        elif act.kind in ("role", "set"):
            needed = 2
        mine = room.rank(act.by)
        if mine < needed:
            return f"is of rank {mine}, not {needed}"
        return self._person_refusal(room, act)

    def _person_refusal(self, room: Room, act: Happened) -> str | None:
        if act.kind == "left":
            return "last owner" if room.owners == [act.by] and len(room.roles) > 1 else None
        if act.kind in ("removed", "muted"):
            if act.kind == "removed" and act.who in room.invited:
                return None
            theirs, mine = room.rank(act.who or ""), room.rank(act.by)
            if theirs < 0:
                return "not in it"
            if act.who == act.by or (mine < 2 and theirs >= mine) or room.owners == [act.who]:
                return "above"
        if act.kind == "role":
            if room.rank(act.who or "") < 0:
                return "not in it"
            if room.owners == [act.who] and act.value != "owner":
                return "last owner"
        return None

    def _change_refusal(self, rooms: dict[str, Room], act: Happened) -> str | None:
        said = self.said.get(act.target or 0)
        if said is None:
            return "no such message"
        if self.versions[said.seq][-1][1] == "" and self.versions[said.seq][-1][0] < act.seq:
            return "deleted"
        if said.room is None:
            if act.by not in said.people:
                return "not there"
            return None if act.kind.endswith("react") or act.by == said.by else "another's"
        room = rooms[said.room]
        if act.by not in room.roles:
            return "unreadable"
        if room.history != "all" and not self._was_there(act.by, said.room, act.seq, said.seq):
            return "unreadable"
        if act.kind == "delete":
            return None if act.by == said.by or room.rank(act.by) > 0 else "another's"
        if act.by in room.muted:
            return "muted"
        if act.kind == "edit":
            if room.speaking == "moderators" and room.rank(act.by) < 1:
                return "only moderators"
            return None if act.by == said.by else "another's"
        return None

    # -- what is shown --

    def shown(
        self, link: int, name: str, start: int, place: int, *, resumed: bool
    ) -> Iterator[Shown]:
        """Yield what a session is shown that came at `place`, having been given all up to `start`;
        its account's own words, too, if it has `resumed`."""
        for each in self.happened:
            if each.seq <= start:
                continue
            if each.seq <= place:
                # What could be read is looked up at that place or a little later.
                found = {
                    self._is_replayed(each, name, start, place, look, resumed=resumed)
                    for look in range(min(place, self.last), min(place + SLACK, self.last) + 1)
                }
                if True in found:
                    yield self._as_shown(each, place, link, sure=False not in found)
            elif (each.to_self or each.links != (link,)) and self._hears(each, name):
                yield self._as_shown(each, None, link)

    def readable(self, name: str, room: str) -> list[tuple[int, str]] | None:
        """Return what somebody may read of a room now, number and words; None: nothing at all."""
        now = self.rooms[room]
        if name not in now.roles and now.access == "closed":
            return None
        if name not in now.roles and now.history != "all":
            return None
        since = self._stays[room, name][-1].since if name in now.roles else 0
        everything = now.history == "all"
        return [
            (seq, self.versions[seq][-1][1])
            for seq, said in self.said.items()
            if said.room == room and (everything or seq > since)
        ]

    def _is_replayed(
        self, each: Happened, name: str, start: int, place: int, look: int, *, resumed: bool
    ) -> bool:
        if each.by == name and not resumed:
            return False
        since = 0
        if each.room is None:
            there = name in each.people
        else:
            stay = self._stay(each.room, name, place)
            if stay is None:
                return False
            if stay.left is not None and stay.left <= place:
                return each.seq == stay.left  # of a membership that is over, how it ended
            since = stay.since
            there = each.seq > since
        if not there or each.target is None:
            return there
        # What was done to a message that is in the replay itself is in its words.
        said = self.said[each.target]
        is_there = said.seq > max(start, since) and (resumed or said.by != name)
        return not is_there and self._reads(name, each, look)

    def _hears(self, each: Happened, name: str) -> bool:
        if each.room is None:
            return name in each.people
        if each.who == name and each.kind in ("invited", "withdrawn"):
            return True
        stays = self._stays.get((each.room, name), ())
        return any(stay.covers(each.seq) for stay in stays) and self._reads(name, each, each.seq)

    def _reads(self, name: str, each: Happened, look: int) -> bool:
        """Tell whether a member may read the message that something was done to, as the room is set
        up at `look`."""
        if each.target is None or each.room is None:
            return True
        everything = self.after[look][each.room].history == "all"
        return everything or self._was_there(name, each.room, each.seq, each.target)

    def _was_there(self, name: str, room: str, at: int, target: int) -> bool:
        """Tell whether who was a member at some moment was so, without a break, at a message."""
        stays = self._stays.get((room, name), ())
        return any(stay.since < target for stay in stays if stay.covers(at))

    def _stay(self, room: str, name: str, place: int) -> Stay | None:
        """Return the last membership that has begun at a place in the order."""
        stays = [each for each in self._stays.get((room, name), ()) if each.since < place]
        if room == LOBBY:
            return self._stays[room, name][0]
        return stays[-1] if stays else None

    def _as_shown(
        self, each: Happened, place: int | None, link: int, *, sure: bool = True
    ) -> Shown:
        event = EVENTS.get(each.kind, "room")
        texts: tuple[str, ...] | None = (each.text,) if event in ("message", "edited") else None
        if place is not None and texts is not None:
            # It reads as it does when it is looked up, which is at that place or a little later.
            versions = self.versions[each.seq if each.target is None else each.target]
            before = [text for seq, text in versions if seq <= place][-1:]
            texts = (*before, *[text for seq, text in versions if seq > place])
        perhaps = not sure or (link in each.links and len(each.links) > 1)
        return Shown(each.seq, event, each.by, texts, place is not None, perhaps)

    # -- what follows --

    def _apply(self, each: Happened) -> None:
        if each.kind == "said":
            self.said[each.seq] = each
            self.versions[each.seq] = [(each.seq, each.text)]
        elif each.kind in ("edit", "delete"):
            assert each.target is not None
            self.versions[each.target].append((each.seq, each.text))
        elif each.room is not None and each.kind not in ("react", "unreact"):
            self._apply_to_room(each, each.room)

    def _apply_to_room(self, each: Happened, name: str) -> None:
        if each.kind == "made":
            access, _, speaking = each.value.partition(" ")
            history = "all" if access == "open" else "joined"
            self.rooms[name] = Room(access, speaking or "everyone", history)
        room = self.rooms[name]
        who = each.who or each.by
        if each.kind in ("made", "joined"):
            room.roles[who] = "owner" if each.kind == "made" else "member"
            room.invited.discard(who)
            self._stays.setdefault((name, who), []).append(Stay(each.seq - 1))
        elif each.kind in ("left", "removed"):
            del room.roles[who]
            self._stays[name, who][-1].left = each.seq
        elif each.kind == "invited":
            room.invited.add(who)
        elif each.kind == "withdrawn":
            room.invited.discard(who)
        elif each.kind == "set":
            for field_name, value in json.loads(each.value).items():
                setattr(room, field_name, value)
        elif each.kind == "role":
            room.roles[who] = each.value
        elif each.kind == "muted" and each.value == "0":
            room.muted.discard(who)
        elif each.kind == "muted":
            room.muted.add(who)


def heir(room: Room) -> str | None:
    """Return who follows a last owner: whoever has been there longest of the highest rank."""
    return max(room.roles, key=room.rank, default=None)  # the first of those; they stand by time
