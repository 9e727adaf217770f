"""The client at a terminal: keys, redrawing, pastes, sizes, sounds and ends."""

import pytest
from msgspec import structs

from chatwire.events import Bye, Error, Presence, Typing
from chatwire.replies import WhoReply

from .fake import message
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
        screen.type(" and the rest", "> broadcast half a line, 世界 🚀 and the rest")
        assert screen.lines[screen.lines.index("15:24 bob: number 1") :] == [
            "15:24 bob: number 1",
            "15:24 bob: number 2",
            "15:24 bob: number 3",
            "carol came online.",
            "15:24 anna: " + "行" * 34,
            " " * 10 + "行" * 11,
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
            screen.settle()  # what it writes for the old size would land on the new one
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
        screen.type("broadcast ", "> broadcast")
        screen.type(paste("one\rlogout\rthree"), ". three")
        screen.type("\r")
        link.take_broadcast("one\nlogout\nthree", 5)
        screen.wait_for_line(">")

        screen.type("broadcast " + paste("one\r\nlogout\r\nthree\r\n"), ". three")
        screen.type("\r")
        link.take_broadcast("one\nlogout\nthree", 6)
        screen.wait_for_line(">")

        screen.type("broadcast " + paste(longest + "?"))
        screen.wait_for("0799!?")
        screen.type("\r")
        said = link.answer("broadcast", Error(code="text_too_long", text="4001 characters."))
        assert said["text"] == longest + "?"
        screen.wait_for("0799!?")
        screen.wait(lambda: screen.status == "Not sent: 4001 characters.")
        assert "Not sent: 4001 characters. (it is on the line again)" in screen.scrolled
        screen.type("\x7f\r")
        link.take_broadcast(longest, 7)
        screen.wait_for("0799!")
        screen.wait_for_line(">")


def test_a_long_paste_is_asked_about() -> None:
    with logged_in() as (screen, link):
        screen.type(paste("broadcast 1\r2\r3\r4\r5"), ". 5")
        screen.type("\r")
        screen.wait_for_status("Press Enter again to send these 5 lines.")
        screen.wait_for_line(". 5")
        screen.type("!", ". 5!")
        assert "Press Enter" not in screen.status
        screen.type("\r")
        screen.wait_for_status("Press Enter again")
        screen.wait_for_line(". 5!")
        screen.type("\r")
        link.take_broadcast("1\n2\n3\n4\n5!", 1)
        screen.wait_for_line(">")


def test_lines_typed_before_the_prompt_is_there_stay_lines() -> None:
    with at_password("", CHAT_PASSWORD="secret") as (screen, link):
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
        screen.wait_for_status("Press Enter again to send these 6 lines.")
        screen.settle()
        assert screen.lines[-1] == ". 2"
        screen.type(end)
        link.take_broadcast("1\n\n\n\n\n2", 2)
        screen.wait_for_line(">")
        screen.type(f"who{end}{CTRL_D}")  # keys behind Enter are no paste
        link.expect("who")
        link.take_logout()
        assert screen.end() == 0


def test_what_was_typed_before_can_be_found_again() -> None:
    with logged_in() as (screen, link):
        for seq, word in enumerate(("apples", "pears", "plums")):
            screen.say(f"broadcast {word}")
            link.take_broadcast(word, seq)
            screen.wait_for_line(">")
        screen.type(UP + UP, "> broadcast pears")
        screen.type(CTRL_C, ">")
        screen.type(CTRL_R + "appl")
        screen.wait(lambda: "broadcast apples" in screen.lines[-1])
        screen.type("\r", "> broadcast apples")
        screen.type("\r")
        link.take_broadcast("apples", 9)
        screen.say("brodcast secret plan")
        screen.wait_for("There is no command 'brodcast': did you mean broadcast?")
        screen.wait_for_line(">")
        screen.type(UP, "> brodcast secret plan")  # to be put right
        screen.type(CTRL_C, ">")
        screen.type(CTRL_C)
        link.take_logout()  # nothing unknown was sent
        assert screen.end() == 0


def test_tab_completes_and_goes_round() -> None:
    with logged_in(welcome={"online": ("bob", "carol", "robert", "roberta")}) as (screen, link):
        screen.type("/se" + TAB, "> /send")
        screen.type("rob" + TAB, "> /send robert")
        screen.wait_for_status("robert roberta")
        screen.type(TAB, "> /send roberta")
        screen.type(TAB, "> /send robert")
        screen.type("hi\r")
        assert link.expect("send")["to"] == ["robert"]
        screen.say("talk lobby", "lobby>")
        screen.type("bo" + TAB, "lobby> bob:")
        screen.type("and ca" + TAB + "too", "lobby> bob: and carol too")


@pytest.mark.parametrize(
    ("bell", "rings"), [("off", 0), ("mention", 1), ("private", 2), ("all", 3)]
)
def test_the_bell_and_the_own_name(bell: str, rings: int) -> None:
    with logged_in(CHAT_CLIENT_BELL=bell, NO_COLOR="1") as (screen, link):
        link.send(
            message(1, "alice, this is old", replay=True, mentions=("alice",)),
            message(2, "hello everybody, alice", mentions=("bob",)),  # the server knows
            message(3, "have you seen ALICE?", mentions=("bob", "Alice")),
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


@pytest.mark.parametrize(("options", "term"), [((), "dumb"), (("--plain",), "xterm-256color")])
def test_where_nothing_is_drawn_there_are_lines(options: tuple[str, ...], term: str) -> None:
    with at_password(options=options, TERM=term) as (screen, link):
        screen.type("secret\n")
        link.take_login()
        link.send(message(1, "\x1b[2Jhi"), Presence(name="bob", state="busy"))
        screen.wait_for("bob is busy.")
        screen.type("who\n")
        link.answer("who", WhoReply(users=()))
        link.send(Typing(sender="bob", to=("alice",)), message(2, "more"))
        screen.wait_for("bob: more")
        assert "typing" not in screen.text
        screen.type("logout\n")
        link.take_logout()
        assert screen.end() == 0
    assert [line[6:] for line in screen.lines if " bob" in line][-3:] == [
        *("bob: [2Jhi", "bob is busy.", "bob: more"),
    ]
    assert "".join(screen.raw.decode().split("\r\n")).isprintable()  # no ESC, BS or bare CR
    assert "secret" not in screen.text


def test_nothing_typed_is_shown_until_the_password_was_answered() -> None:
    def wrong(left: int) -> Error:
        return Error(code="bad_credentials", text="Wrong.", attempts_left=left)

    with at_password("Name:", user="") as (screen, link):
        screen.type("alice\nsecret typed ahead\n")
        screen.wait_for("Password for alice:")
        screen.type("wrong-1\n")
        number = link.expect("login")["id"]
        screen.type("secret of habit\n")
        screen.wait_for_input()
        link.send(structs.replace(wrong(2), re=number))
        screen.wait_for("Password for alice (Enter alone: another name):")
        screen.type("wrong-2\n")
        login = link.answer("login", wrong(1))
        assert (login["name"], login["password"]) == ("alice", "wrong-2")
        screen.wait(lambda: screen.text.count("another name") == 2)
        screen.type("\n")
        screen.wait(lambda: screen.text.count("Name:") == 2)
        assert screen.echoes
        screen.type("bob\n")
        screen.wait_for("Password for bob:")
        screen.type("wrong-3\n")
        link.answer("login", wrong(0))
        link.send(Bye(code="locked_out", text="Blocked."))
        assert screen.end() == 4
    assert [line for line in screen.lines if "left" in line] == [
        "Wrong. (2 tries left)",
        "Wrong. (1 try left)",
        "Wrong. (0 tries left)",
    ]
    assert "wrong-" not in screen.text
    assert "habit" not in screen.text


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
