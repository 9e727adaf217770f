"""What a hostile server says neither steers the screen nor fills the memory."""

import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable

import msgspec
import pytest

from chatclient.connection import Connection
from chatclient.credentials import GivenCredentials
from chatclient.entrance import enter
from chatclient.errors import LinkLost, Refused
from chatclient.inbox import MOST_BYTES, MOST_EVENTS_BESIDE, Inbox
from chatclient.lines import json_line
from chatwire.protocol import Bye, CommandHelp, Error, HelpReply, Parameter, Presence

from .environ import CLEAN_ENVIRON
from .fake import COMMANDS, DEADLINE, FakeServer, Link, message

STEERS = {
    "ESC": "\x1b[2J\x1b]0;owned\x07",
    "C1": "\x9b31m",
    "DEL and NUL": "a\x7f\0",
    "CR": "a\r-- The server is shutting down.",
    "bidi": "a\u202ecba",
    "no width": "b\u200bob\ufeff",
    "separators": "a\u2028b\x85",
    "tags": "b\U000e0062ob",
}
EVIL = "Hear" + "".join(STEERS.values()) + "\nbob: forged"


def steering_in(text: str) -> list[str]:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [ascii(c) for c in text if unicodedata.category(c) in kinds and c not in "\n\t"]


def refuses(link: Link) -> None:
    link.greet()
    link.send(Error(re=link.expect("login")["id"], code="server_is_evil", text=EVIL))
    link.until_closed()


def says_bye(link: Link) -> None:
    link.greet()
    link.expect("login")
    link.send(Bye(code="kicked", text=EVIL))


def never_greets(link: Link) -> None:
    link.expect("ping")
    link.send(Bye(code="kicked", text=EVIL))


def chats(link: Link) -> None:
    """Let it in with an evil list of names and commands, say evil things, and end with one."""
    link.greet()
    login = link.expect("login")
    link.send(
        {"event": "reply", "op": "login", "re": login["id"], "name": "alice", "online": [EVIL]}
        | {"seq": 0, "missed": 0, "busy": False, "hidden": False}
    )
    evil = CommandHelp(
        name=EVIL,
        aliases=(EVIL,),
        group=EVIL,
        summary=EVIL,
        parameters=(Parameter(name="text", label=EVIL, kind="words", required=True),),
    )
    while True:
        request = link.read()
        match request["op"]:
            case "help":
                link.send(HelpReply(re=request["id"], commands=(*COMMANDS, evil)))
                link.send(message(1, EVIL, EVIL), Presence(name=EVIL, state="online"))
            case "history":
                past = message(1, EVIL, EVIL)
                link.send(
                    {"event": "reply", "op": "history", "re": request["id"], "more": False}
                    | {"messages": [msgspec.to_builtins(past)]}
                )
            case "broadcast" | "send":
                more = {"busy": {EVIL: EVIL}, "delivered": [EVIL], "stored": [EVIL]}
                more["unknown"] = [EVIL]
                reply = {"event": "reply", "op": request["op"], "re": request["id"], "seq": 2}
                link.send(reply | more)
            case "ack":
                continue
            case _:
                link.send(Error(re=request["id"], code=EVIL, text=EVIL))
        if request["op"] in ("history", "broadcast", "send"):
            link.send(Bye(code="kicked", text=EVIL))
            link.until_closed()
            return


FACES = {
    "send": ("send", "-v", "--to", "bob", "hello", "--timeout", "1"),
    "tail": ("tail",),
    "tail --json": ("tail", "--json"),
    "connect --plain": ("connect", "--plain"),
    "connect --json": ("connect", "--json"),
}
TYPED = {
    "connect --plain": b"nothing\nlast x\nbroadcast\nbroadcast hi\n",
    "connect --json": b'{"op":"who"}\n{"op":"history"}\n',
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("script", [never_greets, refuses, says_bye, chats])
def test_nothing_steers_the_screen(face: str, script: Callable[[Link], None]) -> None:
    with FakeServer(script) as server:
        command, *others = FACES[face]
        where = ["127.0.0.1", str(server.port)]
        if command != "connect":
            where = ["--server", ":".join(where)]
        done = subprocess.run(
            [sys.executable, "-m", "chatserver", command, *others, *where, "--user", "alice"],
            input=TYPED.get(face, b""),
            capture_output=True,
            env=CLEAN_ENVIRON | {"CHAT_PASSWORD": "secret", "PYTHONUTF8": "1"},
            timeout=3 * DEADLINE,
            check=False,
        )
    shown = done.stdout.decode() + done.stderr.decode()
    assert "Traceback" not in shown
    assert steering_in(shown) == []
    assert "Hear" in shown
    if "--json" in face:
        for each in done.stdout.splitlines():
            json.loads(each)
    else:
        assert not any(each.startswith("bob: forged") for each in shown.splitlines())


@pytest.mark.parametrize("text", STEERS.values(), ids=STEERS)
def test_json_for_programs_is_escaped_and_means_the_same(text: str) -> None:
    line = json_line(message(1, text))
    assert steering_in(line.decode()) == []
    assert json.loads(line)["text"] == text
    assert json_line(message(1, "Grüße 👨‍👩‍👧")).decode().count("👨‍👩‍👧") == 1


def test_an_error_has_a_bounded_text() -> None:
    def script(link: Link) -> None:
        link.greet()
        link.send(Error(re=link.expect("login")["id"], code="x", text="word " * 1_000_000))
        link.until_closed()

    with FakeServer(script) as server, Connection.open("127.0.0.1", server.port) as chat:
        with pytest.raises(Refused) as caught:
            chat.login("alice", "secret")
        assert len(caught.value.text) <= 500


@pytest.mark.parametrize("leaving", [False, True], ids=["asking", "leaving"])
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["many", "large"])
def test_what_waits_is_bounded(leaving: bool, size: int) -> None:
    inbox = Inbox(10)
    if leaving:
        inbox.leave()
    else:
        inbox.expect()
    taken = 0
    try:
        while taken <= 2 * MOST_EVENTS_BESIDE:
            inbox.put(message(1, "x"), size)
            taken += 1
    except LinkLost as lost:
        assert "without end" in lost.text  # noqa: PT017 - it is counted until then
    assert 10 <= taken <= MOST_EVENTS_BESIDE + 10
    assert taken * size <= MOST_BYTES
    assert len(inbox.take(0, 2 * MOST_EVENTS_BESIDE)) == taken


def test_a_flood_before_the_answer_ends_the_link() -> None:
    def script(link: Link) -> None:
        link.greet()
        link.expect("login")
        flood = b'{"event":"presence","name":"bob","state":"online"}\n' * 1000
        try:
            for _ in range(1000):
                link.send(flood)
        except OSError:
            return
        raise AssertionError("the client took a million events")

    with (
        FakeServer(script) as server,
        Connection.open("127.0.0.1", server.port) as chat,
        pytest.raises(LinkLost, match="without end"),
    ):
        chat.login("alice", "secret", timeout=DEADLINE)


def test_a_million_commands_are_not_kept() -> None:
    def script(link: Link) -> None:
        link.greet()
        login = link.expect("login")
        link.send(
            {"event": "reply", "op": "login", "re": login["id"], "name": "alice", "online": []}
            | {"seq": 0, "missed": 0, "busy": False, "hidden": False}
        )
        one = CommandHelp(name="x", aliases=(), group="", summary="", parameters=())
        each = msgspec.to_builtins(one)
        many = [each | {"name": f"c{number}"} for number in range(50_000)]
        link.send(
            {"event": "reply", "op": "help", "re": link.expect("help")["id"], "commands": many}
        )
        link.until_closed()

    with FakeServer(script) as server:
        entry = enter(
            lambda: Connection.open("127.0.0.1", server.port),
            GivenCredentials("alice", "secret", str),
            print,
        )
        with entry.connection:
            assert len(list(entry.commands)) < 2000
