"""Correcting, deleting and reacting, answering, and typing: what it does and what it refuses."""

from pathlib import Path

import pytest

from chatserver.order.items import AccountRole
from chatserver.settings import MessageSettings
from chatserver.storage.store import StorageFull

from .fakes import People, Server, raising, said_once

NO_MESSAGE = ("no_such_message", "There is no such message that you can read.")


@pytest.fixture
def people(server: Server) -> People:
    """Give alice and bob, who are in #ops, which alice owns, and Carol, who is not."""
    found = People(server, "alice", "bob", "Carol")
    found.do("alice", "create", room="ops")
    found.do("bob", "join", room="ops")
    for name in found.clients:
        found.shown(name)
    return found


def said(people: People, name: str, text: str = "hi", **place: object) -> int:
    """Have somebody say something, by itself in #ops; return its number."""
    seq: int = people.do(name, "send", text=text, **(place or {"room": "ops"}))["seq"]
    for each in people.clients:
        people.shown(each)
    return seq


# -- what it does --


@pytest.mark.parametrize("aimed", [True, False], ids=["by number", "the last one"])
@pytest.mark.parametrize("place", [{"room": "ops"}, {"to": ["bob"]}], ids=["room", "private"])
def test_ones_message_is_corrected_and_deleted(
    people: People, place: dict[str, object], aimed: bool
) -> None:
    seq = said(people, "alice", "bbo: hi", **place)
    target = {"target": seq} if aimed else {}
    edited = people.do("alice", "edit", text="bob: hi", **target)["seq"]
    (shown,) = people.shown("bob")
    where = {name: value for name, value in shown.items() if name in ("room", "to")}
    assert where == place
    assert (shown["event"], shown["seq"], shown["target"]) == ("edited", edited, seq)
    assert (shown["text"], shown["from"], shown["mentions"]) == ("bob: hi", "alice", ["bob"])
    deleted = people.do("alice", "delete", **target)["seq"]
    (shown,) = people.shown("bob")
    assert (shown["event"], shown["seq"], shown["target"]) == ("deleted", deleted, seq)
    assert people.shown("alice") == people.shown("Carol") == []
    past = {"room": "ops"} if "room" in place else {"with": "bob"}
    (left,) = people.do("alice", "history", **past)["messages"]
    assert (left["text"], left["deleted"], "edited" in left) == ("", True, False)


def test_a_reaction_is_put_on_and_taken_back_once(people: People) -> None:
    seq = said(people, "alice")
    first = people.do("bob", "react", reaction="👍")["seq"]
    assert people.do("bob", "react", reaction="👍", target=seq)["seq"] == first  # it is so
    (shown,) = people.shown("alice")
    assert (shown["event"], shown["target"], shown["reaction"]) == ("reacted", seq, "👍")
    assert (shown["on"], shown["from"]) == (True, "bob")
    (found,) = people.do("alice", "history", room="ops")["messages"]
    assert found["reactions"] == {"👍": ["bob"]}
    people.do("bob", "react", reaction="👍", target=seq, on=False)
    (shown,) = people.shown("alice")
    assert not shown["on"]
    (found,) = people.do("alice", "history", room="ops")["messages"]
    assert "reactions" not in found


def test_moderators_delete_what_others_said_and_correct_nothing_of_it(people: People) -> None:
    seq, mine = said(people, "bob"), said(people, "alice")
    only = "You can correct only what you have said yourself."
    assert people.refused("alice", "edit", target=seq, text="x") == ("not_allowed", only)
    theirs = "You can delete only what you have said yourself; in a room its moderators can."
    assert people.refused("bob", "delete", target=mine) == ("not_allowed", theirs)
    people.do("alice", "delete", target=seq)
    (shown,) = people.shown("bob")
    assert (shown["event"], shown["from"]) == ("deleted", "alice")
    private = said(people, "bob", to=["alice"])
    people.server.order.run(
        AccountRole(at=0, account=people.clients["alice"].session.account_id, role="admin")
    )
    assert people.refused("alice", "delete", target=private) == ("not_allowed", theirs)


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("edit", {"text": "x"}),
        ("delete", {}),
        ("react", {"reaction": "+1"}),
        ("reply", {"text": "x"}),
    ],
)
def test_what_one_may_not_read_is_like_what_there_is_not(
    people: People, op: str, fields: dict[str, object]
) -> None:
    for room, how in (
        ("den", {"access": "closed", "history": "all"}),
        ("fresh", {"history": "joined"}),
    ):
        people.do("bob", "create", room=room, **how)
    people.do("bob", "invite", room="den", name="Carol")  # who finds it then, and reads nothing
    places: list[dict[str, object]] = [{"room": "den"}, {"room": "fresh"}, {"to": ["alice"]}]
    hidden = [said(people, "bob", **place) for place in places]
    for target in (*hidden, 999, 2**62):
        assert people.refused("Carol", op, target=target, **fields) == NO_MESSAGE
    for target in (2**62 + 1, 2**63, 10**30):
        assert people.refused("Carol", op, target=target, **fields)[0] == "bad_request"


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("edit", {"text": "x"}),
        ("delete", {}),
        ("react", {"reaction": "+1"}),
        ("reply", {"text": "x"}),
        ("answer", {"text": "x"}),
        ("send", {"to": ["bob"], "text": "x"}),
        ("send", {"room": "ops", "text": "x"}),
    ],
)
def test_who_reads_an_open_room_from_outside_is_told_to_join_it(
    people: People, op: str, fields: dict[str, object]
) -> None:
    """Also about words of one's own from before one left."""
    name = "reply_to" if op == "send" else "target"
    theirs = said(people, "bob")
    people.do("Carol", "join", room="ops")
    mine = said(people, "Carol")
    people.do("Carol", "leave", room="ops")
    people.shown("Carol")
    for target in (theirs, mine):
        refused = people.refused("Carol", op, **{name: target}, **fields)
        assert refused == ("not_a_member", "You are not in #ops; type join #ops first.")
    people.do("Carol", "join", room="ops")
    people.do("Carol", "edit", target=mine, text="mended")


@pytest.mark.parametrize(
    ("op", "fields"), [("edit", {"text": "x"}), ("delete", {}), ("react", {"reaction": "+1"})]
)
def test_what_was_deleted_is_not_changed(
    people: People, op: str, fields: dict[str, object]
) -> None:
    seq = said(people, "alice")
    people.do("alice", "delete", target=seq)
    people.shown("bob")
    gone = ("no_such_message", "That message was deleted.")
    assert people.refused("alice", op, target=seq, **fields) == gone
    assert people.shown("bob") == []
    (left,) = people.do("bob", "history", room="ops")["messages"]
    assert (left["text"], left["deleted"]) == ("", True)


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ("edit", "You have said nothing yet."),
        ("delete", "You have said nothing yet."),
        ("react", "Nothing has been said to you yet."),
        ("reply", "Nothing has been said to you yet."),
        ("answer", "Nothing has been said to you yet."),
    ],
)
def test_without_a_last_message_there_is_none(people: People, op: str, words: str) -> None:
    fields = {"delete": {}, "react": {"reaction": "+1"}}.get(op, {"text": "x"})
    assert people.refused("bob", op, **fields) == ("no_such_message", words)


@pytest.mark.parametrize(
    "reaction",
    ["", " ", "two words", "x" * 17, "a" + "\u0301" * 15, "\u0489" * 5, "\x1b[2J", "x" * 100],
)
def test_a_reaction_is_short(people: People, reaction: str) -> None:
    said(people, "alice")
    code, _ = people.refused("bob", "react", reaction=reaction)
    assert code == "bad_request"
    assert people.shown("alice") == []


def test_reactions_to_one_message_have_a_limit(tmp_path: Path) -> None:
    with Server(tmp_path, message=MessageSettings(max_reactions=2)) as server:
        server.add_accounts("alice", "bob")
        people = People(server, "alice", "bob")
        seq = said(people, "alice", to=["bob"])
        for reaction in ("+1", "👍"):
            people.do("bob", "react", reaction=reaction)
        enough = ("not_allowed", "You have reacted to that 2 times; that is enough.")
        assert people.refused("bob", "react", reaction="ok") == enough
        people.do("bob", "react", reaction="+1", on=False, target=seq)
        people.do("bob", "react", reaction="ok")


@pytest.mark.parametrize("text", ["", " \n", "x" * 4001])
def test_a_correction_is_a_text_like_any_other(people: People, text: str) -> None:
    said(people, "alice")
    assert people.refused("alice", "edit", text=text)[0] in ("bad_request", "text_too_long")
    assert people.shown("bob") == []


def test_after_a_day_it_is_too_late_but_for_moderators(people: People) -> None:
    now = people.server.time.now() / 1000
    old = said_once(people.server, now - 90_000, "old")
    new = said_once(people.server, now - 80_000, "new")
    late = ("too_late", "It is too late to change that; say something new.")
    assert people.refused("bob", "edit", target=old, text="x") == late
    assert people.refused("bob", "delete", target=old) == late
    people.do("bob", "edit", target=new, text="x")
    people.server.order.run(
        AccountRole(at=0, account=people.clients["alice"].session.account_id, role="admin")
    )
    people.do("alice", "delete", target=old)


def test_a_key_used_again_changes_nothing_twice(people: People) -> None:
    seq = said(people, "alice")
    for op, fields in (("edit", {"text": "x"}), ("react", {"reaction": "+1"}), ("delete", {})):
        first = people.do("alice", op, target=seq, key=op, **fields)
        again = people.do("alice", op, target=seq, key=op, **fields)
        assert (again["seq"], again["duplicate"]) == (first["seq"], True)
        assert len(people.shown("bob")) == 1


def test_on_a_full_disk_nothing_is_changed_and_nothing_lost(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq = said(people, "alice", "as it was")
    asked = {
        "edit": {"target": seq, "text": "x"},
        "delete": {"target": seq},
        "react": {"target": seq, "reaction": "+1"},
        "topic": {"room": "ops", "topic": "x"},
        "create": {"room": "Tea"},
        "invite": {"name": "Carol", "room": "ops"},
        "remove": {"name": "bob", "room": "ops"},
        "send": {"room": "ops", "text": "x"},
    }
    before = people.do("alice", "rooms"), people.do("alice", "members", room="ops")
    with monkeypatch.context() as patch:
        patch.setattr(people.server.store, "write", raising(StorageFull("disk full")))
        for op, fields in asked.items():
            assert people.refused("alice", op, **fields)[0] == "storage_full"
    assert (people.do("alice", "rooms"), people.do("alice", "members", room="ops")) == before
    assert people.shown("bob") == []
    (found,) = people.do("bob", "history", room="ops")["messages"]
    assert (found["text"], "edited" in found, "reactions" in found) == ("as it was", False, False)
    for op, fields in asked.items():
        if op != "delete":
            people.do("alice", op, **fields)


# -- in answer --


def test_a_reply_goes_where_the_message_was_said(people: People) -> None:
    seq = said(people, "bob", "what?")
    private = said(people, "Carol", "and?", to=["alice", "bob"])
    people.do("alice", "reply", target=seq, text="that")
    (shown,) = people.shown("bob")
    assert (shown["room"], shown["reply_to"], shown["text"]) == ("ops", seq, "that")
    assert people.shown("Carol") == []
    people.do("alice", "reply", text="this")  # to the last one
    for name in ("bob", "Carol"):
        (shown,) = people.shown(name)
        assert (sorted(shown["to"]), shown["reply_to"]) == (["Carol", "bob"], private)
    elsewhere = "That message was said elsewhere; answer it where it was said."
    refused = people.refused("alice", "send", to=["Carol"], text="x", reply_to=seq)
    assert refused == ("bad_request", elsewhere)
    others = said(people, "alice", "psst", to=["bob"])
    for target in (others, 999):
        refused = people.refused("Carol", "send", to=["bob"], text="x", reply_to=target)
        assert refused == NO_MESSAGE


def test_an_answer_goes_to_everybody_in_the_last_private_conversation(people: People) -> None:
    private = said(people, "Carol", "and?", to=["alice", "bob"])
    said(people, "Carol", "in the lobby", room="lobby")
    said(people, "bob", "in the room")
    people.do("alice", "answer", text="this")
    for name in ("bob", "Carol"):
        (shown,) = people.shown(name)
        assert (sorted(shown["to"]), "reply_to" in shown) == (["Carol", "bob"], False)
    said(people, "bob", "psst", to=["alice"])
    people.do("alice", "answer", text="what?")
    assert [each["to"] for each in people.shown("bob")] == [["bob"]]
    people.do("alice", "answer", text="to both", target=private)
    assert len(people.shown("Carol")) == 1


# -- typing --


def test_that_somebody_types_is_shown_where_he_does(people: People) -> None:
    assert people.ask("alice", "typing", room="OPS") == {}
    assert people.shown("bob") == [{"event": "typing", "from": "alice", "room": "ops"}]
    said(people, "alice", to=["bob"])
    assert people.ask("alice", "typing", to=["BOB"]) == {}
    assert people.shown("bob") == [{"event": "typing", "from": "alice", "to": ["bob"]}]
    assert people.shown("alice") == people.shown("Carol") == []
    assert people.do("alice", "history", room="ops")["messages"] == []


@pytest.mark.parametrize(
    "why", ["hidden", "muted", "outside", "announced", "no room", "nobody yet", "a crowd"]
)
def test_that_somebody_types_is_shown_to_nobody(
    people: People, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place: dict[str, object] = {"room": "ops"}
    match why:
        case "hidden":
            people.do("bob", "hide")
        case "muted":
            people.do("alice", "mute", name="bob", room="ops", minutes=1)
        case "outside":
            people.do("alice", "remove", name="bob", room="ops")
        case "announced":
            people.do("alice", "set", room="ops", speaking="moderators")
        case "no room":
            place = {"room": "kitchen"}
        case "nobody yet":
            place = {"to": ["alice"]}
        case "a crowd":
            monkeypatch.setattr("chatserver.commands.talk._MOST_TOLD", 0)
    people.shown("alice")
    assert people.ask("bob", "typing", **place) == {}
    assert people.shown("alice") == []
