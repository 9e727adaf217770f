"""The client on a real pseudo-terminal, with a terminal emulator to see what a person would see."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chatwire.protocol import BroadcastReply, Bye, Error, Presence

from .fake import DEADLINE, FakeServer, Link, message

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals on Windows", allow_module_level=True)

import pexpect
import pyte

# Forking is safe here: the fake server's thread holds no lock that the child could need.
pytestmark = pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")

CTRL_C, CTRL_D, TAB, UP = "\x03", "\x04", "\t", "\x1b[A"


class Screen:
    """A person's view of the client: keys go in, `text` is what is on the screen."""

    def __init__(self, port: int, columns: int, environ: dict[str, str], change: str = "") -> None:
        """Start the client, after the Python statements in `change`."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CHAT_", "NO_COLOR"))}
        code = f"{change}\nfrom chatclient.cli import connect\nconnect()"
        self.child = pexpect.spawn(
            sys.executable,
            ["-c", code, "127.0.0.1", str(port), "--user", "alice"],
            dimensions=(24, columns),
            env=kept | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | environ,
        )
        self.child.delaybeforesend = None
        self.screen = pyte.Screen(columns, 24)
        self.screen.write_process_input = self.child.send  # answers where the cursor is
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""

    @property
    def text(self) -> str:
        """Return the screen without the blanks behind the lines and the lines below."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def lines(self) -> list[str]:
        """Return the lines on the screen; a wide character is one character."""
        return self.text.split("\n")

    def wait(self, seen: Callable[[], bool]) -> None:
        """Read until `seen` is true, and fail with the screen when it does not come true."""
        while not seen():
            try:
                data = self.child.read_nonblocking(65536, DEADLINE)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pytest.fail(f"this is on the screen:\n{self.text}")
            self.raw += data
            self._stream.feed(data)

    def wait_for(self, text: str) -> None:
        self.wait(lambda: text in self.text)

    def wait_for_line(self, line: str) -> None:
        """Wait until the last line is this one."""
        self.wait(lambda: self.lines[-1] == line)

    def type(self, keys: str) -> None:
        self.child.send(keys)

    def leave(self, keys: str = CTRL_D) -> int:
        """Type `keys`, read to the end, and return the exit code."""
        self.type(keys)
        return self.end()

    def end(self) -> int:
        """Read to the end and return the exit code."""
        try:
            while True:
                data = self.child.read_nonblocking(65536, DEADLINE)
                self.raw += data
                self._stream.feed(data)
        except pexpect.EOF:
            pass
        self.child.close()
        status: int = self.child.exitstatus
        return status


@contextmanager
def client(
    server: FakeServer, *, login: bool = True, change: str = "", **environ: str
) -> Iterator[Screen]:
    screen = Screen(server.port, 80, environ, change)
    try:
        screen.wait_for("Password for alice:")
        if login:
            screen.type("secret\n")
            screen.wait_for_line(">")
        yield screen
    finally:
        screen.child.close(force=True)


def test_a_half_typed_line_survives_what_comes_in() -> None:
    typed = threading.Event()

    def script(link: Link) -> None:
        link.let_in()
        assert typed.wait(DEADLINE)
        link.send(*(message(seq, f"number {seq}") for seq in range(1, 4)))
        acked = 0
        while acked < 3:
            request = link.read()
            assert request["op"] == "ack"
            acked = request["upto"]
        link.send(Presence(name="carol", state="online"), message(4, "行" * 45, "anna"))
        said = link.expect("broadcast")
        assert said["text"] == "half a line, 世界 and the rest"
        link.send(BroadcastReply(re=said["id"], seq=5, busy={}))
        link.take_logout()

    with FakeServer(script) as server, client(server, TZ="UTC") as screen:
        screen.type("broadcast half a line, 世界")
        screen.wait_for("世界")
        typed.set()
        screen.wait_for("行" * 10)
        screen.wait_for_line("> broadcast half a line, 世界")
        screen.type(" and the rest")
        screen.wait_for_line("> broadcast half a line, 世界 and the rest")
        day, *others = screen.lines[screen.lines.index("15:24 bob: number 1") - 1 :]
        assert day == "--- Sunday, 22 November 2026 ---" or "Welcome" in day
        assert others == [
            "15:24 bob: number 1",
            "15:24 bob: number 2",
            "15:24 bob: number 3",
            "carol came online.",
            "15:24 anna: " + "行" * 34,
            "行" * 11,
            "> broadcast half a line, 世界 and the rest",
        ]
        screen.type("\r")
        screen.wait_for("Sent to everybody here.")
        assert screen.text.count("half a line") == 1
        assert screen.leave() == 0
    assert "secret" not in screen.text


def test_ctrl_c_clears_the_line_and_leaves_an_empty_one() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.take_logout()

    with FakeServer(script) as server, client(server) as screen:
        screen.type("broadcast never sent")
        screen.wait_for_line("> broadcast never sent")
        screen.type(CTRL_C)
        screen.wait_for_line(">")
        assert screen.leave(CTRL_C) == 0
    assert "Goodbye." in screen.text
    assert "Traceback" not in screen.text


def test_a_server_that_does_not_let_go_is_left_all_the_same() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.expect("logout")
        link.until_closed()

    change = "import chatclient.terminal as t; t._LEAVE_SECONDS = 0.05"
    with FakeServer(script) as server, client(server, change=change) as screen:
        assert screen.leave("/QUIT\r") == 0


def test_ctrl_c_at_the_password_is_clean() -> None:
    def script(link: Link) -> None:
        link.greet()
        assert link.until_closed() == b""

    with FakeServer(script) as server, client(server, login=False) as screen:
        assert screen.leave(CTRL_C) == 0
    assert screen.lines == ["Password for alice:"]


def test_three_wrong_passwords() -> None:
    def script(link: Link) -> None:
        link.greet()
        for left in (2, 1, 0):
            number = link.expect("login")["id"]
            link.send(Error(re=number, code="bad_credentials", text="Wrong.", attempts_left=left))
        link.send(Bye(code="locked_out", text="Blocked."))

    with FakeServer(script) as server, client(server, login=False) as screen:
        for count in (1, 2, 3):
            screen.wait(lambda count=count: screen.text.count("Password for alice:") == count)
            screen.type(f"wrong-{count}\n")
        assert screen.end() == 4
    assert screen.lines[1::2] == [
        "Wrong. (2 tries left)",
        "Wrong. (1 try left)",
        "Wrong. (0 tries left)",
    ]
    assert "wrong-" not in screen.text


def test_the_end_of_the_link_is_said_in_one_line() -> None:
    typed = threading.Event()

    def script(link: Link) -> None:
        link.let_in()
        assert typed.wait(DEADLINE)
        link.send(message(1, "last words"), Bye(code="kicked", text="An operator ended it."))

    with FakeServer(script) as server, client(server) as screen:
        screen.type("broadcast half")
        screen.wait_for("half")
        typed.set()
        assert screen.end() == 3
    assert screen.lines[-3].endswith("bob: last words")
    assert screen.lines[-2:] == ["> broadcast half", "An operator ended it."]


def test_nothing_unknown_is_sent() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.take_logout()  # and nothing before

    with FakeServer(script) as server, client(server) as screen:
        screen.type("brodcast secret plan\r")
        screen.wait_for("There is no command 'brodcast': did you mean broadcast?")
        screen.wait_for_line(">")
        screen.type(UP)
        screen.wait_for_line("> brodcast secret plan")  # to be put right
        screen.type(CTRL_C)
        screen.wait_for_line(">")
        assert screen.leave() == 0


def test_tab_completes_commands_and_names() -> None:
    def script(link: Link) -> None:
        link.let_in(online=("robert",))
        assert link.expect("send")["to"] == ["robert"]
        link.take_logout()

    with FakeServer(script) as server, client(server) as screen:
        screen.type("/se" + TAB)
        screen.wait_for_line("> /send")
        screen.type("rob" + TAB)
        screen.wait_for("> /send robert")
        screen.type("hi\r")
        screen.wait_for("> /send robert hi")
        assert screen.leave() == 0


@pytest.mark.parametrize("bracketed", [True, False])
def test_a_paste_is_one_message(bracketed: bool) -> None:
    def script(link: Link) -> None:
        link.let_in()
        said = link.expect("broadcast")
        assert said["text"] == "one\nlogout\nthree"
        link.send(BroadcastReply(re=said["id"], seq=5, busy={}))
        link.take_logout()

    with FakeServer(script) as server, client(server) as screen:
        screen.type("broadcast ")
        screen.wait_for("broadcast")
        paste = "one\rlogout\rthree"
        screen.type(f"\x1b[200~{paste}\r\x1b[201~" if bracketed else paste)
        screen.wait_for_line(". three")
        screen.type("\r")
        screen.wait_for("Sent to everybody here.")
        assert screen.leave() == 0


def test_keys_behind_enter_are_no_paste() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        link.take_logout()

    with FakeServer(script) as server, client(server) as screen:
        assert screen.leave("who\r" + CTRL_D) == 0


def test_a_long_paste_is_asked_about() -> None:
    def script(link: Link) -> None:
        link.let_in()
        said = link.expect("broadcast")
        assert said["text"] == "1\n2\n3\n4\n5!"
        link.take_logout()

    with FakeServer(script) as server, client(server) as screen:
        screen.type("\x1b[200~broadcast 1\r2\r3\r4\r5\x1b[201~")
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
        screen.wait_for_line(">")
        assert screen.leave() == 0


def colours_in(screen: Screen) -> set[Any]:
    cells = (cell for row in screen.screen.buffer.values() for cell in row.values())
    return {cell.fg for cell in cells} | {
        cell.bg for row in screen.screen.buffer.values() for cell in row.values()
    }


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_can_be_switched_off(environ: dict[str, str], coloured: bool) -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.send(message(1, "hi \x1b[31mred\x1b[0m"), Error(code="internal", text="Oops."))
        link.take_logout()

    with FakeServer(script) as server, client(server, **environ) as screen:
        screen.wait_for("Oops.")
        screen.type("wh" + TAB)
        screen.wait_for("> who")
        assert (colours_in(screen) != {"default"}) is coloured
        assert "bob: hi [31mred[0m" in screen.text
        assert screen.leave(CTRL_C + CTRL_C) == 0


def test_a_dumb_terminal_gets_lines() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.send(message(1, "hi"))
        link.take_logout()

    with FakeServer(script) as server, client(server, login=False, TERM="dumb") as screen:
        screen.type("secret\n")
        screen.wait_for("bob: hi")
        assert screen.leave("logout\n") == 0
    assert b"\x1b" not in screen.raw
    assert "secret" not in screen.text
