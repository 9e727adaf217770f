"""The commands, each with a client in memory: what it answers and what it does."""

import time
from pathlib import Path

import pytest

from chatserver.accounts.passwords import Passwords
from chatserver.commands.context import Context
from chatserver.commands.dispatcher import dispatch
from chatserver.dialects.json import JsonRequest
from chatserver.dialects.text import RENDERER as TEXT
from chatserver.dialects.text import TextDialect, TextRequest
from chatserver.errors import CommandError
from chatserver.settings import HistorySettings, MessageSettings, SessionSettings, Settings
from chatwire.protocol import Error, HistoryReply, encode

from .fakes import CHEAP, DEADLINE, PASSWORD, Client, Event, Server

UNLIMITED = SessionSettings(rate_per_second=0)


def log_in(server: Server, client: Client, **fields: object) -> Context:
    """Log in with the right password; return the context of a session that is there."""
    context = server.context(client, logged_in=False)
    name = client.session.account
    refused = server.ask(context, "login", name=name, password=PASSWORD, **fields)
    assert refused is None
    assert context.session is not None
    client.session = context.session
    return context


def refusal(event: Event | None) -> tuple[str, str]:
    assert event is not None
    assert event["event"] == "error"
    return event["code"], event["text"]


def request(op: str, **fields: object) -> JsonRequest:
    return JsonRequest(op, None, encode({"op": op, **fields}))


class Pair:
    """Alice and bob, logged in, and their contexts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.alice, self.bob = server.joined("alice", "bob")
        self.as_alice, self.as_bob = map(server.context, (self.alice, self.bob))


@pytest.fixture
def pair(server: Server) -> Pair:
    return Pair(server)


# -- login --


def test_a_login_says_who_is_here_and_what_was_missed(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "for you", "carol")
    carol = Client("CAROL")
    log_in(server, carol, id=1)
    reply, message, end = carol.events()
    assert reply == {
        "event": "reply",
        "re": 1,
        "op": "login",
        "name": "Carol",
        "online": ["alice"],
        "seq": 1,
        "missed": 1,
        "busy": False,
        "hidden": False,
    }
    assert (message["text"], message["replay"]) == ("for you", True)
    assert (end["event"], end["count"], end["more"]) == ("replayed", 1, 0)
    assert alice.named("presence") == [{"event": "presence", "name": "Carol", "state": "online"}]
    assert carol.connection.logged_in


def test_a_wrong_password_leaves_tries_and_the_last_one_ends_the_connection(
    server: Server,
) -> None:
    client = Client("bob")
    context = server.context(client, logged_in=False)
    for left in (2, 1):
        event = server.ask(context, "login", name="bob", password="wrong")
        assert event is not None
        assert (event["code"], event["attempts_left"]) == ("bad_credentials", left)
        assert client.connection.ending is None
    event = server.ask(context, "login", name="bob", password="wrong")
    assert event is not None
    assert (event["attempts_left"], event["retry_after"]) == (0, 60)
    assert client.connection.ending is not None
    assert client.connection.ending.code == "locked_out"
    assert context.session is None
    assert not client.connection.logged_in


def test_three_names_are_no_way_around_three_tries(server: Server) -> None:
    client = Client("bob")
    context = server.context(client, logged_in=False)
    for name in ("alice", "bob", "carol"):
        server.ask(context, "login", name=name, password="wrong")
    assert client.connection.ending is not None


def test_a_busy_server_is_nobodys_failed_login(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise CommandError("try_later", "Too many.", retry_after=5)

    client = Client("bob")
    context = server.context(client, logged_in=False)
    monkeypatch.setattr(Passwords, "verify", busy)
    for _ in range(5):
        event = server.ask(context, "login", name="bob", password=PASSWORD)
        assert refusal(event)[0] == "try_later"
    assert client.connection.ending is None


def test_a_second_login_on_one_connection_is_refused(pair: Pair) -> None:
    event = pair.server.ask(pair.as_bob, "login", name="alice", password=PASSWORD)
    assert refusal(event) == ("already_logged_in", "You are logged in as bob.")


def test_a_login_while_the_server_stops_is_refused(server: Server) -> None:
    context = server.context(Client("bob"), logged_in=False)
    server.stop()
    answer = dispatch(context, request("login", name="bob", password=PASSWORD))
    assert isinstance(answer, Error)
    assert answer.code == "shutting_down"
    assert server.directory._sessions == {}


def test_since_replays_what_came_after_it_ones_own_words_too(pair: Pair) -> None:
    server = pair.server
    server.say(pair.bob, "one")
    server.say(pair.alice, "two")
    server.say(pair.bob, "three")
    server.settle()
    phone = Client("bob")
    log_in(server, phone, since=1)
    reply, *_ = events = phone.events()
    assert reply["missed"] == 2
    assert [each["text"] for each in events if each["event"] == "message"] == ["two", "three"]


def test_without_since_the_replay_begins_where_the_account_has_read_to(pair: Pair) -> None:
    server = pair.server
    for text in ("one", "two", "three"):
        server.say(pair.alice, text)
    server.settle()
    server.ask(pair.as_bob, "ack", upto=2)
    server.leave(pair.bob)
    again = Client("bob")
    log_in(server, again)
    assert again.said() == ["three"]


def test_a_login_shows_no_more_than_the_limit(tmp_path: Path) -> None:
    settings = Settings(passwords=CHEAP, session=UNLIMITED, history=HistorySettings(replay_limit=2))
    with Server(tmp_path, settings) as server:
        server.add_accounts("bob")
        (alice,) = server.joined("alice")
        for text in ("one", "two", "three"):
            server.say(alice, text, "bob")
        bob = Client("bob")
        log_in(server, bob)
        reply, *messages, end = bob.events()
        assert reply["missed"] == 3
        assert [each["text"] for each in messages] == ["two", "three"]
        assert end["more"] == 1


# -- who and last --


def test_who_names_the_others(pair: Pair) -> None:
    (carol,) = pair.server.joined("Carol")
    pair.server.ask(pair.server.context(carol), "busy", reply="no")
    event = pair.server.ask(pair.as_alice, "who", id=2)
    assert event == {
        "event": "reply",
        "re": 2,
        "op": "who",
        "users": [
            {"name": "bob", "busy": False, "idle_seconds": 0},
            {"name": "Carol", "busy": True, "idle_seconds": 0},
        ],
    }


def test_last_names_who_was_here(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.server.leave(pair.bob)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90)
    event = pair.server.ask(pair.as_alice, "last", minutes=2)
    assert event is not None
    seen = [(each["name"], each["online"]) for each in event["users"]]
    assert seen == [("alice", True), ("bob", False)]
    assert 90 <= event["users"][1]["seconds_ago"] <= 100
    event = pair.server.ask(pair.as_alice, "last", minutes=1)
    assert event is not None
    assert [each["name"] for each in event["users"]] == ["alice"]


# -- broadcast and send --


def test_a_broadcast_is_answered_by_the_log(pair: Pair) -> None:
    assert pair.server.ask(pair.as_alice, "broadcast", id=4, text="hi") is None
    assert pair.bob.said() == ["hi"]
    (reply,) = pair.alice.events()
    assert (reply["re"], reply["op"], reply["seq"]) == (4, "broadcast", 1)
    assert pair.alice.connection.settle(0)


def test_a_message_is_cleaned_before_it_is_counted_and_stored(tmp_path: Path) -> None:
    settings = Settings(
        passwords=CHEAP, session=UNLIMITED, message=MessageSettings(max_characters=5)
    )
    with Server(tmp_path, settings) as server:
        pair = Pair(server)
        server.ask(pair.as_alice, "broadcast", text="\x1b\x1b\x1b12\r\n34\u202e")
        assert pair.bob.said() == ["12\n34"]
        event = server.ask(pair.as_alice, "broadcast", text="123456")
        assert refusal(event) == (
            "text_too_long",
            "That message has 6 characters; the limit is 5. Send it in parts.",
        )


def test_without_a_limit_a_message_may_be_long(tmp_path: Path) -> None:
    message = MessageSettings(max_characters=0)
    settings = Settings(passwords=CHEAP, session=UNLIMITED, message=message)
    with Server(tmp_path, settings) as server:
        pair = Pair(server)
        server.ask(pair.as_alice, "broadcast", text="x" * 50_000)
        assert pair.bob.said() == ["x" * 50_000]


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\x1b\u202e", "\u200b"])
@pytest.mark.parametrize("op", ["broadcast", "send"])
def test_nothing_is_not_said(pair: Pair, op: str, text: str) -> None:
    fields = {"to": ["bob"]} if op == "send" else {}
    event = pair.server.ask(pair.as_alice, op, text=text, **fields)
    assert refusal(event) == ("bad_request", "There is nothing to say in that message.")
    assert pair.server.store.last_seq == 0


def test_send_names_accounts_as_their_owners_do_and_each_once(pair: Pair) -> None:
    pair.server.ask(pair.as_alice, "send", to=["BOB", "carol", "bob", "CAROL"], text="hi")
    (reply,) = pair.alice.events()
    assert (reply["delivered"], reply["stored"]) == (["bob"], ["Carol"])
    (message,) = pair.bob.events()
    assert message["to"] == ["bob", "Carol"]


def test_send_goes_to_those_who_have_an_account(pair: Pair) -> None:
    pair.server.ask(pair.as_alice, "send", to=["bob", "bbo", "x y\n"], text="hi")
    (reply,) = pair.alice.events()
    assert (reply["delivered"], reply["unknown"]) == (["bob"], ["bbo", "x y\\n"])
    assert pair.bob.named("message")[0]["to"] == ["bob"]


def test_send_to_nobody_is_refused(pair: Pair) -> None:
    event = pair.server.ask(pair.as_alice, "send", to=["bbo", "crl"], text="hi")
    assert refusal(event) == ("no_such_user", "No such user: bbo, crl.")
    assert pair.server.store.last_seq == 0


def test_the_same_key_again_is_the_same_message(pair: Pair) -> None:
    for _ in range(2):
        pair.server.ask(pair.as_alice, "send", to=["bob"], text="hi", key="k1")
    first, second = pair.alice.events()
    assert first["seq"] == second["seq"] == 1
    assert second["duplicate"] is True
    assert pair.bob.said() == ["hi"]


# -- history and search --


def said(event: Event | None) -> tuple[list[str], bool]:
    assert event is not None
    assert event["event"] == "reply", event
    return [each["text"] for each in event["messages"]], event["more"]


@pytest.fixture
def talked(pair: Pair) -> Pair:
    """Give a pair that has talked: numbers 1 to 4."""
    pair.server.say(pair.alice, "room 1")
    pair.server.say(pair.alice, "to bob 2", "bob")
    pair.server.say(pair.bob, "to alice 3", "alice")
    pair.server.say(pair.bob, "room 4")
    pair.server.settle()
    return pair


def test_history_is_that_of_the_room_or_of_a_conversation(talked: Pair) -> None:
    ask = talked.server.ask
    assert said(ask(talked.as_alice, "history")) == (["room 1", "room 4"], False)
    assert said(ask(talked.as_alice, "history", room="lobby")) == (["room 1", "room 4"], False)
    assert said(ask(talked.as_alice, "history", **{"with": "BOB"})) == (
        ["to bob 2", "to alice 3"],
        False,
    )
    assert said(ask(talked.as_alice, "history", **{"with": "dave"})) == ([], False)


@pytest.fixture
def mixed(pair: Pair) -> Pair:
    """Give a pair who has talked alone, and among others."""
    (carol,) = pair.server.joined("Carol")
    pair.server.say(pair.alice, "1 alone", "bob")
    pair.server.say(pair.bob, "2 among us", "alice", "Carol")
    pair.server.say(carol, "3 carol among us", "alice", "bob")
    pair.server.say(pair.alice, "4 among all", "bob", "Carol", "dave")
    pair.server.say(pair.alice, "5 to myself", "alice")
    pair.server.say(pair.bob, "6 not mine", "Carol")
    pair.server.settle()
    pair.alice.stream.sent.clear()
    return pair


@pytest.mark.parametrize(
    ("with_", "texts"),
    [
        ("bob", ["1 alone", "2 among us", "4 among all"]),
        (["BOB"], ["1 alone", "2 among us", "4 among all"]),
        (["bob", "Bob"], ["1 alone", "2 among us", "4 among all"]),
        ("carol", ["3 carol among us", "4 among all"]),
        ("dave", ["4 among all"]),
        ("alice", ["5 to myself"]),
        (["bob", "carol"], ["2 among us", "3 carol among us"]),
        (["CAROL", "bob", "alice"], ["2 among us", "3 carol among us"]),
        (["bob", "alice"], ["1 alone"]),
        (["bob", "carol", "dave"], ["4 among all"]),
        (["carol", "dave"], []),
        ("lobby", []),
    ],
    ids=str,
)
def test_history_with_one_is_what_both_said_and_with_several_what_those_said(
    mixed: Pair, with_: object, texts: list[str]
) -> None:
    fields = {"with": with_}
    assert said(mixed.server.ask(mixed.as_alice, "history", **fields)) == (texts, False)
    newest = said(mixed.server.ask(mixed.as_alice, "history", limit=1, **fields))
    assert newest == (texts[-1:], len(texts) > 1)
    rest = said(mixed.server.ask(mixed.as_alice, "history", after=1, **fields))[0]
    assert rest == [each for each in texts if not each.startswith("1")]


def test_history_is_read_in_words(mixed: Pair) -> None:
    dialect = TextDialect(0)
    dialect.ready(logged_in=True)
    for typed, texts in (
        (b"history (bob carol)", ["2 among us", "3 carol among us"]),
        (b"history (bob, CAROL) 1", ["3 carol among us"]),
        (b"history bob 1", ["4 among all"]),
        (b"history 5", []),
    ):
        asked = dialect.read(typed)
        assert isinstance(asked, TextRequest)
        event = dispatch(mixed.as_alice, asked)
        assert isinstance(event, HistoryReply)
        assert [each.text for each in event.messages] == texts
        words = TEXT.answer(asked, event, "alice").decode()
        assert all(text in words for text in texts)
    asked = dialect.read(b"history (bob bbo crl)")
    assert isinstance(asked, TextRequest)
    event = dispatch(mixed.as_alice, asked)
    assert isinstance(event, Error)
    assert TEXT.answer(asked, event).decode() == "-- No such user: bbo, crl.\n"


def test_who_only_asks_for_a_history_names_nobody_anew(pair: Pair) -> None:
    """An account that has never been here gets its number by its own spelling."""
    pair.server.ask(pair.as_alice, "history", **{"with": ["CAROL", "bob"]})
    assert pair.server.account("carol").name == "Carol"


def test_history_comes_in_pages(talked: Pair) -> None:
    ask = talked.server.ask
    assert said(ask(talked.as_alice, "history", limit=1)) == (["room 4"], True)
    assert said(ask(talked.as_alice, "history", before=4)) == (["room 1"], False)
    assert said(ask(talked.as_alice, "history", after=1)) == (["room 4"], False)
    assert said(ask(talked.as_alice, "history", after=0, limit=1)) == (["room 1"], True)


def test_history_begins_when_one_came_first(talked: Pair) -> None:
    (dave,) = talked.server.joined("dave")
    as_dave = talked.server.context(dave)
    assert said(talked.server.ask(as_dave, "history")) == ([], False)
    assert said(talked.server.ask(as_dave, "history", after=0)) == ([], False)
    talked.server.say(talked.alice, "room 5")
    talked.server.settle()
    assert said(talked.server.ask(as_dave, "history")) == (["room 5"], False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"with": "bbo"}, "no_such_user"),
        ({"with": ["bob", "bbo"]}, "no_such_user"),
        ({"with": ["bob", "lobby"]}, "no_such_user"),
        ({"with": ["bob"] * 101}, "bad_request"),
        ({"with": []}, "bad_request"),
        ({"with": ["bob"], "room": "lobby"}, "bad_request"),
        ({"with": "bob", "room": "lobby"}, "bad_request"),
        ({"room": "kitchen"}, "bad_request"),
        ({"before": 3, "after": 1}, "bad_request"),
        ({"limit": 0}, "bad_request"),
        ({"limit": 501}, "bad_request"),
        ({"before": -1}, "bad_request"),
    ],
)
def test_history_that_makes_no_sense_is_refused(
    pair: Pair, fields: dict[str, object], code: str
) -> None:
    assert refusal(pair.server.ask(pair.as_alice, "history", **fields))[0] == code


@pytest.mark.parametrize("field", ["before", "after"])
def test_a_number_beyond_all_messages_is_no_bug(pair: Pair, field: str) -> None:
    event = pair.server.ask(pair.as_alice, "history", **{field: 2**63})
    assert event is not None
    assert event.get("code") != "internal"


def test_an_answer_fits_into_an_outbox(pair: Pair) -> None:
    for _ in range(400):
        pair.server.say(pair.bob, "x" * 4000)
    pair.server.settle()
    pair.alice.events()
    event = dispatch(pair.as_alice, request("history", limit=400))
    assert isinstance(event, HistoryReply)
    pair.as_alice.answer(event)  # as the handler does
    assert pair.alice.connection.ending is None


def test_search_finds_what_one_may_read(talked: Pair) -> None:
    server = talked.server
    server.index_all()
    assert said(server.ask(talked.as_alice, "search", query="room")) == (
        ["room 4", "room 1"],
        False,
    )
    assert said(server.ask(talked.as_bob, "search", query="to*", limit=1)) == (
        ["to alice 3"],
        True,
    )
    (dave,) = server.joined("dave")
    assert said(server.ask(server.context(dave), "search", query="to* room*")) == ([], False)


# -- busy and idle --


def test_busy_holds_what_others_say_and_idle_shows_it(pair: Pair) -> None:
    server = pair.server
    assert server.ask(pair.as_bob, "busy", id=6, reply=" at\n lunch\x1b ") == {
        "event": "reply",
        "re": 6,
        "op": "busy",
    }
    server.ask(pair.as_alice, "broadcast", text="one")
    server.ask(pair.as_alice, "send", to=["bob"], text="two")
    assert pair.bob.events() == []
    notice, broadcast, send = pair.alice.events()
    assert notice["state"] == "busy"
    assert broadcast["busy"] == send["busy"] == {"bob": "at lunch"}
    assert server.ask(pair.as_bob, "idle", id=7) == {"event": "reply", "re": 7, "op": "idle"}
    server.ask(pair.as_alice, "broadcast", text="three")
    one, two, end, three = pair.bob.events()
    assert (one["text"], two["text"], end["count"]) == ("one", "two", 2)
    assert (three["text"], "replay" in three) == ("three", False)


def test_idle_shows_each_session_what_it_lacks(pair: Pair) -> None:
    server = pair.server
    server.say(pair.alice, "before")
    server.settle()
    laptop = server.join(Client("bob"))
    for each in (pair.bob, laptop):
        each.stream.sent.clear()
    server.ask(pair.as_bob, "busy")
    server.say(pair.alice, "held")
    server.say(laptop, "own")
    server.say(pair.alice, "held too", "bob")
    server.settle()
    assert pair.bob.said() == laptop.said() == []
    server.ask(server.context(laptop), "idle")
    server.replay.stop(DEADLINE)
    assert pair.bob.said() == ["held", "own", "held too"]
    assert laptop.said() == ["held", "held too"]


def test_idle_without_busy_is_just_answered(pair: Pair) -> None:
    reply = pair.server.ask(pair.as_bob, "idle", id=1)
    assert reply == {"event": "reply", "re": 1, "op": "idle"}
    assert pair.bob.events() == []
    assert pair.alice.events() == []


def test_nothing_is_held_twice(pair: Pair) -> None:
    server = pair.server
    for text in ("one", "two"):
        server.ask(pair.as_bob, "busy")
        server.say(pair.alice, text)
        server.ask(pair.as_bob, "idle")
        assert pair.bob.said() == [text]


def test_a_busy_reply_is_short(pair: Pair) -> None:
    assert pair.server.ask(pair.as_bob, "busy", reply="x" * 200) is not None
    event = pair.server.ask(pair.as_bob, "busy", reply="x" * 201)
    assert refusal(event) == ("text_too_long", "A busy reply may have at most 200 characters.")


def test_busy_outlives_the_session_and_what_is_held_with_it(pair: Pair) -> None:
    server = pair.server
    server.ask(pair.as_bob, "busy", reply="no")
    server.say(pair.alice, "held")
    server.leave(pair.bob)
    server.say(pair.alice, "held too", "bob")
    bob = Client("bob")
    context = log_in(server, bob)
    (reply,) = bob.events()
    assert (reply["busy"], reply["missed"]) == (True, 2)
    server.ask(context, "idle")
    assert bob.said() == ["held", "held too"]


# -- hide and appear --


def test_hide_looks_like_a_logout_and_appear_like_a_login(pair: Pair) -> None:
    server = pair.server
    assert server.ask(pair.as_bob, "hide") == {"event": "reply", "op": "hide"}
    event = server.ask(pair.as_alice, "who")
    assert event is not None
    assert event["users"] == []
    server.ask(pair.as_alice, "send", to=["bob"], text="psst")
    notice, reply = pair.alice.events()
    assert notice == {"event": "presence", "name": "bob", "state": "offline"}
    assert reply["stored"] == ["bob"]
    assert pair.bob.said() == ["psst"]
    assert server.ask(pair.as_bob, "appear") == {"event": "reply", "op": "appear"}
    assert pair.alice.named("presence")[0]["state"] == "online"


def test_hidden_outlives_a_restart(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.add_accounts("bob")
        (bob,) = server.joined("bob")
        server.ask(server.context(bob), "hide")
    with Server(tmp_path) as server:
        (alice,) = server.joined("alice")
        bob = Client("bob")
        log_in(server, bob)
        assert bob.events()[0]["hidden"] is True
        assert alice.events() == []


# -- status --


def test_status_tells_how_one_stands(pair: Pair) -> None:
    server = pair.server
    assert server.ask(pair.as_bob, "status", id=3) == {
        "event": "reply",
        "re": 3,
        "op": "status",
        "name": "bob",
        "busy": False,
        "hidden": False,
        "held": 0,
    }
    server.ask(pair.as_bob, "busy", reply="at lunch")
    server.ask(pair.as_bob, "hide")
    for text in ("one", "two"):
        server.say(pair.alice, text)
    server.say(pair.alice, "not for bob", "carol")
    server.settle()
    event = server.ask(pair.as_bob, "status")
    assert event is not None
    assert (event["busy"], event["reply"], event["hidden"]) == (True, "at lunch", True)
    assert event["held"] == 2


# -- logout, help, ack, ping --


def test_logout_comes_after_the_answers_to_everything_before(pair: Pair) -> None:
    connection = pair.alice.connection
    pair.server.say(pair.alice, "last words")
    connection.appended()
    assert pair.server.ask(pair.as_alice, "logout") == {"event": "reply", "op": "logout"}
    assert connection.settle(0)
    assert connection.farewell() is not None
    assert connection.ending is not None
    assert connection.ending.code == "logged_out"


def test_logout_is_possible_before_a_login(server: Server) -> None:
    client = Client()
    assert server.ask(server.context(client, logged_in=False), "logout") is not None
    assert client.connection.ended


def test_help_describes_what_people_type(server: Server) -> None:
    context = server.context(Client(), logged_in=False)
    event = server.ask(context, "help")
    assert event is not None
    names = [each["name"] for each in event["commands"]]
    assert names[:4] == ["who", "last", "broadcast", "send"]
    assert not {"login", "ack", "ping", "pong"} & set(names)


@pytest.mark.parametrize("word", ["send", "/send", "MSG", "/tell"])
def test_help_describes_one_command(server: Server, word: str) -> None:
    event = server.ask(server.context(Client()), "help", command=word)
    assert event is not None
    (described,) = event["commands"]
    assert described["name"] == "send"
    assert described["aliases"] == ["msg", "tell"]
    assert [each["kind"] for each in described["parameters"]] == ["names", "words"]


@pytest.mark.parametrize("word", ["sned", "pong", ""])
def test_help_for_what_there_is_not_suggests_something(server: Server, word: str) -> None:
    code, text = refusal(server.ask(server.context(Client()), "help", command=word))
    assert code == "unknown_command"
    assert text.startswith(f"There is no command '{word}'. ")


def test_ack_only_moves_forward_and_never_past_the_log(pair: Pair) -> None:
    server = pair.server
    for text in ("one", "two", "three"):
        server.say(pair.alice, text)
    server.settle()
    for upto, expected in ((1, 1), (2, 2), (1, 2), (10**30, 3)):
        assert server.ask(pair.as_bob, "ack", upto=upto) is None
        assert pair.bob.session.acknowledged == expected


def test_the_busy_have_not_read_what_is_held(pair: Pair) -> None:
    server = pair.server
    server.say(pair.alice, "one")
    server.settle()
    server.ask(pair.as_bob, "busy")
    server.say(pair.alice, "held")
    server.settle()
    server.ask(pair.as_bob, "ack", upto=2)
    assert pair.bob.session.acknowledged == 1


def test_ping_and_pong_are_no_activity(server: Server) -> None:
    client = Client()
    client.connection.last_command = 0.0
    context = server.context(client, logged_in=False)
    assert server.ask(context, "ping", id=9) == {"event": "reply", "re": 9, "op": "ping"}
    assert server.ask(context, "pong") is None
    assert client.connection.last_command == 0.0


def test_in_the_text_dialect_what_was_written_counts_as_read(server: Server) -> None:
    (alice,) = server.joined("alice")
    bob = server.join(Client("bob", TEXT))
    server.say(alice, "hi")
    server.settle()
    server.leave(bob)
    again = Client("bob")
    log_in(server, again)
    assert again.said() == []
