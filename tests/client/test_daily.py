"""What a terminal needs that somebody has open all day, on the screen."""

import shlex
import sys
from pathlib import Path

from chatwire.events import Presence
from chatwire.replies import ConversationsReply, Waiting

from .fake import message
from .screen import CTRL_C, CTRL_D, UP, logged_in, paste

LOBBY = Waiting(room="lobby", newest=7, read=7, unread=0, mentions=0)
BOB = Waiting(with_=("bob",), newest=3, read=3, unread=0, mentions=0)


def test_a_newcomer_is_told_what_to_type() -> None:
    with logged_in(56, welcome={"can": ("conversations",)}) as (screen, link):
        link.answer("conversations", ConversationsReply(conversations=(LOBBY,)))
        screen.wait_for("rooms there are")
        screen.wait_for_line(">")
        assert screen.lines == [
            "Welcome, alice. Here now: bob. Type help for the",
            "    commands.",
            "To begin, type",
            "  talk lobby   to speak to everybody",
            "  talk <user>  to speak to one person",
            "  rooms        to see which rooms there are",
            ">",
        ]


def test_whoever_has_talked_here_is_told_nothing() -> None:
    with logged_in(welcome={"can": ("conversations",)}) as (screen, link):
        link.answer("conversations", ConversationsReply(conversations=(LOBBY, BOB)))
        link.send(message(8, "morning"))
        screen.wait_for("morning")
        assert "To begin" not in screen.text


def test_whoever_is_spoken_to_is_called(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    program = f"open({str(heard)!r}, 'ab').write(__import__('sys').stdin.buffer.read())"
    hook = shlex.join([sys.executable, "-S", "-c", program])
    with logged_in(CHAT_CLIENT_HOOK=hook, CHAT_CLIENT_NOTIFY="osc9") as (screen, link):
        link.send(
            message(1, "alice, this is old", replay=True),
            message(2, "hello everybody"),
            message(3, "$(id) psst", to=("alice",)),
        )
        screen.wait_for("psst")
        screen.wait(lambda: screen.screen.title.startswith("(3) 127.0.0.1:"))
        assert screen.raw.count(b"\x1b]9;") == 1
        assert "\x1b]9;bob → you: $(id) psst\x1b\\" in screen.raw.decode()
        screen.wait_for_modes(lambda: heard.exists() and heard.read_text("utf-8") != "")
        assert heard.read_text("utf-8") == "bob → you: $(id) psst\n"
        screen.type(CTRL_D)
        link.take_logout()
        screen.end()
        assert screen.raw.count(b"\x1b[22;2t") == screen.raw.count(b"\x1b[23;2t") == 1


def test_whoever_is_ignored_is_not_there(tmp_path: Path) -> None:
    with logged_in(XDG_CONFIG_HOME=str(tmp_path)) as (screen, link):
        screen.say("ignore Bob")
        screen.wait_for("You hear nothing of bob any more; ignore -bob ends that.")
        link.send(
            message(1, "alice!", "bob"),
            Presence(name="bob", state="online"),
            message(2, "hello", "carol"),
        )
        screen.wait_for("carol: hello")
        assert "alice!" not in screen.text
        assert "bob came" not in screen.text
        assert screen.bells == 0
        assert not screen.screen.title.startswith("(")
        assert (tmp_path / "chat" / "ignored").read_text().endswith(" bob\n")


def test_a_long_text_is_sent_in_parts_or_not_at_all() -> None:
    with logged_in(welcome={"most": 30}) as (screen, link):
        screen.type(paste("say one two three four five\nsix seven eight\nnine ten") + "\r")
        screen.wait_for_status("too long for one message: press Enter again to send 2 parts.")
        screen.type("\r")
        link.take_broadcast("one two three four five", 1)
        link.take_broadcast("six seven eight\nnine ten", 2)
        screen.type(f"say {'x' * 400}\r")
        screen.wait_for_status("That is too long, even for 10 messages: make it shorter.")
        screen.type("\r")
        screen.type(CTRL_C)
        screen.wait_for_line(">")
        screen.say("say short")
        link.take_broadcast("short", 3)


def test_what_was_typed_is_there_in_the_next_session(tmp_path: Path) -> None:
    environ = {"CHAT_CLIENT_REMEMBER": "true", "XDG_CONFIG_HOME": str(tmp_path)}
    with logged_in(**environ) as (screen, link):
        screen.say("say hello")
        link.take_broadcast("hello", 1)
        screen.wait_for("alice: hello")
    with logged_in(**environ) as (screen, _):
        screen.type(UP)
        screen.wait_for_line("> say hello")
