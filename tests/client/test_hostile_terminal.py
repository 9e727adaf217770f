"""What a hostile server says does not steer the terminal of somebody who chats there."""

import re
from collections.abc import Callable

import pytest

from .fake import FakeServer, Link
from .hostile import chats, goes_away, never_greets, refuses, says_bye, steering_in
from .screen import CTRL_D, NO_HURRY, Screen

OWN_SEQUENCE = re.compile(
    r"\x1b\[[?>]?[0-9;]*[A-HJKhlmqrnt]|\x1b\]2;(?:\(\d+\) )?127\.0\.0\.1:\d+\x1b\\"
    r"|\r+(?=\n|\x1b)|\x08|(?<!owned)\x07"
)
"""What the client itself sends to a terminal, and no text of a server does."""


@pytest.mark.parametrize("script", [never_greets, refuses, says_bye, goes_away, chats])
def test_nothing_steers_the_terminal(script: Callable[[Link], None]) -> None:
    environ = {"CHAT_PASSWORD": "secret"}
    with FakeServer(script) as server:
        screen = Screen(100, 50, environ, NO_HURRY, place=("127.0.0.1", server.port))
        try:
            if script is chats:
                screen.wait_for("Hear")
                for line in ("who", "last 5", "status", "hide", "help", "say hi"):
                    screen.say(line)
                screen.end()
            elif script is goes_away:
                screen.wait_for_status("not connected")
                screen.leave(CTRL_D)
            else:
                screen.end()
        finally:
            screen.close()
    sent = screen.raw.decode()
    assert "Hear" in sent
    assert "Traceback" not in sent
    assert steering_in(OWN_SEQUENCE.sub("", sent)) == []
    assert screen.screen.title in ("", f"127.0.0.1:{server.port}")
    forged = ("-- The server is shutting down", "bob: forged")
    assert not any(each.startswith(forged) for each in screen.scrolled)
