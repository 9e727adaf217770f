"""Bots against a real server: the library, and those in `examples/`."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chatclient.bot import Bot
from chatclient.errors import LinkLost, Refused
from chatwire.events import Message
from chatwire.replies import LoginReply
from examples import dice, greeter, notifier, reminder, standup

from .client import PASSWORD, PATIENCE, JsonClient, eventually
from .conftest import StartServer
from .process import ServerProcess, environment_of, port_of

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _nothing_of_the_tester(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CHAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CHAT_CLIENT_CONFIG", os.devnull)


def bot_of(server: ServerProcess, name: str, **more: Any) -> Bot:
    return Bot(server.place[0], port=server.place[1], user=name, password=PASSWORD, **more)


@contextmanager
def running(bot: Bot) -> Iterator[None]:
    """Run a bot beside the test, from its login on; what ended it is raised."""
    ready = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            bot.run()
        except BaseException as error:
            failures.append(error)
        ready.set()

    bot.start(lambda _: ready.set())
    thread = threading.Thread(target=run, name="chat-bot")
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield
    finally:
        bot.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def said(client: JsonClient, sender: str, text: str) -> dict[str, Any]:
    """Wait for a message with `text` in it."""
    while True:
        event = client.expect(event="message", **{"from": sender})
        if text in event["text"]:
            return event


def test_what_is_handled_by_which_handler(server: ServerProcess) -> None:
    ann, name = server.accounts("ann", "bot")
    bot = bot_of(server, name)

    @bot.command("Echo")
    def echo(message: Message, arguments: str) -> str:
        return f"[{arguments}]"

    @bot.mention
    def mention(message: Message) -> str:
        return "you rang"

    @bot.message
    def anything(message: Message) -> str | None:
        return "heard that" if "question" in message.text else None

    with server.json(ann) as person, running(bot):
        for text, answer in (
            ("!eCHO  a  b", "[a  b]"),
            ("!echo\nx", "[x]"),
            (f"what says {name.upper()}?", "you rang"),
            (f"{name}: hi", "you rang"),
            (f"no{name} question", "heard that"),
            ("!unknown question", "heard that"),
            ("echo question", "heard that"),
        ):
            person.request("broadcast", text=text)
            event = person.expect(event="message")
            assert (event["from"], event["text"], event["room"]) == (name, answer, "lobby"), text
        person.request("send", to=[name], text="psst")
        assert person.expect(event="message")["to"] == [ann]


def test_a_room_has_handlers_of_its_own(server: ServerProcess) -> None:
    ann, name = server.accounts("ann", "bot")
    here, there = f"here-{ann}", f"there-{ann}"
    bot = bot_of(server, name, joins=True)
    room = bot.room(f"#{here}")
    room.mention(lambda message: "in my room")
    bot.mention(lambda message: "anywhere")
    bot.command("where")(lambda message, arguments: str(message.room))
    room.command("where")(lambda message, arguments: room.name)
    bot.edited(lambda event: f"now {event.text}")
    bot.deleted(lambda event: "gone")
    bot.reacted(lambda event: event.reaction)
    room.changed(lambda event: f"{event.change} by {event.sender}")
    with server.json(ann) as person:
        person.ask("create", room=here)  # joined, because it is named
        person.ask("create", room=there, access="closed")  # when it is invited
        with running(bot):
            person.expect(event="room", change="joined", room=here, **{"from": name})
            person.ask("invite", name=name, room=there)
            person.expect(event="room", change="joined", room=there, **{"from": name})
            for place, text, answer in (
                (here, f"well, {name}?", "in my room"),
                (there, f"well, {name}?", "anywhere"),
                (here, "!where", here),
                (there, "!where", there),
            ):
                seq = person.ask("send", room=place, text=text)["seq"]
                event = person.expect(event="message", **{"from": name})
                assert (event["room"], event["text"]) == (place, answer)
            for op, fields, answer in (
                ("edit", {"text": "else"}, "now else"),
                ("react", {"reaction": "👍"}, "👍"),
                ("delete", {}, "gone"),
            ):
                person.ask(op, target=seq, **fields)
                event = person.expect(event="message", **{"from": name})
                assert (event["room"], event["text"]) == (there, answer)
            person.ask("topic", room=there, topic="nobody minds")
            person.ask("topic", room=here, topic="something")
            assert person.expect(event="message")["text"] == f"topic by {ann}"


def test_it_answers_everybody_in_a_conversation(server: ServerProcess) -> None:
    ann, bob, name = server.accounts("ann", "bob", "bot")
    bot = bot_of(server, name)
    bot.mention(lambda message: "yes?")
    with server.json(ann) as person, server.json(bob) as other, running(bot):
        person.ask("send", to=[name, bob], text="are you there?")
        assert said(other, name, "yes?")["to"] == said(person, name, "yes?")["to"]


def test_a_stand_up(server: ServerProcess, tmp_path: Path) -> None:
    ann, bob, name = server.accounts("ann", "bob", "standup")
    file, room = tmp_path / "standup.json", f"team-{ann}"
    time = [datetime(2026, 11, 25, 9, 29)]  # a Wednesday

    def made() -> Bot:
        bot = bot_of(server, name, replayed=True)
        standup.add_to(bot, room, standup.StandUp("09:30", file), lambda: time[0])
        return bot

    def answered(person: JsonClient) -> None:
        person.expect(event="reacted", reaction="👍", **{"from": name})

    with server.json(ann) as person, server.json(bob) as other:
        person.ask("create", room=room)
        other.ask("join", room=room)
        with running(made()):
            person.expect(event="room", change="joined", **{"from": name})
            person.ask("send", to=[name], text="too early")
            said(person, name, "the next one is at 09:30")
            time[0] = datetime(2026, 11, 25, 9, 30)
            said(person, name, "until 10:00")
            person.ask("send", to=[name], text="mended a bgu")
            answered(person)
            person.ask("edit", text="mended\na bug")
        with running(made()):  # it has not forgotten, and does not ask again
            seq = other.ask("send", room=room, text=f"@{name}: nothing to say")["seq"]
            answered(other)
            other.ask("delete", target=seq)
            person.ask("send", room=room, text="!standup")
            assert said(person, name, "The stand-up")["text"] == (
                f"The stand-up of 2026-11-25:\n{ann}: mended / a bug"
            )
            time[0] = datetime(2026, 11, 25, 10, 0)
            assert said(person, name, "No word")["text"].endswith(f"No word from {bob}.")
            time[0] = datetime(2026, 11, 28, 9, 30)  # a Saturday
            person.ask("send", to=[name], text="working?")
            said(person, name, "There is no stand-up now")
        texts = [each["text"] for each in person.ask("history", room=room)["messages"]]
    assert sum("until 10:00" in text for text in texts) == 1


def test_a_fault_in_a_handler_is_not_the_end(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    ann, name = server.accounts("ann", "bot")
    bot = bot_of(server, name)
    ticked = threading.Event()

    @bot.command("divide")
    def divide(message: Message, arguments: str) -> str:
        return str(1 / int(arguments))

    @bot.mention
    def fail(message: Message) -> str:
        raise RuntimeError("on purpose")

    @bot.every(0.1)
    def tick() -> None:
        ticked.set()
        raise RuntimeError("on purpose, by the clock")

    @bot.command("much")
    def much(message: Message, arguments: str) -> str:
        return "x" * 70_000  # more than a line may have

    with server.json(ann) as person, running(bot):
        person.expect(event="presence", name=name, state="online")
        for text in ("!divide 0", "hello", "!much"):
            person.request("send", to=[name], text=text)
        assert "did not work" in person.expect(event="message")["text"]
        person.expect(event="presence", name=name, state="offline")  # what was too long cost it
        person.expect(event="presence", name=name, state="online")
        person.request("send", to=[name], text="!divide 4")
        assert person.expect(event="message")["text"] == "0.25"
        assert ticked.wait(PATIENCE)
    logged = caplog.text
    assert "ZeroDivisionError" in logged
    assert "on purpose, by the clock" in logged
    assert "Not said: A line may have at most" in logged


def test_what_was_said_before_is_handled_only_if_asked_for(server: ServerProcess) -> None:
    ann, deaf, keen = server.accounts("ann", "deaf", "keen")
    heard: list[tuple[str, str]] = []
    done = threading.Event()

    def listener(name: str, **more: Any) -> Bot:
        bot = bot_of(server, name, **more)

        @bot.mention
        def hear(message: Message) -> None:
            heard.append((name, message.text))
            if message.text == "after":
                done.set()

        return bot

    with server.json(ann) as person:
        person.request("send", to=[deaf, keen], text="before")
        for name, more in ((deaf, {}), (keen, {"replayed": True})):
            done.clear()
            with running(listener(name, **more)):
                person.request("send", to=[name], text="after")
                assert done.wait(PATIENCE)
    assert heard == [(deaf, "after"), (keen, "before"), (keen, "after")]


def test_it_outlives_its_server(start_server: StartServer) -> None:
    first = start_server()
    name, ann = first.add("bot"), first.add("ann")
    bot = bot_of(first, name)
    bot.mention(lambda message: f"{message.text}!")
    starts: list[LoginReply] = []
    bot.start(starts.append)
    with running(bot):
        first.kill()
        second = start_server("--port", port_of(first))
        with second.json(ann) as person:
            if name not in str(person.request("who")):
                person.expect(event="presence", name=name, state="online")
            person.request("send", to=[name], text="still there")
            assert person.expect(event="message")["text"] == "still there!"
    assert len(starts) == 1


def test_it_waits_for_a_server_but_not_with_a_wrong_password(server: ServerProcess) -> None:
    bot = Bot(*server.place[:1], port=server.place[1], user=server.account("b"), password="wrong")
    with pytest.raises(Refused):
        bot.run()
    with pytest.raises(LinkLost):
        bot.send("somebody", "too early")


@pytest.mark.parametrize("name", ["", "two words", "twice"])
def test_a_command_has_one_word_and_one_handler(name: str) -> None:
    bot = Bot()
    bot.command("Twice")(lambda message, arguments: None)
    with pytest.raises(ValueError, match="another name"):
        bot.command(name)


def test_the_bot_in_the_readme(server: ServerProcess) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    assert len([line for line in found[1].splitlines() if line]) == 10
    ann, name = server.accounts("ann", "robot")
    with server.json(ann) as person:
        process = subprocess.Popen(
            [sys.executable, "-c", found[1]],
            env=environment_of(server.place, name),
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            person.expect(event="presence", name=name, state="online")
            person.request("send", to=[name], text="!roll")
            assert name == person.expect(event="message")["from"]
            process.send_signal(2)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
    assert (process.returncode, errors) == (0, "")


def test_the_greeter(server: ServerProcess) -> None:
    ann, bob, name = server.accounts("ann", "bob", "greeter")
    bot = bot_of(server, name)
    greeter.add_to(bot)
    with server.json(ann) as person, running(bot):
        assert greeter.greeting(ann) == said(person, name, "I am a bot")["text"]
        with server.json(bob) as other:
            said(other, name, "I am a bot")
        person.request("send", to=[name], text="ping")
        said(person, name, "pong")


def test_dice_and_polls(server: ServerProcess) -> None:
    ann, bob, name = server.accounts("ann", "bob", "dice")
    bot = bot_of(server, name)
    dice.add_to(bot)
    with server.json(ann) as person, server.json(bob) as other, running(bot):

        def ask(client: JsonClient, text: str) -> str:
            client.request("broadcast", text=text)
            answer: str = client.expect(event="message", **{"from": name})["text"]
            return answer

        thrown = re.fullmatch(rf"{ann}: (\d+) \+ (\d+)\+3 = (\d+)", ask(person, "!roll 2d6+3"))
        assert thrown is not None
        assert int(thrown[1]) + int(thrown[2]) + 3 == int(thrown[3])
        assert "no poll" in ask(person, "!result")
        assert "!poll Lunch?" in ask(person, "!poll nothing to choose")
        assert "1. pizza: 0" in ask(person, "!poll Lunch? pizza / hot soup")
        said(other, name, "pizza")
        assert "from 1 to 2" in ask(person, "!vote ³")
        assert "votes for pizza" in ask(person, "!vote 1")
        person.request("broadcast", text="!vote 2")  # changes the mind
        other.request("broadcast", text="!vote 2")
        for client in (person, other):
            said(client, name, f"{bob} votes for hot soup")
        assert "1. pizza: 0\n2. hot soup: 2" in ask(person, "!result")


@pytest.mark.parametrize("text", ["0d6", "101d6", "2d1", "d1001", "x", "2d6+"])
def test_dice_that_are_none(text: str) -> None:
    assert dice.roll(text).startswith("Say !roll")


def test_a_reminder_survives_a_restart(server: ServerProcess, tmp_path: Path) -> None:
    ann, name = server.accounts("ann", "reminder")
    file = tmp_path / "reminders.json"

    def made() -> Bot:
        bot = bot_of(server, name, replayed=True)
        reminder.add_to(bot, reminder.Reminders(file))
        return bot

    with server.json(ann) as person:
        with running(made()):
            for text, answer in (
                ("remind me in 2 days to rest", "I will remind you at 20"),
                ("Remind me in 1s to\nlook up", "I will remind you at"),
                ("remind me in 5 lightyears to land", "Say: remind me"),
                ("remind me in 9999999w to retire", "Say: remind me"),
                ("remind me", "Say: remind me"),
            ):
                person.request("send", to=[name], text=text)
                said(person, name, answer)
        person.expect(event="presence", name=name, state="offline")
        person.request("send", to=[name], text="remind me in 1s to sit down")  # it is away
        with running(made()):
            due = {said(person, name, "Reminder: ")["text"] for _ in range(2)}
            assert due == {"Reminder: look up", "Reminder: sit down"}
            eventually(lambda: len(json.loads(file.read_bytes())["reminders"]) == 1)
            person.request("send", to=[name], text="!reminders")
            number = re.match(r"(\d+)\. .*: rest", said(person, name, "rest")["text"])
            assert number is not None
            person.request("send", to=[name], text=f"!forget {number[1]}")
            said(person, name, "Forgotten: rest")
        with running(made()):
            person.request("send", to=[name], text="!reminders")
            said(person, name, "no reminders")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h 30m", 5400), ("2 days and 1 Second", 172801), ("x", 0), ("400d", 0)],
)
def test_times_in_words(text: str, seconds: int) -> None:
    assert reminder.seconds_in(text) == seconds


def test_a_file_that_is_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "reminders.json"
    file.write_text("[]")
    with pytest.raises(SystemExit, match="cannot be read as reminders"):
        reminder.main(file)


def test_the_lines_of_a_build(server: ServerProcess) -> None:
    ann, name = server.accounts("ann", "builds")
    bot = bot_of(server, name)
    notes = notifier.Notifier(bot, [ann])
    lines = ["compiling\n", "\n", "x" * 5000, "done"]
    notifier.pass_on(bot, notes, lines)
    with server.json(ann) as person, running(bot):
        texts = [person.expect(event="message")["text"] for _ in range(2)]
    assert texts == ["compiling", "done"]  # what is too long is refused, and not the end


def test_a_webhook(server: ServerProcess) -> None:
    ann, name = server.accounts("ann", "builds")
    bot = bot_of(server, name)
    hook = notifier.listen(bot, notifier.Notifier(bot, []), 0)

    def post(body: bytes, kind: str = "application/json", host: str = "127.0.0.1") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", hook.server_port, timeout=PATIENCE)
        try:
            place = f"{host}:{hook.server_port}"
            connection.request("POST", "/", body, {"Content-Type": kind, "Host": place})
            return connection.getresponse().status
        finally:
            connection.close()

    with server.json(ann) as person, running(bot):
        for _ in range(2):
            assert post(b'{"text":"It built.","key":"build 1"}') == 204
        assert post(json.dumps({"text": "for you", "to": ann}).encode()) == 204
        assert person.expect(event="message")["room"] == "lobby"
        assert person.expect(event="message")["to"] == [ann]  # not the first one twice
        assert post(b'{"text":"hi","to":"nobody.of.that.name"}') == 422
        assert post(b"[]") == 400
        assert post(b"\xff") == 400
        assert post(b"[" * 60_000) == 400
        assert post(b'{"text":"' + b"x" * 70_000 + b'"}') == 413
        assert post(b'{"text":"hi"}', "text/plain") == 415
        for host in ("evil.example", "127.0.0.1.evil.example", "", "user@127.0.0.1"):
            assert post(b'{"text":"hi"}', host=host) == 421
        assert post(b'{"text":"hi"}', host="LocalHost") == 204
    hook.shutdown()
    hook.server_close()
