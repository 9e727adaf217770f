"""The client at a terminal: keys, redrawing, pastes, sizes, sounds and ends."""

import sys

import pytest

from chatwire.protocol import Bye, Error, Presence

from .fake import message

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals on Windows", allow_module_level=True)

from .screen import CTRL_C, CTRL_D, CTRL_R, TAB, UP, at_password, logged_in, paste


def test_a_half_typed_line_survives_what_comes_in() -> None:
    with logged_in() as (screen, link):
        screen.type("broadcast half a line, 世界 🚀")
        screen.wait_for("世界")
        link.send(*(message(seq, f"number {seq}") for seq in range(1, 4)))
        acked = 0
        while acked < 3:
            request = link.read()
            assert request["op"] == "ack"
            acked = request["upto"]
        link.send(Presence(name="carol", state="online"), message(4, "行" * 45, "anna"))
        screen.wait_for("行" * 10)
        screen.wait_for_line("> broadcast half a line, 世界 🚀")
        screen.type(" and the rest")
        screen.wait_for_line("> broadcast half a line, 世界 🚀 and the rest")
        assert screen.lines[screen.lines.index("15:24 bob: number 1") :] == [
            "15:24 bob: number 1",
            "15:24 bob: number 2",
            "15:24 bob: number 3",
            "carol came online.",
            "15:24 anna: " + "行" * 34,
            "行" * 11,
            "> broadcast half a line, 世界 🚀 and the rest",
        ]
        screen.type("\r")
        link.take_broadcast("half a line, 世界 🚀 and the rest", 5)
        screen.wait_for("alice: half a line, 世界 🚀 and the rest")
        screen.wait_for_line(">")
        assert screen.text.count("half a line") == 1
        screen.type(CTRL_D)
        link.take_logout()
        assert screen.end() == 0
    assert "secret" not in screen.text


def test_hundreds_of_messages_while_somebody_types() -> None:
    line = "broadcast meanwhile I type this, with 世界 in it"
    with logged_in() as (screen, link):
        for at, key in enumerate(line):
            screen.type(key)
            link.send(*(message(10 * at + n, f"burst {10 * at + n}.") for n in range(1, 11)))
        count = 10 * len(line)
        screen.wait_for(f"burst {count}.")
        screen.wait_for_line(f"> {line}")
        burst = [each for each in screen.scrolled if "burst" in each]
        assert burst == [f"15:24 bob: burst {seq}." for seq in range(1, count + 1)]
        assert [each for each in screen.scrolled if each.startswith(">")] == [f"> {line}"]
        screen.type(CTRL_C)


def is_wrapped(text: str, lines: list[str]) -> bool:
    """Tell whether the lines end in this text, wherever it is broken."""
    return "".join(lines).replace(" ", "").endswith(text.replace(" ", ""))


def test_a_resize_keeps_the_line() -> None:
    line = "broadcast " + "wide 世界 " * 12
    typed = f"> {line}".rstrip()
    with logged_in() as (screen, link):
        screen.type(line)
        sizes = ((31, 12), (100, 30), (20, 24), (80, 24))
        for seq, (columns, rows) in enumerate(sizes, 1):
            screen.resize(columns, rows)
            link.send(message(seq, f"at {columns}"))
            shown = f"15:24 bob: at {columns} {typed}"
            screen.wait(lambda shown=shown: is_wrapped(shown, screen.lines))
        screen.type("\r")
        link.take_broadcast(line.removeprefix("broadcast ").rstrip(), 200)
        screen.wait_for_line(">")


def test_a_paste_of_any_size_is_one_message() -> None:
    longest = "".join(f"{number:04} " for number in range(800)).rstrip() + "!"
    assert len(longest) == 4000
    with logged_in() as (screen, link):
        screen.type("broadcast ")
        screen.wait_for_line("> broadcast")
        screen.type(paste("one\rlogout\rthree"))
        screen.wait_for_line(". three")
        screen.type("\r")
        link.take_broadcast("one\nlogout\nthree", 5)
        screen.wait_for_line(">")

        screen.type("broadcast " + paste("one\r\nlogout\r\nthree\r\n"))
        screen.wait_for_line(". three")
        screen.type("\r")
        link.take_broadcast("one\nlogout\nthree", 6)
        screen.wait_for_line(">")

        screen.type("broadcast " + paste(longest))
        screen.wait_for("0799!")
        screen.type("\r")
        link.take_broadcast(longest, 7)
        screen.wait_for("0799!")
        screen.wait_for_line(">")

        screen.type("broadcast " + paste(longest + "?"))
        screen.wait_for("0799!?")
        screen.type("\r")
        said = link.expect("broadcast")
        assert said["text"] == longest + "?"
        link.send(Error(re=said["id"], code="text_too_long", text="4001 characters."))
        screen.wait_for("0799!?")
        screen.wait(lambda: screen.status == "Not sent: 4001 characters.")
        assert "Not sent: 4001 characters. (it is on the line again)" in screen.scrolled
        screen.type("\x7f\x7f\r")
        link.take_broadcast(longest[:-1], 8)
        screen.wait_for_line(">")


def test_a_long_paste_is_asked_about() -> None:
    with logged_in() as (screen, link):
        screen.type(paste("broadcast 1\r2\r3\r4\r5"))
        screen.wait_for_line(". 5")
        screen.type("\r")
        screen.wait_for("Press Enter again to send these 5 lines.")
        screen.wait_for_line(". 5")
        screen.type("!")
        screen.wait_for_line(". 5!")
        screen.type("\r")
        screen.wait(lambda: screen.text.count("Press Enter again") == 2)
        screen.wait_for_line(". 5!")
        screen.type("\r")
        link.take_broadcast("1\n2\n3\n4\n5!", 1)
        screen.wait_for_line(">")


def test_lines_typed_before_the_prompt_is_there_stay_lines() -> None:
    with at_password(CHAT_PASSWORD="secret") as screen:
        link = screen.door.open()
        link.greet()
        screen.type("broadcast one\nbroadcast two\nbroadcast thr")
        screen.wait_for("broadcast thr")
        link.take_login()
        link.take_broadcast("one", 1)
        link.take_broadcast("two", 2)
        screen.wait_for_line("> broadcast thr")
        assert any(line.startswith("Welcome, alice.") for line in screen.lines)
        screen.type("ee\r")
        link.take_broadcast("three", 3)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_that_arrive_in_one_read_are_lines(end: str) -> None:
    with logged_in() as (screen, link):
        screen.type(f"say hello all{end}send bob my secret{end}{end}say half")
        link.take_broadcast("hello all", 1)
        assert link.expect("send")["text"] == "my secret"
        screen.wait_for_line("> say half")
        screen.type(f"{CTRL_C}{paste('say 1' + 5 * chr(10) + '2')}{end}")  # one Enter, not two
        screen.wait_for("Press Enter again to send these 6 lines.")
        screen.type(end)
        link.take_broadcast("1\n\n\n\n\n2", 2)


def test_keys_behind_enter_are_no_paste() -> None:
    with logged_in() as (screen, link):
        screen.type("who\r" + CTRL_D)
        link.expect("who")
        link.take_logout()
        assert screen.end() == 0


def test_nothing_unknown_is_sent() -> None:
    with logged_in() as (screen, link):
        screen.say("brodcast secret plan")
        screen.wait_for("There is no command 'brodcast': did you mean broadcast?")
        screen.wait_for_line(">")
        screen.type(UP)
        screen.wait_for_line("> brodcast secret plan")  # to be put right
        screen.type(CTRL_C)
        screen.wait_for_line(">")
        screen.type(CTRL_C)
        link.take_logout()  # and nothing before
        assert screen.end() == 0
    assert "Traceback" not in screen.text


def test_what_was_typed_before_can_be_found_again() -> None:
    with logged_in() as (screen, link):
        for seq, word in enumerate(("apples", "pears", "plums")):
            screen.say(f"broadcast {word}")
            link.take_broadcast(word, seq)
            screen.wait_for_line(">")
        screen.type(UP + UP)
        screen.wait_for_line("> broadcast pears")
        screen.type(CTRL_C)
        screen.wait_for_line(">")
        screen.type(CTRL_R + "appl")
        screen.wait(lambda: "broadcast apples" in screen.lines[-1])
        screen.type("\r")
        screen.wait_for_line("> broadcast apples")
        screen.type("\r")
        link.take_broadcast("apples", 9)


def test_tab_completes_and_goes_round() -> None:
    with logged_in(welcome={"online": ("bob", "robert", "roberta")}) as (screen, link):
        screen.type("/se" + TAB)
        screen.wait_for_line("> /send")
        screen.type("rob" + TAB)
        screen.wait_for_line("> /send robert")
        screen.wait_for_status("robert roberta")
        screen.type(TAB)
        screen.wait_for_line("> /send roberta")
        screen.type(TAB)
        screen.wait_for_line("> /send robert")
        screen.type("hi\r")
        assert link.expect("send")["to"] == ["robert"]


def test_nothing_from_others_steers_the_screen() -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x1b[31m\x9b1;1Hred\x1b[0m\u202e\x07\r\x08"
    with logged_in(welcome={"online": ("b\x1b[2Job",)}) as (screen, link):
        link.send(message(1, hostile), message(2, "x", f"eve{hostile}"))
        link.send(Presence(name=hostile, state="online"), Error(code="internal", text=hostile))
        screen.say("broadcast hi")
        link.take_broadcast("hi", 3, **{f"dave{hostile}": hostile})
        screen.wait_for("alice: hi (dave]0;title[2J[31m1;1Hred[0m is busy: ]0;title")
        screen.wait_for_line(">")
        assert "bob: ]0;title[2J[31m1;1Hred[0m" in screen.text
        assert "eve]0;title[2J[31m1;1Hred[0m: x" in screen.text
        assert screen.text.count("Welcome") == 1  # nothing was wiped off
        assert screen.screen.title == ""
        assert screen.bells == 0
        assert b"\x1b[31m" not in screen.raw
        assert screen.status.isprintable()


@pytest.mark.parametrize(
    ("bell", "rings"), [("off", 0), ("mention", 1), ("private", 2), ("all", 3)]
)
def test_the_bell_and_the_own_name(bell: str, rings: int) -> None:
    with logged_in(CHAT_CLIENT_BELL=bell, NO_COLOR="1") as (screen, link):
        link.send(
            message(1, "alice, this is old", replay=True),
            message(2, "hello everybody, malice, alice-2 and alice.b"),
            message(3, "have you seen ALICE?"),
            message(4, "psst", to=("alice",)),
            message(5, "alice herself, at her other desk", "alice"),
        )
        screen.wait_for("other desk")
        screen.wait_for_line(">")
        assert screen.bells == rings
        assert screen.bold() == "ALICE"
        assert screen.colours() == {"default"}


def test_colours() -> None:
    with logged_in() as (screen, link):
        link.send(message(1, "hi \x1b[31mred\x1b[0m"), Error(code="internal", text="Oops."))
        screen.wait_for("Oops.")
        assert len(screen.colours()) > 3
        assert "bob: hi [31mred[0m" in screen.text


def test_a_dumb_terminal_gets_lines() -> None:
    with at_password(TERM="dumb") as screen:
        link = screen.door.open()
        link.greet()
        screen.wait_for("Password for alice:")
        screen.type("secret\n")
        link.take_login()
        link.send(message(1, "hi"))
        screen.wait_for("bob: hi")
        screen.type("logout\n")
        link.take_logout()
        assert screen.end() == 0
    assert b"\x1b" not in screen.raw
    assert "secret" not in screen.text


def test_a_server_that_does_not_let_go_is_left_all_the_same() -> None:
    change = "import chatclient.faces.terminal as t; t._LEAVE_SECONDS = 0.05"
    with logged_in(change=change) as (screen, link):
        screen.say("broadcast never heard")
        link.expect("broadcast")
        screen.type("/QUIT\r")
        assert screen.end() == 0
    assert screen.lines[-1] == "Not sent: broadcast never heard"


def test_ctrl_c_at_the_password_is_clean() -> None:
    with at_password() as screen:
        link = screen.door.open()
        link.greet()
        screen.wait_for("Password for alice:")
        assert screen.leave(CTRL_C) == 0
        assert link.until_closed() == b""
    assert screen.lines == ["Password for alice:"]


def test_nothing_typed_is_shown_until_the_password_was_answered() -> None:
    with at_password(asked_name=True) as screen:
        link = screen.door.open()
        link.greet()
        screen.wait_for("Name:")
        screen.type("alice\nsecret typed ahead\n")
        screen.wait_for("Password for alice:")
        screen.type("wrong-1\n")
        number = link.expect("login")["id"]
        screen.type("secret of habit\n")
        screen.wait_for_input()
        link.send(Error(re=number, code="bad_credentials", text="Wrong.", attempts_left=2))
        screen.wait_for("Password for alice (Enter alone: another name):")
        screen.type("right\n")
        login = link.expect("login")
        assert (login["name"], login["password"]) == ("alice", "right")
        link.send(Error(re=login["id"], code="bad_credentials", text="Wrong.", attempts_left=1))
        screen.wait(lambda: screen.text.count("another name") == 2)
        screen.type("\n")
        screen.wait(lambda: screen.text.count("Name:") == 2)
        assert screen.echoes
        screen.type("bob\n")
        screen.wait_for("Password for bob:")
        assert screen.leave(CTRL_C) == 0
    assert "wrong-1" not in screen.text
    assert "habit" not in screen.text


def test_three_wrong_passwords() -> None:
    with at_password() as screen:
        link = screen.door.open()
        link.greet()
        for left in (2, 1, 0):
            screen.wait(lambda left=left: screen.text.count("Password for alice:") == 3 - left)
            screen.type(f"wrong-{left}\n")
            number = link.expect("login")["id"]
            link.send(Error(re=number, code="bad_credentials", text="Wrong.", attempts_left=left))
        link.send(Bye(code="locked_out", text="Blocked."))
        assert screen.end() == 4
    assert screen.lines[1::2] == [
        "Wrong. (2 tries left)",
        "Wrong. (1 try left)",
        "Wrong. (0 tries left)",
    ]
    assert "wrong-" not in screen.text


@pytest.mark.parametrize(
    ("code", "exit_code"), [("kicked", 3), ("idle_timeout", 3), ("locked_out", 4)]
)
def test_the_end_of_the_link_is_said_in_one_line(code: str, exit_code: int) -> None:
    with logged_in() as (screen, link):
        screen.type("broadcast half")
        screen.wait_for("half")
        link.send(message(1, "last words"), Bye(code=code, text="An operator ended it."))
        assert screen.end() == exit_code
    assert screen.lines[-3].endswith("bob: last words")
    assert screen.lines[-2:] == ["> broadcast half", "An operator ended it."]
