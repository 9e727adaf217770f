"""Busy and hidden: nothing is dropped, and whoever is hidden cannot be found out."""

import json
import re
import socket
import sqlite3
import ssl
import time
from contextlib import ExitStack, closing
from typing import Self

import pytest

from .client import PASSWORD, PATIENCE, Event, Flood, JsonClient, eventually, seqs
from .conftest import StartServer
from .process import ServerProcess


def names(users: list[Event]) -> list[str]:
    return [each["name"] for each in users]


def presence(events: list[Event], name: str) -> list[str]:
    return [
        each["state"] for each in events if each["event"] == "presence" and each["name"] == name
    ]


# -- busy --


def test_busy_holds_messages_and_answers_for_the_person(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as busy:
        busy.ask("busy", reply="in a meeting")
        sender.expect(event="presence", name=bob, state="busy")
        assert sender.ask("broadcast", text="one")["busy"][bob] == "in a meeting"
        reply = sender.tell(bob, "two")
        assert reply["busy"] == {bob: "in a meeting"}
        assert (reply["delivered"], reply["stored"]) == ([], [])
        assert busy.heard() == []
        status = busy.ask("status")
        assert (status["busy"], status["reply"], status["held"]) == (True, "in a meeting", 2)
        busy.ask("idle")
        sender.expect(event="presence", name=bob, state="idle")
        assert busy.texts(2) == ["one", "two"]
        assert busy.ask("status")["busy"] is False
        assert sender.ask("broadcast", text="three")["busy"].get(bob) is None
        assert busy.heard() == ["three"]


def test_busy_in_text_holds_messages_and_idle_shows_them(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(ann) as sender, server.text(bob) as busy:
        assert busy.ask("busy gone fishing").startswith("-- You are busy")
        assert sender.line("is busy") == f"-- {bob} is busy."
        answer = sender.ask(f"send {bob} hi")
        assert answer == f"-- {bob} is busy and will see it later: gone fishing"
        assert busy.fence() == []
        assert "busy (gone fishing) with 1 message held" in busy.ask("status")
        busy.send("idle")
        busy.expect("-- You are no longer busy.\n")
        assert busy.line("hi").endswith(f"{ann} → you: hi")
        assert sender.line("no longer") == f"-- {bob} is no longer busy."


def test_busy_needs_no_words_and_takes_new_ones(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as busy:
        busy.ask("busy")
        assert sender.tell(bob, "one")["busy"] == {bob: ""}
        busy.ask("busy", reply="now with\nwords\x1b")
        assert sender.tell(bob, "two")["busy"] == {bob: "now with words"}
        assert busy.refused("busy", reply="x" * 201)["code"] == "text_too_long"
        assert sender.tell(bob, "three")["busy"] == {bob: "now with words"}
        busy.ask("idle")
        assert busy.heard() == ["one", "two", "three"]


def test_idle_without_busy_changes_nothing(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as client:
        sender.say("one")
        client.ask("idle")
        client.ask("idle")
        assert client.heard() == ["one"]
        assert presence(sender.fence(), bob) == ["online"]


def test_busy_covers_every_session_and_idle_shows_each_what_it_lacks(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as desk, server.text(bob) as laptop:
        desk.ask("busy")
        sender.say("one")
        assert desk.fence() == []
        assert laptop.fence() == []
        with server.json() as late:
            assert late.login(bob)["busy"] is True
            sender.say("two")
            assert late.heard() == []
            desk.ask("idle")
            assert desk.heard() == ["one", "two"]
            assert late.heard() == ["one", "two"]
            shown = [each for each in laptop.fence() if ann in each and not each.startswith("--")]
            assert [each.rpartition(f"{ann}: ")[2] for each in shown] == ["one", "two"]


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("dialect", ["json", "text"])
@pytest.mark.parametrize("first", ["desk", "laptop"])
def test_the_busy_see_everything_in_order_at_idle_but_for_what_they_said_there(
    server: ServerProcess, dialect: str, tls: bool, first: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with ExitStack() as open_:
        sender = open_.enter_context(server.json(ann))
        desk, laptop = (
            open_.enter_context(Device(server, bob, dialect, tls=tls)) for _ in range(2)
        )
        desk.do("busy")
        sender.say("1 to all")
        sender.tell(bob, "2 to bob")
        desk.do("broadcast", "3 from the desk")
        laptop.do("send", "4 from the laptop", to=ann)
        desk.do("send", "5 from the desk", to=f"{ann} {bob}")
        sender.say("6 to all")
        late = open_.enter_context(Device(server, bob, dialect, tls=tls))
        laptop.do("broadcast", "7 from the laptop")
        for each in (desk, laptop, late):
            assert each.numbers() == []
        (desk if first == "desk" else laptop).do("idle")
        sender.say("8 to all")
        assert laptop.numbers(upto=8) == [1, 2, 3, 5, 6, 8]
        assert desk.numbers(upto=8) == [1, 2, 4, 6, 7, 8]
        assert late.numbers(upto=8) == [1, 2, 6, 7, 8]


class Device:
    """One of several of an account, in either dialect; what is said begins with a digit."""

    def __init__(self, server: ServerProcess, account: str, dialect: str, *, tls: bool) -> None:
        self._json = dialect == "json"
        self._socket = socket.create_connection(server.place, PATIENCE)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rwb")
        self._said: list[int] = []
        if self._json:
            self._ask({"op": "login", "name": account, "password": PASSWORD})
        else:
            self._write(f"{account}\n{PASSWORD}\n".encode())
            self._until("-- Welcome")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def do(self, op: str, text: str = "", *, to: str = "") -> None:
        """Ask for something and wait for the answer."""
        if self._json:
            words = {"to": to.split()} if to else {}
            self._ask({"op": op, **words, **({"text": text} if text else {})})
        else:
            self._write(f"{op} {f'({to}) ' if to else ''}{text}\n".encode())
            self._until("-- ")

    def numbers(self, upto: int | None = None) -> list[int]:
        """Return the numbers of what has been shown: by now, or up to one that will be."""
        if upto is None:
            self.do("status")
        while upto is not None and upto not in self._said:
            self._line()
        shown, self._said = self._said, []
        return shown

    def _ask(self, request: Event) -> None:
        self._write(json.dumps({**request, "id": 7}).encode() + b"\n")
        self._until('"re":7')

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def _until(self, text: str) -> None:
        while text not in self._line():
            pass

    def _line(self) -> str:
        line = self._file.readline().decode()
        assert line, "the connection has ended"
        found = re.search(r'(?:"text":"|: )(\d) (?:to|from) ', line)
        if found:
            self._said.append(int(found[1]))
        return line


def test_a_device_that_does_not_read_keeps_idle_on_another_waiting_for_nothing(
    start_server: StartServer,
) -> None:
    """It is cut off by the usual rule, and its next login has everything."""
    server = start_server(session_ping_seconds=4, session_outbox_bytes=131072)
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as desk:
        stalled = server.json(receive_buffer=2048)
        with stalled:
            start = stalled.login(bob)["seq"]
            desk.ask("busy")
            texts = [f"{number} " + "x" * 3900 for number in range(400)]
            for text in texts:
                sender.say(text)
            desk.ask("idle")
            assert desk.texts(400) == texts
            for _ in range(3):  # and nothing is refused meanwhile
                desk.ask("busy")
                desk.ask("idle")
            server.wait_for_log("reason=too_slow")
        with server.json() as again:
            again.login(bob, since=start)
            assert again.texts(400) == texts


def test_busy_and_what_it_holds_outlive_logout_and_restart(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as busy:
            sender.say("read")
            busy.fence()
            busy.ask("busy", reply="back soon")
            sender.tell(bob, "one")
        sender.expect(event="presence", name=bob, state="offline")
        assert sender.tell(bob, "two")["stored"] == [bob]
    server.stop()
    server = start_server()
    with server.json(ann) as sender, server.json() as busy:
        reply = busy.login(bob)
        assert reply["busy"] is True
        sender.say("three")
        assert busy.heard() == []
        status = busy.ask("status")
        assert (status["busy"], status["reply"]) == (True, "back soon")
        busy.ask("idle")
        assert [text for text in busy.heard() if text != "read"] == ["one", "two", "three"]


def test_busy_text_session_is_told_at_login(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.text(bob) as busy:
            busy.ask("busy")
            busy.ask("hide", "You are hidden")
            sender.tell(bob, "one")
        server.wait_for_log(f"disconnected: account={bob}")
        with server.text() as busy:
            busy.login(bob)
            assert busy.line() == "-- You are still hidden: type appear to be seen."
            assert busy.line() == "-- You are still busy, 1 message held: type idle to see them."
            busy.send("idle")
            assert busy.line("one").endswith(f"{ann} → you: one")


def test_nothing_is_lost_or_repeated_however_often_somebody_is_busy_in_a_flood(
    server: ServerProcess,
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as client, server.json(bob) as other:
        with Flood(sender) as flood:
            for _ in range(15):
                client.ask("busy")
                flood.wait_for(10)
                client.ask("idle")
                flood.wait_for(10)
        assert client.heard() == [str(count) for count in range(1, flood.sent + 1)]
        assert other.heard() == [str(count) for count in range(1, flood.sent + 1)]


@pytest.mark.parametrize("leave", ["logout", "close"])
def test_what_was_held_is_not_lost_when_the_connection_breaks_at_idle(
    server: ServerProcess, leave: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as busy:
            busy.ask("busy")
            sender.say("one")
            sender.tell(bob, "two")
            busy.write(b'{"op":"idle"}\n' + (b'{"op":"logout"}\n' if leave == "logout" else b""))
        sender.expect(event="presence", name=bob, state="offline")
        with server.json(bob) as again:
            assert again.heard() == ["one", "two"]


@pytest.mark.parametrize("death", ["client", "stop", "kill"])
def test_what_is_held_stays_unread_whatever_is_acknowledged_and_whoever_dies(
    start_server: StartServer, death: str
) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as busy, server.json(bob) as other:
        start = sender.say("read")
        busy.expect(text="read")
        busy.ask("busy")
        sender.say("held")
        other.say("of another device")
        newest = busy.say("own")
        busy.write(b'{"op":"ack","upto":%d}\n' % newest)
        busy.ask("status")
        if death == "client":
            busy.reset()
    if death != "client":
        server.stop() if death == "stop" else server.kill()
        server = start_server()
    with server.json() as resumed, server.json() as fresh:
        assert fresh.login(bob)["busy"] is True
        assert fresh.heard() == []
        assert resumed.login(bob, since=start)["missed"] >= 3
        assert resumed.heard() == []
        resumed.write(b'{"op":"ack","upto":%d}\n' % newest)
        resumed.ask("idle")
        assert resumed.heard() == ["held", "of another device", "own"]
        assert fresh.heard()[-1:] == ["held"]


# -- hidden --


def test_hidden_looks_exactly_like_somebody_who_has_logged_out(server: ServerProcess) -> None:
    ann, bob, gone = server.accounts("ann", "bob", "gone")
    with server.json(ann) as witness, server.json(bob) as hidden:
        with server.json(gone) as leaver:
            leaver.ask("status")
        witness.expect(event="presence", name=gone, state="offline")
        hidden.ask("hide")
        witness.expect(event="presence", name=bob, state="offline")

        reply = witness.tell([bob, gone], "anybody?")
        assert reply["stored"] == [bob, gone]
        assert (reply["delivered"], reply["busy"]) == ([], {})
        assert not {bob, gone} & set(names(witness.ask("who")["users"]))
        last = {each["name"]: each for each in witness.ask("last", minutes=5)["users"]}
        assert last[bob]["online"] is False
        assert last[gone]["online"] is False
        assert abs(last[bob]["seconds_ago"] - last[gone]["seconds_ago"]) <= 1
        with server.json() as newcomer:
            assert bob not in newcomer.login(server.account("new"))["online"]
        with server.text() as newcomer:
            assert bob not in newcomer.login(server.account("new"))
            assert bob not in newcomer.ask("who", "-- ")
        assert presence(witness.fence(), bob) == ["online"]


def test_hidden_receives_everything(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.json(bob) as hidden:
        hidden.ask("hide")
        sender.say("one")
        sender.tell(bob, "two")
        assert hidden.heard() == ["one", "two"]


def test_comings_and_goings_of_the_hidden_are_not_told(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness:
        with server.json(bob) as hidden:
            hidden.ask("hide")
            witness.expect(event="presence", name=bob, state="offline")
            left_at = time.time()
        server.wait_for_log(f"disconnected: account={bob}")
        with server.json() as hidden:
            assert hidden.login(bob)["hidden"] is True
            hidden.ask("busy", reply="you cannot know")
            assert witness.ask("broadcast", text="hi")["busy"].get(bob) is None
            assert witness.tell(bob, "hi")["stored"] == [bob]
            hidden.ask("idle")
            assert presence(witness.fence(), bob) == ["online"]

            def seen_long_enough_ago() -> bool:
                last = {each["name"]: each for each in witness.ask("last", minutes=5)["users"]}
                assert last[bob]["online"] is False
                assert last[bob]["seconds_ago"] <= time.time() - left_at + 1
                return bool(last[bob]["seconds_ago"] >= 1)

            # Logging in again has not made it look more recent.
            eventually(seen_long_enough_ago)
            hidden.ask("logout")
            hidden.to_end()
        assert seen_long_enough_ago()
        assert presence(witness.fence(), bob) == []


def test_appear_ends_it(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as witness, server.json(bob) as client:
        client.ask("hide")
        client.ask("hide")
        client.ask("busy", reply="back at five")
        assert client.ask("status")["hidden"] is True
        client.ask("appear")
        client.ask("appear")
        assert client.ask("status")["hidden"] is False
        assert presence(witness.fence(), bob) == ["online", "offline", "online", "busy"]
        assert bob in names(witness.ask("who")["users"])
        assert witness.tell(bob, "hi")["busy"] == {bob: "back at five"}


def test_hidden_outlives_logout_and_restart(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        client.ask("hide")
    server.stop()
    server = start_server()
    with server.json(ann) as witness, server.json() as client:
        assert client.login(bob)["hidden"] is True
        assert names(witness.ask("who")["users"]) == []
        assert client.ask("status")["hidden"] is True
        assert presence(witness.fence(), bob) == []


def test_standing_outlives_kill(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        client.ask("hide")
        client.ask("busy", reply="gone")
        server.kill()
    server = start_server()
    with server.json(ann) as witness, server.json() as client:
        reply = client.login(bob)
        assert (reply["hidden"], reply["busy"]) == (True, True)
        assert client.ask("status")["reply"] == "gone"
        assert names(witness.ask("who")["users"]) == []


def test_hidden_in_text(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.text(bob) as person:
        person.ask("hide", "You are hidden")
        assert person.ask("status") == f"-- You are {bob}: not busy, hidden."
        person.ask("appear", "You are visible")
        assert person.ask("status") == f"-- You are {bob}: not busy, visible."


# -- who and last --


def test_who_names_the_others_with_how_they_stand(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as client,
        server.json(ann),
        server.json(bob) as busy,
        server.json(eve),
        server.json(eve),
    ):
        busy.ask("busy")
        users = {each["name"]: each for each in client.ask("who")["users"]}
        assert ann not in users
        assert users[bob]["busy"] is True
        assert users[eve]["busy"] is False
        assert users[bob]["idle_seconds"] <= 2
        found = names(client.ask("who")["users"])
        assert sorted(found) == found
        assert found.count(eve) == 1


def test_idle_seconds_count_from_the_last_command_of_any_session(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with (
        server.json(ann) as client,
        server.json(bob),
        server.json(bob) as laptop,
        server.json(eve) as pinger,
    ):

        def quiet(name: str) -> int:
            pinger.ask("ping")
            users = {each["name"]: each for each in client.ask("who")["users"]}
            return int(users[name]["idle_seconds"])

        eventually(lambda: quiet(bob) >= 1 and quiet(eve) >= 1)
        laptop.ask("status")
        assert quiet(bob) == 0


def test_last_names_who_was_here_and_when(start_server: StartServer) -> None:
    server = start_server()
    ann, bob, eve, hidden = server.accounts("ann", "bob", "eve", "hid")
    with server.json(hidden) as client:
        client.ask("hide")
    with server.json(ann) as client:
        with server.json(bob):
            pass
        client.expect(event="presence", name=bob, state="offline")
        last = {each["name"]: each for each in client.ask("last", minutes=1)["users"]}
        assert last[bob]["online"] is False
        assert last[bob]["seconds_ago"] in (0, 1, 2)
        assert last[ann] == {"name": ann, "online": True, "seconds_ago": 0}
        assert eve not in last
    server.stop()
    with closing(sqlite3.connect(server.data / "chat.db")) as database, database:
        an_hour_ago = int((time.time() - 3600) * 1000)
        database.execute(
            "UPDATE accounts SET seen_at = ? WHERE name IN (?, ?)", (an_hour_ago, bob, hidden)
        )
    server = start_server()
    with server.json(eve) as client, server.text(eve) as person, server.json(hidden):
        assert sorted(names(client.ask("last", minutes=10)["users"])) == [ann, eve]
        last = {each["name"]: each for each in client.ask("last", minutes=61)["users"]}
        for name in (bob, hidden):
            assert last[name]["online"] is False
            assert 3600 <= last[name]["seconds_ago"] < 3660
        assert last[ann]["online"] is False
        line = person.ask("last 61")
        assert f"{bob} (1 h ago)" in line
        assert bob not in person.ask("last 59")


def test_last_after_a_crash_still_knows_who_was_here(start_server: StartServer) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        client.ask("status")
        server.kill()
    server = start_server()
    with server.json(ann) as client:
        (user,) = (each for each in client.ask("last", minutes=5)["users"] if each["name"] == bob)
        assert user["online"] is False


def test_last_takes_one_minute_to_ten_years(server: ServerProcess) -> None:
    with server.json(server.account("ann")) as client:
        client.ask("last", minutes=1)
        client.ask("last", minutes=5_256_000)
        for minutes in (0, -5, 10**12, 1.5, "5", None, True):
            assert client.refused("last", minutes=minutes)["code"] == "bad_request"
        assert client.refused("last")["code"] == "bad_request"


def test_messages_of_a_hidden_sender_are_delivered(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as reader, server.json(bob) as hidden:
        assert isinstance(hidden, JsonClient)
        hidden.ask("hide")
        reply = hidden.tell(ann, "it is me")
        assert reply["delivered"] == [ann]
        assert seqs(reader.fence()) == [reply["seq"]]
