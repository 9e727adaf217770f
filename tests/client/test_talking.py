"""Talking at a terminal: conversations, what becomes of what was said, and how things stand."""

import pytest

from chatserver.commands import all_commands
from chatwire.events import Error
from chatwire.replies import HelpReply, SendReply, StatusReply

from .fake import COMMANDS, HISTORY, Link, message, take_history
from .screen import CTRL_C, UP, logged_in, paste


def take_send(
    link: Link,
    to: list[str],
    text: str,
    seq: int = 1,
    *,
    stored: tuple[str, ...] = (),
    busy: dict[str, str] | None = None,
) -> None:
    """Take a private message; who is neither `stored` nor `busy` gets it."""
    there = tuple(name for name in to if name not in {*stored, *(busy or {})})
    reply = SendReply(seq=seq, delivered=there, stored=stored, busy=busy or {}, unknown=())
    said = link.answer("send", reply)
    assert (said["to"], said["text"]) == (to, text)


def test_a_conversation() -> None:
    with logged_in() as (screen, link):
        screen.say("talk bob", "bob>")
        screen.wait_for_status("→ bob")
        screen.say("who is there")
        take_send(link, ["bob"], "who is there")
        screen.wait_for("you → bob: who is there")
        screen.say("//who are you")
        take_send(link, ["bob"], "/who are you")
        screen.wait_for("you → bob: /who are you")
        screen.say("/WHO")
        link.expect("who")
        screen.wait_for("bob> /WHO")
        screen.say("/brodcast hi")
        screen.wait_for("did you mean /broadcast? Begin with // to say")
        screen.say("/talk lobby", "lobby>")
        screen.say("hello all")
        link.take_broadcast("hello all", 2)
        screen.wait_for("alice: hello all")

        screen.say("/talk", ">")
        screen.say("hello nobody")
        screen.wait_for("There is no command 'hello'")
        screen.say("//shrug")
        screen.wait_for("Nobody is chosen to say that to: first type talk and a name.")
        screen.say("help talk")
        screen.wait_for("alone: nobody.")
        screen.type(CTRL_C)
        link.take_logout()  # and nothing before
        assert screen.end() == 0


def test_a_conversation_with_ten_people_leaves_room_to_type() -> None:
    names = [f"person-{number}" for number in range(10)]
    with logged_in(40, 10) as (screen, link):
        screen.type(f"talk ({' '.join(names)})\r", "person-0, person-1, person-2 +7>")
        screen.type("hi\r")
        take_send(link, names, "hi")


def test_what_becomes_of_what_was_said() -> None:
    with logged_in() as (screen, link):
        screen.say("send (carol dave) tea?")
        screen.wait_for_status("1 not sent yet")
        assert screen.lines[-2:] == ["      you → carol, dave: tea?", ">"]
        take_send(link, ["carol", "dave"], "tea?", stored=("carol",), busy={"dave": "in a meeting"})
        screen.wait_for("(stored for carol; dave is busy: in a meeting)")
        screen.wait_for_line(">")
        assert "not sent" not in screen.status
        screen.say("broadcast hello")
        link.take_broadcast("hello", 2, dave="in a meeting", erin="")
        screen.wait_for("alice: hello (dave is busy; erin is busy)")
        screen.say("send dave still?")
        take_send(link, ["dave"], "still?", busy={"dave": "at lunch"})
        screen.wait_for("you → dave: still? (dave is busy: at lunch)")
        assert screen.text.count("tea?") == 1


def test_a_message_that_failed_is_offered_again() -> None:
    with logged_in() as (screen, link):
        screen.say("send bbo hi there")
        link.answer("send", Error(code="no_such_user", text="No such user: bbo."))
        screen.wait_for("Not sent: No such user: bbo. (it is on the line again)")
        screen.wait_for_line("> send bbo hi there")
        screen.wait(lambda: screen.status == "Not sent: No such user: bbo.")
        screen.type("\r")
        screen.wait_for_status("1 not sent yet")
        screen.type("bro", "> bro")
        link.answer("send", Error(code="no_such_user", text="No such user: bbo."))
        screen.wait_for("Not sent: No such user: bbo. (the up arrow has it)")
        screen.wait_for_line("> bro")
        screen.type(CTRL_C, ">")
        screen.type(UP, "> send bbo hi there")


def test_the_status_line() -> None:
    welcome = {"online": ("bob", "carol"), "busy": True, "missed": 3}
    with logged_in(welcome=welcome) as (screen, link):
        assert screen.status.endswith("here: bob, carol │ busy, 3 held")
        screen.type("h")
        link.answer("status", StatusReply(name="alice", busy=True, hidden=False, held=5))
        screen.wait_for_status("busy, 5 held")
        assert "You are alice" not in screen.text  # nobody asked
        screen.type("ide\r")
        link.answer("hide")
        screen.wait_for_status("busy, 5 held │ hidden")
        screen.type("idle\r")
        link.answer("idle")
        link.send(message(1, "hi"))
        screen.wait(lambda: screen.status.endswith("here: bob, carol │ hidden"))


def test_what_is_on_its_way_leaves_the_line_to_be_seen() -> None:
    words = "".join(f"{number:04} " for number in range(700)).rstrip()
    with logged_in(40, 12) as (screen, link):
        screen.type(paste(f"broadcast {words}"))
        screen.wait_for("0699")
        screen.type("\r")
        for number in range(1, 6):
            screen.say(f"broadcast number {number}")
        screen.wait_for_line(">")
        screen.type("broadcast not yet", "> broadcast not yet")
        screen.wait_for_status("6 not sent yet")
        assert screen.lines[-6:] == [
            "(2 more)",
            *(f"      alice: number {number}" for number in range(2, 6)),
            "> broadcast not yet",
        ]
        for seq, text in enumerate((words, *(f"number {number}" for number in range(1, 6)))):
            link.take_broadcast(text, seq)
        screen.wait(lambda: "not sent" not in screen.status)
        screen.wait_for_line("> broadcast not yet")
        told = screen.scrolled
        assert [line[6:] for line in told if "number" in line] == [
            f"alice: number {number}" for number in range(1, 6)
        ]
        assert "".join(told).count("0123") == 1
        assert sum(line.startswith(">") for line in told) == 1
        assert not any("not sent" in line for line in told)


def test_nobody_is_talked_to_and_a_conversation_is_read_back() -> None:
    with logged_in(welcome={"commands": (*COMMANDS, HISTORY)}) as (screen, link):
        screen.type("talk bbo\rfor bob alone\r")
        no_such_user = Error(code="no_such_user", text="No such user: bbo.")
        assert link.answer("history", no_such_user)["with"] == ["bbo"]
        assert link.answer("send", no_such_user)["to"] == ["bbo"]
        screen.wait_for("There is nobody called bbo. Did you mean bob?")
        screen.wait_for_line("> for bob alone")  # on the line again
        screen.type("\x03talk bob\r", "bob>")
        take_history(link, 7, True, limit=10, **{"with": ["bob"]})
        screen.wait_for("number 8")
        screen.type("/history 2\r")
        take_history(link, 5, True, limit=2, **{"with": ["bob"]})
        screen.wait_for("There is more; type more to see what came before.")
        screen.type("/more\r")
        take_history(link, 3, False, limit=2, before=5, **{"with": ["bob"]})
        screen.wait_for("number 3")


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_help_breaks_no_word(columns: int) -> None:
    commands = tuple(each.help for each in all_commands() if each.summary)
    with logged_in(columns, 240, welcome={"commands": commands}) as (screen, link):
        screen.type("help\r")
        link.answer("help", HelpReply(commands=commands))
        screen.wait(lambda: "Leave, on an empty line." in " ".join(screen.text.split()))
        words = {word for each in commands for word in each.summary.split()}
        assert words <= set(" ".join(screen.scrolled).split())
