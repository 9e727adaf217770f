"""What happens in rooms while somebody is busy, is away, has come later or is there twice."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .client import Client, Event, JsonClient
from .conftest import StartServer
from .process import ServerProcess

KINDS = {"message", "edited", "deleted", "reacted", "room"}


@pytest.fixture
def trio(server: ServerProcess) -> Iterator[list[JsonClient]]:
    """Ann, and bob at his desk and on his phone."""
    ann, bob = server.accounts("ann", "bob")
    with ExitStack() as stack:
        yield [stack.enter_context(server.json(name)) for name in (ann, bob, bob)]


def make(owner: JsonClient, room: str, *members: JsonClient, access: str = "closed") -> None:
    """Make a room with some people in it."""
    owner.ask("create", room=room, access=access)
    for each in members:
        owner.ask("invite", name=each.name, room=room)
        each.ask("join", room=room)


def happened(client: JsonClient) -> list[Event]:
    return [each for each in client.fence() if each["event"] in KINDS]


def kinds(events: list[Event]) -> list[str]:
    return [each.get("change", each["event"]) for each in events]


def test_what_changes_while_somebody_is_busy_comes_with_idle(trio: list[JsonClient]) -> None:
    ann, desk, phone = trio
    make(ann, "held", desk)
    old = ann.ask("send", room="held", text="old")["seq"]
    gone = ann.ask("send", room="held", text="gone")["seq"]
    for each in trio:
        each.fence()
    desk.ask("busy")
    ann.ask("edit", target=old, text="old, corrected")
    ann.ask("delete", target=gone)
    own = desk.ask("send", room="held", text="my own")["seq"]
    ann.ask("react", target=own, reaction="+1")
    new = ann.ask("send", room="held", text="new")["seq"]
    ann.ask("edit", target=new, text="new, corrected")
    ann.ask("topic", room="held", topic="what is held")
    # What others have said, and not what became of it.
    assert [each.ask("status")["held"] for each in (desk, phone)] == [1, 2]
    assert [x for each in (desk, phone) for x in each.events if x["event"] in KINDS] == []
    phone.ask("idle")
    for each in (desk, phone):
        each.expect(event="replayed", count=1 if each is desk else 2)
    desk_got, phone_got = happened(desk), happened(phone)
    # At the desk the message is known: what became of it is told.
    assert kinds(desk_got) == ["edited", "deleted", "reacted", "message", "topic"]
    assert kinds(phone_got) == ["edited", "deleted", "message", "message", "topic"]
    assert desk_got[2]["target"] == phone_got[2]["seq"] == own
    assert phone_got[2]["reactions"] == {"+1": [ann.name]}
    for got in (desk_got, phone_got):
        assert [each["seq"] for each in got] == sorted({each["seq"] for each in got})
        assert (got[0]["text"], got[3]["text"]) == ("old, corrected", "new, corrected")
        assert all(each["replay"] for each in got)


def test_one_device_joins_and_the_other_is_there_too(trio: list[JsonClient]) -> None:
    ann, desk, phone = trio
    make(ann, "both", access="open")
    desk.ask("join", room="both")
    assert kinds(happened(phone)) == ["joined"]
    assert kinds(happened(desk)) == []
    seq = ann.ask("send", room="both", text=f"hello {desk.name}")["seq"]
    for each in (desk, phone):
        assert [x["seq"] for x in happened(each)] == [seq]
        (room,) = (x for x in each.ask("rooms")["rooms"] if x["name"] == "both")
        assert (room["unread"], room["mentions"]) == (1, 1)
    phone.ask("read", room="both")
    assert desk.expect(event="read")["room"] == "both"
    assert desk.ask("unread")["conversations"] == []
    phone.ask("leave", room="both")
    assert kinds(happened(desk)) == ["left"]
    assert desk.refused("send", room="both", text="still here?")["code"] == "not_a_member"
    ann.ask("leave", room="both")


def test_a_device_that_comes_back_learns_what_the_other_has_done(
    server: ServerProcess, trio: list[JsonClient]
) -> None:
    ann, desk, phone = trio
    for room in ("stays", "leaves", "returns"):
        make(ann, room, desk)
    seen = ann.ask("send", room="stays", text="seen")["seq"]
    phone.fence()
    phone.close()
    make(ann, "new", desk)
    for room in ("leaves", "returns"):
        ann.ask("send", room=room, text="before that")
        desk.ask("leave", room=room)
    ann.ask("invite", name=desk.name, room="returns")
    desk.ask("join", room="returns")
    ann.ask("send", room="returns", text="welcome back")
    with server.json(desk.name, since=seen) as again:
        got = [(x.get("room"), x.get("change", x["event"])) for x in happened(again)]
    assert got == [
        ("new", "joined"),
        ("leaves", "left"),
        ("returns", "joined"),
        ("returns", "message"),
    ]


def test_what_ended_while_away_is_told_after_a_restart_too(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as owner, server.json(bob) as member:
        for room in ("leaves", "returns"):
            make(owner, room, member)
        seen = owner.ask("send", room="leaves", text="seen")["seq"]
        member.fence()
        for room in ("leaves", "returns"):
            owner.ask("remove", name=bob, room=room)
        owner.ask("invite", name=bob, room="returns")
        member.ask("join", room="returns")
    for _ in range(2):
        with server.json(bob, since=seen) as again:
            got = [(x["room"], x["change"]) for x in happened(again)]
        assert got == [("leaves", "removed"), ("returns", "joined")]
        server.kill()
        server = start_server()


@pytest.mark.parametrize("access", ["closed", "open"])
@pytest.mark.parametrize("dialect", ["json", "text", "web"])
def test_a_newcomer_is_told_what_becomes_of_words_that_he_can_read(
    server: ServerProcess, trio: list[JsonClient], dialect: str, access: str
) -> None:
    ann, bob, _ = trio
    room, carol = f"{access}-{dialect}", server.account("carol")
    make(ann, room, bob, access=access)
    targets = [ann.ask("send", room=room, text=f"secret {at}")["seq"] for at in range(3)]
    for each in (ann, bob):
        each.fence()
    with server.client(dialect, carol) as late:
        ann.ask("invite", name=carol, room=room)
        enter(late, room)
        ann.ask("edit", target=targets[0], text="secret, corrected")
        bob.ask("react", target=targets[1], reaction="+1")
        ann.ask("delete", target=targets[2])
        live = shown(late)
    ann.ask("edit", target=targets[1], text="secret, corrected again")
    with server.client(dialect, carol) as late:
        replayed = shown(late)
    changes = [each.get("event") for each in happened(bob) if "target" in each]
    assert changes == ["edited", "deleted", "edited"]  # whoever was there is told of the others'
    if access == "open":
        assert "secret, corrected" in live
        assert "+1" in live
        assert "secret, corrected again" in replayed
    else:
        assert [word for word in ("secret", "+1", "deleted") if word in live + replayed] == []


def enter(client: Client, room: str) -> None:
    if isinstance(client, JsonClient):
        client.ask("join", room=room)
    else:
        client.ask(f"join #{room}", f"You are in #{room}")


def shown(client: Client) -> str:
    """Return all that a client was shown, in words."""
    return str(client.fence())


def test_what_becomes_of_ones_own_words_is_told_whoever_was_away(
    server: ServerProcess, trio: list[JsonClient]
) -> None:
    ann, *_ = trio
    eve = server.account("eve")
    with server.json(eve) as author:
        make(ann, "own", author)
        mine = [author.ask("send", room="own", text="mine")["seq"] for _ in range(2)]
    ann.ask("react", target=mine[0], reaction="+1")
    ann.ask("delete", target=mine[1])
    with server.json(eve) as author:  # a new device: its own words are not shown again
        got = [(x["event"], x.get("target")) for x in happened(author) if x["event"] != "room"]
    assert got == [("reacted", mine[0]), ("deleted", mine[1])]
    with server.json(eve, since=mine[0] - 1) as author:  # one that resumes has them as they are
        got = [(x["event"], x.get("deleted", False)) for x in happened(author)]
    assert got == [("message", False), ("message", True)]


@pytest.mark.parametrize("dialect", ["json", "text"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_room_is_set_up_otherwise_while_people_are_in_it(
    server: ServerProcess, trio: list[JsonClient], dialect: str, *, secure: bool
) -> None:
    """What members, who came when, and strangers read, find, are shown and told at each step."""
    ann, bob, _ = trio
    room = f"switch-{dialect}-{secure}".lower()
    dan, eve = server.accounts("dan", "eve")
    make(ann, room, bob, access="open")
    old = ann.ask("send", room=room, text=f"needle one {room}")["seq"]
    with (
        server.client(dialect, dan, secure=secure) as late,
        server.client(dialect, eve, secure=secure) as stranger,
    ):
        enter(late, room)
        ann.ask("send", room=room, text=f"needle two {room}")
        assert "needle two" in shown(late)
        everything, present, nothing = ["one", "two"], ["two"], list[str]()

        def assert_read(member: list[str], outsider: list[str]) -> None:
            for who, words in ((late, member), (stranger, outsider)):
                assert words_read(who, room) == words
                assert words_found(who, room) == words

        assert_read(everything, everything)
        # Closed: its past, too, and to those outside it is gone.
        assert set_up(ann, late, room, access="closed") == {
            "access": "closed",
            "history": "joined",
        }
        assert_read(present, nothing)
        ann.ask("edit", target=old, text=f"needle one corrected {room}")
        assert "corrected" not in shown(late)
        # Its past opened for who is in it; then for nobody else still.
        set_up(ann, late, room, history="all")
        assert_read(everything, nothing)
        ann.ask("edit", target=old, text=f"needle one again {room}")
        assert "needle one again" in shown(late)
        # Open again, and announcements only: all may read, and one may speak.
        set_up(ann, late, room, access="open", speaking="moderators")
        assert_read(everything, everything)
        assert bob.refused("send", room=room, text="me too")["code"] == "not_allowed"
        if isinstance(late, JsonClient):
            assert late.refused("send", room=room, text="me too")["code"] == "not_allowed"
        else:
            assert "Only moderators speak" in late.ask(f"send #{room} me too", "Only moderators")
        set_up(ann, late, room, speaking="everyone", history="joined")
        assert_read(present, nothing)
        assert "needle" not in shown(stranger)
    # Who was away learns of it all, in its order, and once.
    with server.json(dan, since=old) as again:
        got = [(x.get("change", x["event"])) for x in happened(again)]
    assert got == ["joined", "message", *["set"] * 4]


def set_up(owner: JsonClient, member: Client, room: str, **how: str) -> dict[str, str]:
    """Set a room up; return what a member is told of that."""
    owner.ask("set", room=room, **how)
    if isinstance(member, JsonClient):
        (told,) = (x for x in happened(member) if x.get("change") == "set")
        return {each: told[each] for each in ("access", "speaking", "history") if each in told}
    told_lines = [line for line in member.fence() if f"#{room}" in line]
    assert len(told_lines) == 1, told_lines
    return {"access": "closed", "history": "joined"} if "closed" in how.values() else how


def words_read(client: Client, room: str) -> list[str]:
    """Return the last words of what somebody can read in a room, as far as it can be found."""
    if isinstance(client, JsonClient):
        answer = client.request("history", room=room)
        return [each["text"].split()[1] for each in answer.get("messages", ())]
    client.send(f"history #{room}")
    return [line.split("needle ")[1].split()[0] for line in client.fence() if "needle " in line]


def words_found(client: Client, room: str) -> list[str]:
    """Return the words of what is found there, the oldest first, whether or not one says where."""
    found = []
    for query in (f"needle in:#{room}", f"needle {room}"):
        if isinstance(client, JsonClient):
            answer = client.request("search", query=query)
            words = [each["text"].split()[1] for each in answer.get("messages", ())]
        else:
            client.send(f"search {query}")
            lines = [line for line in client.fence() if "needle " in line and room in line]
            words = [line.split("needle ")[1].split()[0] for line in lines]
        found.append(words[::-1])
    assert found[0] == found[1]
    return found[0]
