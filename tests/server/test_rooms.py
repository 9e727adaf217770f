"""The commands about rooms: what they answer, whom they tell, and what they refuse."""

from pathlib import Path

import pytest

from chatserver.order.items import AccountDeleted, AccountRole
from chatserver.settings import RoomSettings

from .fakes import Event, People, Server, index_all, refusal

RULE = (
    "a name has 1 to 32 letters, digits, dots, underscores or dashes"
    " and starts with a letter or digit"
)


@pytest.fixture
def people(server: Server) -> People:
    """Give alice, who owns #ops, bob, who is a member, carol and dave, who are not."""
    found = People(server, "alice", "bob", "Carol", "dave")
    found.do("alice", "create", room="ops")
    found.do("bob", "join", room="ops")
    for name in found.clients:
        found.shown(name)
    return found


def members(people: People, room: str = "ops", asker: str = "alice") -> dict[str, str]:
    """Return who is in a room, and as what."""
    listed = people.do(asker, "members", room=room)["members"]
    return {each["name"]: each["role"] for each in listed}


def kinds(events: list[Event]) -> list[tuple[str, str]]:
    return [(each["event"], each.get("change", "")) for each in events]


# -- making, joining, leaving --


def test_a_room_is_made_joined_and_left(people: People) -> None:
    made = people.do("Carol", "create", room="Tea", access="closed", speaking="moderators")
    assert made["room"] == {
        "name": "Tea",
        "access": "closed",
        "speaking": "moderators",
        "history": "joined",
        "people": 1,
        "role": "owner",
    }
    joined = people.do("dave", "join", room="OPS")
    assert joined["room"] == {"name": "ops", "access": "open", "people": 3, "role": "member"}
    assert joined["seq"] == made["seq"] + 1
    assert members(people) == {"alice": "owner", "bob": "member", "dave": "member"}
    again = people.do("dave", "join", room="ops")
    assert (again["seq"], again["room"]) == (joined["seq"], joined["room"])
    left = people.do("dave", "leave", room="ops")
    assert members(people) == {"alice": "owner", "bob": "member"}
    (came, went) = people.shown("bob")
    assert (came["change"], came["from"], came["seq"]) == ("joined", "dave", joined["seq"])
    assert (went["change"], went["from"], went["seq"]) == ("left", "dave", left["seq"])
    assert people.shown("Carol") == people.shown("dave") == []


def test_what_is_said_in_a_room_is_shown_in_it_alone(people: People) -> None:
    sent = people.do("alice", "send", room="OPS", text="bob, Carol: look")
    assert (sent["delivered"], sent["stored"], sent["busy"]) == ([], [], {})
    (shown,) = people.shown("bob")
    assert (shown["room"], shown["mentions"], shown["seq"]) == ("ops", ["bob"], sent["seq"])
    assert people.shown("alice") == people.shown("Carol") == []
    refused = people.refused("Carol", "send", room="ops", text="hi")
    assert refused == ("not_a_member", "You are not in #ops; type join #ops first.")


def test_the_list_has_what_one_is_in_or_may_join(people: People) -> None:
    people.do("Carol", "create", room="Tea", access="closed")
    people.do("alice", "send", room="ops", text="bob: look")
    people.do("alice", "topic", room="ops", topic="  What\n runs ")

    def listed(name: str) -> dict[str, Event]:
        return {each.pop("name"): each for each in people.do(name, "rooms")["rooms"]}

    assert list(listed("Carol")) == ["lobby", "ops", "Tea"]
    ops = {"access": "open", "people": 2, "topic": "What runs"}
    assert listed("Carol")["ops"] == ops
    assert listed("bob")["ops"] == ops | {"role": "member", "unread": 1, "mentions": 1}
    assert "Tea" not in listed("bob")
    people.do("Carol", "invite", name="bob", room="Tea")
    assert listed("bob")["Tea"]["invited"]


def test_an_invitation_opens_a_closed_room_until_it_is_taken_back(people: People) -> None:
    people.do("Carol", "create", room="Tea", access="closed")
    for name in ("bob", "dave"):
        people.do("Carol", "invite", name=name, room="tea")
        assert kinds(people.shown(name)) == [("room", "invited")]
    listed = people.do("Carol", "members", room="tea")
    assert (listed["room"], listed["invited"]) == ("Tea", ["bob", "dave"])
    people.do("Carol", "remove", name="dave", room="tea")
    assert kinds(people.shown("dave")) == [("room", "withdrawn")]
    nothing = ("no_such_room", "There is no room #tea.")
    assert people.refused("dave", "join", room="tea") == nothing
    people.do("bob", "join", room="tea")
    assert members(people, "tea", "bob") == {"bob": "member", "Carol": "owner"}
    people.do("Carol", "remove", name="bob", room="tea", reason="late\nagain")
    (removed,) = [each for each in people.shown("bob") if each["change"] == "removed"]
    assert (removed["name"], removed["reason"]) == ("bob", "late again")
    for op, fields in (("join", {}), ("members", {}), ("leave", {}), ("topic", {"topic": "x"})):
        assert people.refused("bob", op, room="tea", **fields) == nothing
    history = people.refused("bob", "history", room="tea")
    assert history == nothing
    number = people.server.directory.state.room("tea")
    assert number is not None
    readable = people.server.services.rooms.stretches(people.clients["bob"].session.account_id)
    assert number.id not in dict(readable)


def test_the_last_owner_stays_or_is_followed(people: People) -> None:
    stays = (
        "You are the last owner of #ops: make somebody else one first, as in role bob owner #ops."
    )
    assert people.refused("alice", "leave", room="ops") == ("not_allowed", stays)
    is_last = "alice is the last owner of #ops: make somebody else one first."
    mine = {"name": "alice", "room": "ops"}
    assert people.refused("alice", "role", role="member", **mine) == ("not_allowed", is_last)
    yourself = ("not_allowed", "You cannot do that to yourself.")
    assert people.refused("alice", "remove", **mine) == yourself
    assert people.refused("alice", "mute", minutes=1, **mine) == yourself
    people.do("alice", "role", name="bob", role="Owner", room="ops")
    people.do("alice", "leave", room="ops")
    assert members(people, asker="bob") == {"bob": "owner"}
    people.do("bob", "leave", room="ops")  # and so it is deleted
    assert people.refused("bob", "join", room="ops")[0] == "no_such_room"
    people.do("Carol", "create", room="ops")
    assert members(people, asker="Carol") == {"Carol": "owner"}


def test_two_who_take_the_same_name_at_once(people: People) -> None:
    """One has it; the other is refused, and is in no room by that."""
    server = people.server
    with server.paused():
        for name in ("bob", "Carol"):
            people.begin(name, "create", room="Tea")
    answers = {name: people.answer(name) for name in ("bob", "Carol")}
    assert answers["bob"]["room"]["people"] == 1
    assert (answers["Carol"]["code"], answers["Carol"]["text"]) == (
        "room_exists",
        "The name #Tea is taken.",
    )
    assert members(people, "tea") == {"bob": "owner"}


# -- roles --


def by_role(people: People) -> None:
    """Have bob be a moderator and Carol a member."""
    people.do("Carol", "join", room="ops")
    people.do("alice", "role", name="bob", role="moderator", room="ops")


@pytest.mark.parametrize(
    ("op", "fields", "least"),
    [
        ("set", {"access": "closed"}, "owner"),
        ("role", {"name": "alice", "role": "member"}, "owner"),
        ("remove", {"name": "dave"}, "moderator"),
        ("mute", {"name": "dave", "minutes": 5}, "moderator"),
        ("invite", {"name": "eve"}, "member"),
        ("topic", {"topic": "tea"}, "member"),
        ("leave", {}, "member"),
    ],
)
def test_who_may_do_what(people: People, op: str, fields: dict[str, object], least: str) -> None:
    """A refusal names the role that is needed."""
    by_role(people)
    people.server.add_accounts("eve", *people.clients)
    needed = {"moderator": "moderators and owners", "owner": "owners"}
    code, text = people.refused("dave", op, room="ops", **fields)
    assert (code, text) == ("not_a_member", "You are not in #ops; type join #ops first.")
    people.do("dave", "join", room="ops")
    people.do("alice", "role", name="Carol", role="owner", room="ops")
    refusing = {"owner": ["dave", "bob"], "moderator": ["dave"], "member": []}[least]
    for name in refusing:
        code, text = people.refused(name, op, room="ops", **fields)
        assert (code, text) == ("not_allowed", f"Only {needed[least]} of #ops can do that.")
    last = {"owner": "Carol", "moderator": "bob", "member": "dave"}[least]
    assert people.do(last, op, room="ops", **fields)["seq"]


def test_a_moderator_does_nothing_to_another_and_an_owner_does(people: People) -> None:
    by_role(people)
    people.do("alice", "role", name="Carol", role="moderator", room="ops")
    refused = ("not_allowed", "Only owners of #ops can do that to a moderator.")
    assert people.refused("bob", "mute", name="Carol", room="ops", minutes=1) == refused
    assert people.refused("bob", "remove", name="carol", room="ops") == refused
    refused = ("not_allowed", "Only owners of #ops can do that to an owner.")
    assert people.refused("bob", "mute", name="alice", room="ops", minutes=1) == refused
    people.do("alice", "remove", name="carol", room="ops")
    assert "Carol" not in members(people)


def test_an_admin_does_all_of_it_in_open_rooms_and_is_told_of_closed_ones(people: People) -> None:
    server, dave = people.server, people.clients["dave"].session.account_id
    server.order.run(AccountRole(at=0, account=dave, role="admin"))
    people.do("dave", "mute", name="bob", room="ops", minutes=5)
    people.do("dave", "set", room="ops", speaking="moderators")
    people.do("alice", "create", room="Tea", access="closed")
    listed = [each["name"] for each in people.do("dave", "rooms")["rooms"]]
    assert "Tea" in listed
    assert people.refused("dave", "join", room="Tea")[0] == "no_such_room"


def test_who_is_muted_says_nothing_there_until_the_minutes_are_over(people: People) -> None:
    people.do("alice", "mute", name="bob", room="ops", minutes=2)
    muted = ("muted", "You are muted in #ops for 2 more minutes.")
    assert people.refused("bob", "send", room="ops", text="hi") == muted
    people.do("bob", "send", to=["alice"], text="hi")
    people.do("bob", "leave", room="ops")
    people.do("bob", "join", room="ops")  # leaving does not end it
    assert people.refused("bob", "send", room="ops", text="hi")[0] == "muted"
    (listed,) = [
        each
        for each in people.do("alice", "members", room="ops")["members"]
        if each["name"] == "bob"
    ]
    assert listed["muted"]
    people.do("alice", "mute", name="bob", room="ops", minutes=0)
    people.do("bob", "send", room="ops", text="hi")


def test_where_it_is_announced_only_moderators_speak(people: People) -> None:
    people.do("alice", "set", room="ops", speaking="moderators")
    refused = ("not_allowed", "Only moderators speak in #ops.")
    assert people.refused("bob", "send", room="ops", text="hi") == refused
    assert people.refused("bob", "topic", room="ops", topic="x")[0] == "not_allowed"
    people.do("alice", "role", name="bob", role="moderator", room="ops")
    people.do("bob", "send", room="ops", text="hi")


# -- bad input --


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("", "bad_request", None),
        ("#", "bad_request", f"'#' cannot be a room: {RULE}."),
        ("#ops", "bad_request", f"'#ops' cannot be a room: {RULE}."),
        ("a b", "bad_request", f"'a b' cannot be a room: {RULE}."),
        ("x" * 33, "bad_request", None),
        ("-x", "bad_request", None),
        ("é", "bad_request", None),
        ("a\n", "bad_request", None),
        ("Lobby", "bad_request", None),
        ("everyone", "bad_request", None),
        ("OPS", "room_exists", "The name #OPS is taken."),
    ],
)
def test_what_is_no_free_name_is_no_room(
    people: People, name: str, code: str, text: str | None
) -> None:
    before = people.do("alice", "rooms")
    found = people.refused("alice", "create", room=name)
    assert found[0] == code
    assert text in (None, found[1])
    assert people.do("alice", "rooms") == before
    assert people.do("alice", "create", room="x" * 32)["room"]["people"] == 1


@pytest.mark.parametrize("name", ["bob", "ALICE"])
def test_a_room_may_be_called_like_an_account(people: People, name: str) -> None:
    people.do("alice", "create", room=name)
    people.do("alice", "send", room=name, text="in the room")
    people.do("alice", "send", to=["bob"], text="to bob")
    assert [each.get("room") for each in people.shown("bob")] == [None]


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("invite", {"name": "bob"}),
        ("remove", {"name": "bob"}),
        ("leave", {}),
        ("set", {"access": "closed"}),
        ("set", {"history": "all"}),
        ("role", {"name": "bob", "role": "owner"}),
    ],
)
def test_the_lobby_stays_as_it_is(people: People, op: str, fields: dict[str, object]) -> None:
    server, alice = people.server, people.clients["alice"].session.account_id
    server.order.run(AccountRole(at=0, account=alice, role="admin"))
    assert people.refused("alice", op, room="LOBBY", **fields)[0] == "not_allowed"
    assert people.refused("bob", op, room="lobby", **fields)[0] == "not_allowed"


@pytest.mark.parametrize(
    ("op", "fields", "code"),
    [
        ("set", {}, "bad_request"),
        ("set", {"access": "secret"}, "bad_request"),
        ("role", {"name": "bob", "role": "king"}, "bad_request"),
        ("role", {"name": "Carol", "role": "owner"}, "not_a_member"),
        ("mute", {"name": "Carol", "minutes": 1}, "not_a_member"),
        ("mute", {"name": "bob", "minutes": -1}, "bad_request"),
        ("mute", {"name": "bob", "minutes": 10**9}, "bad_request"),
        ("remove", {"name": "Carol"}, "not_a_member"),
        ("remove", {"name": "bob", "reason": "x" * 201}, "text_too_long"),
        ("invite", {"name": "bbo"}, "no_such_user"),
        ("topic", {"topic": "x" * 251}, "text_too_long"),
        ("send", {"text": " "}, "bad_request"),
        ("send", {"text": "x" * 4001}, "text_too_long"),
        ("send", {"text": "x", "to": ["bob"]}, "bad_request"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    people: People, op: str, fields: dict[str, object], code: str
) -> None:
    before = people.server.directory.state.seq
    assert people.refused("alice", op, room="ops", **fields)[0] == code
    assert people.server.directory.state.seq == before
    assert people.shown("bob") == []


@pytest.mark.parametrize(
    "op", ["join", "leave", "members", "topic", "set", "send", "history", "read"]
)
def test_of_a_room_there_is_not_nothing_follows(people: People, op: str) -> None:
    fields = {"topic": {"topic": "x"}, "set": {"access": "open"}, "send": {"text": "x"}}
    refused = people.refused("bob", op, room="kitchen", **fields.get(op, {}))
    assert refused == ("no_such_room", "There is no room #kitchen.")


# -- limits --


def test_limits_are_settings_and_named(tmp_path: Path) -> None:
    rooms = RoomSettings(max_per_account=1, max_members=2, max_topic=5)
    with Server(tmp_path, rooms=rooms) as server:
        server.add_accounts("alice", "bob", "carol")
        people = People(server, "alice", "bob", "carol")
        people.do("alice", "create", room="ops")
        code, text = people.refused("alice", "create", room="tea")
        assert (code, text.split(",")[0]) == ("not_allowed", "You have made 1 rooms")
        people.do("bob", "join", room="ops")
        full = ("not_allowed", "#ops is full: a room has at most 2 members.")
        assert people.refused("carol", "join", room="ops") == full
        long = ("text_too_long", "That topic has 6 characters; the limit is 5.")
        assert people.refused("bob", "topic", room="ops", topic="x" * 6) == long


@pytest.mark.parametrize("create", ["everyone", "admins"])
def test_where_only_admins_make_rooms_nobody_else_does(tmp_path: Path, create: str) -> None:
    with Server(tmp_path, rooms=RoomSettings(create=create)) as server:
        server.add_accounts("alice")
        people = People(server, "alice")
        if create == "admins":
            refused = ("not_allowed", "Only admins make rooms here; ask one.")
            assert people.refused("alice", "create", room="ops") == refused
            alice = people.clients["alice"].session.account_id
            server.order.run(AccountRole(at=0, account=alice, role="admin"))
        people.do("alice", "create", room="ops")


def test_a_taken_name_is_learnt_of_twenty_times_a_day(people: People) -> None:
    """Of a closed room; and the answer is the same however often."""
    people.do("alice", "create", room="Tea", access="closed")
    for _ in range(20):
        assert people.refused("bob", "create", room="tea")[0] == "room_exists"
    answer = people.ask("bob", "create", room="tea")
    assert (answer["code"], answer["retry_after"]) == ("rate_limited", 86_401)
    people.server.clock.advance(86_399)
    assert people.refused("bob", "create", room="free")[0] == "rate_limited"
    people.do("Carol", "create", room="free")
    people.server.clock.advance(1)
    for number in range(25):  # what is free takes none of them
        people.do("bob", "create", room=f"mine{number}")
    assert people.refused("bob", "create", room="tea")[0] == "room_exists"


def test_rooms_that_were_given_away_count_as_long_as_they_are_there(tmp_path: Path) -> None:
    with Server(tmp_path, rooms=RoomSettings(max_per_account=1)) as server:
        server.add_accounts("alice", "bob")
        people = People(server, "alice", "bob")
        people.do("alice", "create", room="ops")
        people.do("bob", "join", room="ops")
        people.do("alice", "role", room="ops", name="bob", role="owner")
        people.do("alice", "leave", room="ops")
        sentence = (
            "You have made 1 rooms, which is as many as one may: a room counts until everybody has"
            " left it."
        )
        assert people.refused("alice", "create", room="new") == ("not_allowed", sentence)
        people.do("bob", "leave", room="ops")
        people.do("alice", "create", room="new")


@pytest.mark.parametrize("key", [{}, {"key": "k"}], ids=["without a key", "with a key"])
@pytest.mark.parametrize("found", [True, False], ids=["just ended", "long ago"])
def test_a_room_that_has_ended_is_called_by_its_name(
    people: People, found: bool, key: dict[str, object]
) -> None:
    """Whether that is seen before the order or in it."""
    people.do("alice", "create", room="brief")
    if found:
        with people.server.paused():
            people.begin("alice", "leave", room="brief")
            people.begin("alice", "leave", room="brief", **key)
        answer = people.answer("alice")
    else:
        people.do("alice", "leave", room="brief")
        answer = people.ask("alice", "leave", room="brief", **key)
    assert refusal(answer) == ("no_such_room", "There is no room #brief.")


def test_only_admins_and_moderators_say_what_the_lobby_is_about(people: People) -> None:
    refused = ("not_allowed", "Only moderators and owners of #lobby can do that.")
    assert people.refused("bob", "topic", room="lobby", topic="mine") == refused
    alice = people.clients["alice"].session.account_id
    people.server.order.run(AccountRole(at=0, account=alice, role="admin"))
    people.do("alice", "topic", room="lobby", topic="tea at four")
    people.do("alice", "role", room="lobby", name="bob", role="moderator")
    people.do("bob", "topic", room="lobby", topic="tea at five")


@pytest.mark.parametrize("topic", ["e\u0301\u0301\u0301", "\u0301e", "hi " + "a" + "\u0489" * 99])
def test_a_topic_has_no_pile_of_marks(people: People, topic: str) -> None:
    assert people.refused("alice", "topic", room="ops", topic=topic)[0] == "bad_request"
    people.do(
        "alice", "topic", room="ops", topic="caf\u0301e \u1ec7 \U0001f44d\U0001f3fd 1\ufe0f\u20e3"
    )


def test_without_a_lobby_nobody_says_anything_to_everybody(tmp_path: Path) -> None:
    with Server(tmp_path, rooms=RoomSettings(lobby=False)) as server:
        server.add_accounts("alice", "bob")
        people = People(server, "alice", "bob")
        refused = ("no_such_room", "There is no lobby here: say where, as in send #room hello.")
        assert people.refused("alice", "broadcast", text="hi") == refused
        assert people.do("alice", "rooms")["rooms"] == []
        for op, fields in (("join", {}), ("send", {"text": "hi"}), ("history", {})):
            assert people.refused("alice", op, room="lobby", **fields)[0] == "no_such_room"
        assert people.shown("bob") == []


# -- what is asked for again --

ONCE: tuple[tuple[str, dict[str, object]], ...] = (
    ("send", {"room": "den", "text": "hi"}),
    ("reply", {"target": 0, "text": "hi"}),
    ("edit", {"target": 0, "text": "other words"}),
    ("edit", {"text": "other words"}),
    ("delete", {}),
    ("delete", {"target": 0}),
    ("react", {"target": 0, "reaction": "+1"}),
    ("join", {"room": "den"}),
    ("create", {"room": "own", "access": "closed"}),
    ("invite", {"name": "dave", "room": "den"}),
    ("remove", {"name": "Carol", "room": "den"}),
    ("role", {"name": "Carol", "role": "owner", "room": "den"}),
    ("mute", {"name": "Carol", "room": "den", "minutes": 5}),
    ("topic", {"room": "den", "topic": "tea"}),
    ("set", {"room": "den", "speaking": "moderators"}),
    ("leave", {"room": "den"}),
)
"""What bob does in a closed room; the target is a message of his own there."""


@pytest.mark.parametrize(("op", "fields"), ONCE)
@pytest.mark.parametrize("deleted", [False, True])
def test_what_was_done_before_a_removal_is_a_repeat_after_it(
    people: People, op: str, fields: dict[str, object], *, deleted: bool
) -> None:
    people.do("alice", "create", room="den", access="closed")
    for name in ("bob", "Carol"):
        people.do("alice", "invite", name=name, room="den")
        if (name, op) != ("bob", "join"):
            people.do(name, "join", room="den")
    asked = fields | {"key": "k1"}
    if op != "join":
        people.do("alice", "role", name="bob", role="owner", room="den")
        target = people.do("bob", "send", room="den", text="my words")["seq"]
        asked |= {"target": target} if "target" in fields else {}
    done = people.do("bob", op, **asked)
    if op == "create":
        people.do("bob", "invite", name="alice", room="own")
        people.do("alice", "join", room="own")
        people.do("bob", "role", name="alice", role="owner", room="own")
    room = "own" if op == "create" else "den"
    if op != "leave":
        people.do("alice", "remove", name="bob", room=room)
    if deleted:
        if room == "den" and op != "remove":
            people.do("alice", "remove", name="Carol", room="den")
        people.do("alice", "leave", room=room)
    people.shown("bob")
    again = people.do("bob", op, **asked)
    assert (again["seq"], again["duplicate"], again["op"]) == (done["seq"], True, op)
    assert "room" not in again
    assert people.shown("bob") == []
    if op == "create":
        return
    # With a key that he has not used he learns what everybody outside does.
    refused = people.refused("bob", op, **asked | {"key": "k2"})
    free = {"room": "d3n"} if "room" in fields else {}
    code, text = people.refused("bob", op, **asked | {"key": "k3"} | free)
    assert refused == (code, text.replace("d3n", "den"))


def test_a_repeat_of_what_nobody_could_be_told_any_more_is_one(people: People) -> None:
    sent = people.do("bob", "send", to=["Carol"], text="hi", key="k1")
    said = people.do("bob", "broadcast", text="all", key="k2")
    people.server.order.run(AccountDeleted(at=0, account=people.server.account_id("Carol")))
    with people.server.accounts.edit() as draft:
        draft.remove("Carol")
    for done, op, fields in (
        (sent, "send", {"to": ["Carol"], "text": "hi", "key": "k1"}),
        (said, "broadcast", {"text": "", "key": "k2"}),
    ):
        again = people.do("bob", op, **fields)
        assert (again["seq"], again["duplicate"]) == (done["seq"], True)
    assert people.refused("bob", "send", to=["Carol"], text="hi", key="k3")[0] == "no_such_user"


def test_a_room_made_again_shows_nothing_of_the_one_that_had_its_name(people: People) -> None:
    people.do("alice", "create", room="den")
    people.do("bob", "join", room="den")
    people.do("alice", "topic", room="den", topic="old")
    old = people.do("alice", "send", room="den", text="bob: old words")["seq"]
    people.do("alice", "mute", room="den", name="bob", minutes=60)
    people.do("alice", "invite", room="den", name="dave")
    people.do("bob", "leave", room="den")
    people.do("alice", "leave", room="den")
    index_all(people.server.index)
    # The old one is on disk yet: what clears it up has not come by.
    made = people.do("bob", "create", room="den")
    people.do("alice", "join", room="den")
    people.do("dave", "join", room="den")
    people.do("dave", "send", room="den", text="new words")
    index_all(people.server.index)
    assert "topic" not in made["room"]
    for name in ("alice", "bob", "dave", "Carol"):
        people.shown(name)
        for op, fields in (
            ("history", {"room": "den"}),
            ("search", {"query": "words"}),
            ("search", {"query": "in:#den words"}),
            ("search", {"query": "in:#den"}),
        ):
            found = people.do(name, op, **fields)["messages"]
            assert [each["text"] for each in found] == ["new words"], (name, op)
        for op in ("around", "edit", "react"):
            fields = {"edit": {"text": "x"}, "react": {"reaction": "x"}}.get(op, {})
            assert people.refused(name, op, target=old, **fields)[0] == "no_such_message"
    (waits,) = [x for x in people.do("alice", "unread")["conversations"] if x.get("room") == "den"]
    assert (waits["unread"], waits["mentions"]) == (1, 0)
    listed = people.do("Carol", "members", room="den")
    assert [each["name"] for each in listed["members"]] == ["alice", "bob", "dave"]
    assert listed["invited"] == []
    people.do("bob", "send", room="den", text="muted no more")


def test_the_list_of_rooms_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """Also where a room was set up so that it is as it would have been by itself."""
    lists = []
    for _ in range(2):
        with Server(tmp_path) as server:
            server.add_accounts("alice", "bob")
            people = People(server, "alice", "bob")
            if not lists:
                people.do("alice", "create", room="plain")
                people.do("alice", "create", room="den", access="closed", history="all")
                people.do("alice", "create", room="news", speaking="moderators")
                people.do("alice", "set", room="news", speaking="everyone", history="joined")
                people.do("alice", "set", room="news", history="all")
                people.do("alice", "topic", room="plain", topic="tea")
                people.do("alice", "topic", room="plain", topic="-")
                people.do("alice", "invite", room="den", name="bob")
            lists.append([people.do(name, "rooms") for name in people.clients])
    assert lists[0] == lists[1]
