"""The client as a job of a shell: ended by signals, stopped and continued, and drawn anew."""

import os
import signal
import termios

import pytest

from chatwire.replies import BroadcastReply

from .fake import message
from .screen import CTRL_C, Screen, at_password, logged_in

LEFT, BACKSPACE, DELETE = "\x1b[D", "\x7f", "\x1b[3~"


def stop(screen: Screen) -> None:
    """Stop the client, and do with the terminal what a shell does then."""
    screen.child.kill(signal.SIGSTOP)
    os.waitid(os.P_PID, screen.child.pid, os.WSTOPPED | os.WNOWAIT)
    modes = termios.tcgetattr(screen.child.child_fd)
    modes[0] |= termios.ICRNL
    modes[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(screen.child.child_fd, termios.TCSANOW, modes)
    assert not screen.is_raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, 0], ids=["TERM", "HUP", "quit"])
def test_the_end_waits_for_no_answer(number: int) -> None:
    change = "import chatclient.faces.terminal as t; t._LEAVE_SECONDS = 0.05"
    with logged_in(change=change) as (screen, link):
        screen.say("broadcast never heard")
        link.expect("broadcast")
        if number:
            screen.type("half a line", "> half a line")
            screen.child.kill(number)
            assert screen.end() == 128 + number
        else:
            screen.type("/QUIT\r")
            assert screen.end() == 0
    assert screen.lines[-1] == "Not sent: broadcast never heard"
    assert "\x1b[?2004l" in screen.raw.decode()  # pastes are not marked any more
    assert "Traceback" not in screen.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_at_the_password_leaves_the_echo_on(number: int) -> None:
    with at_password() as (screen, link):
        screen.wait_for_modes(lambda: not screen.echoes)
        terminal = os.open(f"/proc/{screen.child.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)
        try:
            if number == signal.SIGINT:
                screen.type(CTRL_C)
            else:
                screen.child.kill(number)
            assert link.until_closed() == b""
            screen.wait_for_modes(lambda: screen.echoes)
        finally:
            os.close(terminal)
        assert screen.end() == (0 if number == signal.SIGINT else 128 + number)
    assert screen.lines == ["Password for alice:"]


def test_what_was_stopped_takes_the_terminal_again() -> None:
    with logged_in() as (screen, link):
        screen.type("broadcast half", "> broadcast half")
        stop(screen)
        screen.child.kill(signal.SIGCONT)
        screen.wait_for_modes(lambda: screen.is_raw and not screen.echoes)
        screen.type(" and the rest", "> broadcast half and the rest")
        assert screen.raw.decode().rindex("\x1b[?2004h") > screen.raw.index(b"half")
        link.send(message(1, "hi"))
        screen.wait_for("bob: hi")
        screen.type("\r")
        link.take_broadcast("half and the rest", 2)


def test_what_was_stopped_at_the_password_shows_nothing() -> None:
    with at_password() as (screen, _link):
        screen.wait_for_modes(lambda: not screen.echoes)
        stop(screen)

        def hidden_again() -> bool:
            screen.child.kill(signal.SIGCONT)  # once is enough where it already reads
            return not screen.echoes

        screen.wait_for_modes(hidden_again)
        screen.wait_for_modes(screen.is_waiting)  # what is typed before it reads is thrown away
        assert screen.leave(CTRL_C) == 0


CLUSTERS = {
    "👨\u200d👩\u200d👧": "👨👩👧",
    "🏳\ufe0f\u200d🌈": "🏳🌈",
    "🇩🇪": "DE",
    "👍🏽": "👍",
    "1\ufe0f\u20e3": "1",
    "❤\ufe0f": "❤",
    "e\u0301": "é",
    "世": "世",
}


def test_what_is_one_to_the_eye_is_one_to_the_keys() -> None:
    with logged_in() as (screen, link):
        for seq, (cluster, shown) in enumerate(CLUSTERS.items(), 1):
            screen.type(f"say a{cluster}{cluster}b", f"> say a{shown}{shown}b")
            screen.type(f"{LEFT}{LEFT}x", f"> say a{shown}x{shown}b")
            screen.type(DELETE, f"> say a{shown}xb")
            screen.type(f"{LEFT}{BACKSPACE}y", "> say ayxb")
            screen.type(f"{cluster}\r")
            said = link.expect("broadcast")
            assert said["text"] == f"ay{cluster}xb"  # whole
            screen.wait_for(f"alice: ay{shown}xb")  # while it is on its way
            link.send(BroadcastReply(re=said["id"], seq=seq, busy={}))
            screen.wait(lambda: "not sent" not in screen.status)
            screen.wait_for_line(">")


def wait_until_drawn(screen: Screen, typed: str) -> None:
    """Wait until the line is there, wherever it is broken, and the cursor behind it again."""

    def is_drawn() -> bool:
        whole = "".join(screen.lines).replace(" ", "").endswith(typed.replace(" ", ""))
        cursor = screen.screen.cursor
        return whole and cursor.x == len(screen.screen.display[cursor.y].rstrip()) > 0

    screen.wait(is_drawn)


def test_a_narrower_terminal_that_breaks_rows_anew_keeps_no_copies() -> None:
    words = " ".join(f"word-{number:02}" for number in range(17))
    with logged_in() as (screen, link):
        link.send(*(message(seq, f"number {seq}") for seq in range(1, 4)))
        screen.wait_for("bob: number 3")
        screen.type(f"broadcast {words}")
        wait_until_drawn(screen, f"> broadcast {words}")
        for columns in (60, 33, 71, 45):
            screen.settle()  # what it writes for the old width would land on the new one
            screen.resize(columns, 24, reflow=True)
            wait_until_drawn(screen, f"> broadcast {words}")
            screen.type("!")
            words += "!"
            wait_until_drawn(screen, f"> broadcast {words}")
            assert screen.text.count("broadcast") == 1
            assert screen.text.count("bob: number") == 3
