"""The commands, each with a client in memory: what it answers and what it does."""

import time
from pathlib import Path

import pytest

from chatserver.accounts.passwords import Passwords
from chatserver.commands.dispatcher import dispatch
from chatserver.dialects.text import RENDERER as TEXT
from chatserver.errors import CommandError
from chatserver.settings import HistorySettings, MessageSettings
from chatwire.events import Error
from chatwire.protocol import encode

from .fakes import DEADLINE, PASSWORD, Client, Pair, Server, raising, refusal, request

# -- login --


def test_a_login_says_who_is_here_and_what_was_missed(server: Server) -> None:
    (alice,) = server.joined("alice")
    server.say(alice, "for you", "carol")
    carol = server.log_in("CAROL", id=1)
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
        "invited": [],
        "replay": True,
    }
    assert (message["text"], message["replay"]) == ("for you", True)
    assert (end["event"], end["count"], end["more"]) == ("replayed", 1, 0)
    assert alice.named("presence") == [{"event": "presence", "name": "Carol", "state": "online"}]
    assert carol.connection.logged_in


def test_a_wrong_password_leaves_tries_and_the_last_one_ends_the_connection(
    server: Server,
) -> None:
    client, context = server.arriving("bob")
    for left in (2, 1):
        event = server.ask(context, "login", name="bob", password="wrong")
        assert (event["code"], event["attempts_left"]) == ("bad_credentials", left)
        assert client.ending is None
    event = server.ask(context, "login", name="bob", password="wrong")
    assert (event["attempts_left"], event["retry_after"]) == (0, 60)
    assert client.code == "locked_out"
    assert context.session is None
    assert not client.connection.logged_in


def test_three_names_are_no_way_around_three_tries(server: Server) -> None:
    client, context = server.arriving("bob")
    for name in ("alice", "bob", "carol"):
        server.ask(context, "login", name=name, password="wrong")
    assert client.ending is not None


def test_a_busy_server_is_nobodys_failed_login(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, context = server.arriving("bob")
    monkeypatch.setattr(Passwords, "verify", raising(CommandError("try_later", "Too many.")))
    for _ in range(5):
        event = server.ask(context, "login", name="bob", password=PASSWORD)
        assert refusal(event)[0] == "try_later"
    assert client.ending is None


def test_a_second_login_on_one_connection_is_refused(pair: Pair) -> None:
    event = pair.bob_asks("login", name="alice", password=PASSWORD)
    assert refusal(event) == ("already_logged_in", "You are logged in as bob.")


def test_a_login_while_the_server_stops_is_refused(server: Server) -> None:
    _, context = server.arriving("bob")
    server.stop()
    answer = dispatch(context, request("login", name="bob", password=PASSWORD))
    assert isinstance(answer, Error)
    assert answer.code == "shutting_down"
    assert server.directory._sessions == {}


def test_since_replays_what_came_after_it_ones_own_words_too(pair: Pair) -> None:
    pair.server.say(pair.bob, "one")
    pair.server.say(pair.alice, "two")
    pair.server.say(pair.bob, "three")
    phone = pair.server.log_in("bob", since=1)
    reply, *events = phone.events()
    assert reply["missed"] == 2
    assert [each["text"] for each in events if each["event"] == "message"] == ["two", "three"]


def test_without_since_the_replay_begins_where_the_account_has_read_to(pair: Pair) -> None:
    for text in ("one", "two", "three"):
        pair.server.say(pair.alice, text)
    pair.bob_asks("ack", upto=2)
    pair.server.leave(pair.bob)
    assert pair.server.log_in("bob").said() == ["three"]


def test_a_login_shows_no_more_than_the_limit(tmp_path: Path) -> None:
    with Server(tmp_path, history=HistorySettings(replay_limit=2)) as server:
        server.add_accounts("bob")
        (alice,) = server.joined("alice")
        for text in ("one", "two", "three"):
            server.say(alice, text, "bob")
        reply, *messages, end = server.log_in("bob").events()
        assert reply["missed"] == 3
        assert [each["text"] for each in messages] == ["two", "three"]
        assert end["more"] == 1


# -- who and last --


def test_who_names_the_others(pair: Pair) -> None:
    (carol,) = pair.server.joined("Carol")
    pair.server.ask(pair.server.context(carol), "busy", reply="no")
    assert pair.alice_asks("who", id=2) == {
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
    alice, bob = pair.alice_asks("last", minutes=2)["users"]
    assert (alice["name"], alice["online"]) == ("alice", True)
    assert (bob["name"], bob["online"]) == ("bob", False)
    assert 90 <= bob["seconds_ago"] <= 100
    assert [each["name"] for each in pair.alice_asks("last", minutes=1)["users"]] == ["alice"]


# -- broadcast and send --


def test_a_broadcast_is_answered_by_the_log(pair: Pair) -> None:
    assert pair.alice_asks("broadcast", id=4, text="hi") == {}
    assert pair.bob.said() == ["hi"]
    (reply,) = pair.alice.events()
    assert (reply["re"], reply["op"], reply["seq"]) == (4, "broadcast", 1)
    assert pair.alice.connection.settle(0)


def test_a_message_is_cleaned_before_it_is_counted_and_stored(tmp_path: Path) -> None:
    with Server(tmp_path, message=MessageSettings(max_characters=5)) as server:
        pair = Pair(server)
        pair.alice_asks("broadcast", text="\x1b\x1b\x1b12\r\n34\u202e")
        assert pair.bob.said() == ["12\n34"]
        assert refusal(pair.alice_asks("broadcast", text="123456")) == (
            "text_too_long",
            "That message has 6 characters; the limit is 5. Send it in parts.",
        )


def test_without_a_limit_a_message_may_be_long(tmp_path: Path) -> None:
    with Server(tmp_path, message=MessageSettings(max_characters=0)) as server:
        pair = Pair(server)
        pair.alice_asks("broadcast", text="x" * 50_000)
        assert pair.bob.said() == ["x" * 50_000]


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\x1b\u202e", "\u200b"])
@pytest.mark.parametrize(("op", "fields"), [("broadcast", {}), ("send", {"to": ["bob"]})])
def test_nothing_is_not_said(pair: Pair, op: str, fields: dict[str, object], text: str) -> None:
    event = pair.alice_asks(op, text=text, **fields)
    assert refusal(event) == ("bad_request", "There is nothing to say in that message.")
    assert pair.server.store.last_seq == 0


@pytest.mark.parametrize(
    ("to", "delivered", "stored", "unknown", "named"),
    [
        (["BOB", "carol", "bob", "CAROL"], ["bob"], ["Carol"], [], ["bob", "Carol"]),
        (["bob", "bbo", "x y\n"], ["bob"], [], ["bbo", "x y\\n"], ["bob"]),
    ],
)
def test_send_names_each_account_once_as_its_owner_does_and_who_has_none(
    pair: Pair,
    to: list[str],
    delivered: list[str],
    stored: list[str],
    unknown: list[str],
    named: list[str],
) -> None:
    pair.alice_asks("send", to=to, text="hi")
    (reply,) = pair.alice.events()
    assert reply["delivered"] == delivered
    assert (reply.get("stored", []), reply.get("unknown", [])) == (stored, unknown)
    assert [each["to"] for each in pair.bob.events()] == [named]


def test_send_to_nobody_is_refused(pair: Pair) -> None:
    event = pair.alice_asks("send", to=["bbo", "crl"], text="hi")
    assert refusal(event) == ("no_such_user", "No such user: bbo, crl.")
    assert pair.server.store.last_seq == 0


def test_the_same_key_again_is_the_same_message(pair: Pair) -> None:
    for _ in range(2):
        pair.alice_asks("send", to=["bob"], text="hi", key="k1")
    first, second = pair.alice.events()
    assert first["seq"] == second["seq"] == 1
    assert second["duplicate"] is True
    assert pair.bob.said() == ["hi"]


# -- busy and idle --


def test_busy_holds_what_others_say_and_idle_shows_it(pair: Pair) -> None:
    reply = pair.bob_asks("busy", id=6, reply=" at\n lunch\x1b ")
    assert reply == {"event": "reply", "re": 6, "op": "busy"}
    pair.alice_asks("broadcast", text="one")
    pair.alice_asks("send", to=["bob"], text="two")
    assert pair.bob.events() == []
    notice, broadcast, send = pair.alice.events()
    assert notice["state"] == "busy"
    assert broadcast["busy"] == send["busy"] == {"bob": "at lunch"}
    assert pair.bob_asks("idle", id=7) == {"event": "reply", "re": 7, "op": "idle"}
    pair.alice_asks("broadcast", text="three")
    one, two, end, three = pair.bob.events()
    assert (one["text"], two["text"], end["count"]) == ("one", "two", 2)
    assert (three["text"], "replay" in three) == ("three", False)


def test_idle_shows_each_session_what_it_lacks(pair: Pair) -> None:
    server = pair.server
    server.say(pair.alice, "before")
    laptop = server.join(Client("bob"))
    for each in (pair.bob, laptop):
        each.stream.sent.clear()
    pair.bob_asks("busy")
    server.say(pair.alice, "held")
    server.say(laptop, "own")
    server.say(pair.alice, "held too", "bob")
    assert pair.bob.said() == laptop.said() == []
    server.ask(server.context(laptop), "idle")
    server.replay.stop(DEADLINE)
    assert pair.bob.said() == ["held", "own", "held too"]
    assert laptop.said() == ["held", "held too"]


def test_idle_without_busy_is_just_answered(pair: Pair) -> None:
    assert pair.bob_asks("idle", id=1) == {"event": "reply", "re": 1, "op": "idle"}
    assert pair.bob.events() == pair.alice.events() == []


def test_nothing_is_held_twice(pair: Pair) -> None:
    for text in ("one", "two"):
        pair.bob_asks("busy")
        pair.server.say(pair.alice, text)
        pair.bob_asks("idle")
        assert pair.bob.said() == [text]


def test_a_busy_reply_is_short(pair: Pair) -> None:
    assert pair.bob_asks("busy", reply="x" * 200)["event"] == "reply"
    event = pair.bob_asks("busy", reply="x" * 201)
    assert refusal(event) == ("text_too_long", "A busy reply may have at most 200 characters.")


def test_busy_outlives_the_session_and_what_is_held_with_it(pair: Pair) -> None:
    server = pair.server
    pair.bob_asks("busy", reply="no")
    server.say(pair.alice, "held")
    server.leave(pair.bob)
    server.say(pair.alice, "held too", "bob")
    bob = server.log_in("bob")
    (reply,) = bob.events()
    assert (reply["busy"], reply["missed"]) == (True, 2)
    server.ask(server.context(bob), "idle")
    assert bob.said() == ["held", "held too"]


# -- hide, appear, status --


def test_hide_looks_like_a_logout_and_appear_like_a_login(pair: Pair) -> None:
    assert pair.bob_asks("hide") == {"event": "reply", "op": "hide"}
    assert pair.alice_asks("who")["users"] == []
    pair.alice_asks("send", to=["bob"], text="psst")
    notice, reply = pair.alice.events()
    assert notice == {"event": "presence", "name": "bob", "state": "offline"}
    assert reply["stored"] == ["bob"]
    assert pair.bob.said() == ["psst"]
    assert pair.bob_asks("appear") == {"event": "reply", "op": "appear"}
    assert pair.alice.named("presence")[0]["state"] == "online"


def test_hidden_outlives_a_restart(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.add_accounts("bob")
        server.ask(server.context(*server.joined("bob")), "hide")
    with Server(tmp_path) as server:
        (alice,) = server.joined("alice")
        assert server.log_in("bob").events()[0]["hidden"] is True
        assert alice.events() == []


def test_status_tells_how_one_stands(pair: Pair) -> None:
    at_first = {"name": "bob", "busy": False, "hidden": False, "held": 0}
    assert pair.bob_asks("status", id=3) == {"event": "reply", "re": 3, "op": "status"} | at_first
    pair.bob_asks("busy", reply="at lunch")
    pair.bob_asks("hide")
    for text in ("one", "two"):
        pair.server.say(pair.alice, text)
    pair.server.say(pair.alice, "not for bob", "carol")
    event = pair.bob_asks("status")
    assert (event["busy"], event["reply"], event["hidden"]) == (True, "at lunch", True)
    assert event["held"] == 2


# -- logout, help, ack, ping --


def test_logout_comes_after_the_answers_to_everything_before(pair: Pair) -> None:
    connection = pair.alice.connection
    connection.appended()
    with pair.server.paused():
        pair.server.say(pair.alice, "last words")
        logout = dispatch(pair.as_alice, request("logout"))
        assert not connection.settle(0)
    assert encode(logout) == b'{"event":"reply","op":"logout"}\n'
    assert connection.settle(0)
    assert connection.farewell() is not None
    assert pair.alice.code == "logged_out"


def test_logout_is_possible_before_a_login(server: Server) -> None:
    client, context = server.arriving()
    assert server.ask(context, "logout")["event"] == "reply"
    assert client.connection.ended


def test_help_describes_what_people_type(server: Server) -> None:
    _, context = server.arriving()
    names = [each["name"] for each in server.ask(context, "help")["commands"]]
    assert names[:4] == ["who", "last", "broadcast", "send"]
    assert not {"login", "ack", "ping", "pong"} & set(names)


@pytest.mark.parametrize("word", ["send", "/send", "MSG", "/tell"])
def test_help_describes_one_command(pair: Pair, word: str) -> None:
    (described,) = pair.alice_asks("help", command=word)["commands"]
    assert described["name"] == "send"
    assert described["aliases"] == ["msg", "tell"]
    assert [each["kind"] for each in described["parameters"]] == ["place", "words"]


@pytest.mark.parametrize("word", ["sned", "pong", ""])
def test_help_for_what_there_is_not_suggests_something(pair: Pair, word: str) -> None:
    code, text = refusal(pair.alice_asks("help", command=word))
    assert code == "unknown_command"
    assert text.startswith(f"There is no command '{word}'. ")


def test_ack_only_moves_forward_and_never_past_the_log_or_what_is_held(pair: Pair) -> None:
    for text in ("one", "two", "three"):
        pair.server.say(pair.alice, text)
    pair.bob_asks("busy")
    pair.server.say(pair.alice, "held")
    for upto, expected in ((1, 1), (2, 2), (1, 2), (4, 3), (2**62, 3)):
        assert pair.bob_asks("ack", upto=upto) == {}
        assert pair.bob.session.acknowledged == expected
    pair.bob_asks("idle")
    pair.bob_asks("ack", upto=2**62)
    assert pair.bob.session.acknowledged == 4


def test_ping_and_pong_are_no_activity(server: Server) -> None:
    client, context = server.arriving()
    client.connection.last_command = 0.0
    assert server.ask(context, "ping", id=9) == {"event": "reply", "re": 9, "op": "ping"}
    assert server.ask(context, "pong") == {}
    assert client.connection.last_command == 0.0


def test_in_the_text_dialect_what_was_written_counts_as_read(server: Server) -> None:
    (alice,) = server.joined("alice")
    bob = server.join(Client("bob", TEXT))
    server.say(alice, "hi")
    server.leave(bob)
    assert server.log_in("bob").said() == []
