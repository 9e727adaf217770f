"""What is written to a terminal to call somebody who looks elsewhere."""

import pytest

from chatclient.screen.alerts import Alerts
from chatclient.setup.settings import Notify


def alerts(notify: Notify = "auto", *, title: bool = True, **environ: str) -> Alerts:
    return Alerts(notify, {"TERM": "xterm-256color"} | environ, title=title)


@pytest.mark.parametrize(
    ("notify", "environ", "written"),
    [
        ("auto", {}, ""),
        ("auto", {"TERM_PROGRAM": "iTerm.app"}, "\x1b]9;bob → you: hi\x1b\\"),
        ("auto", {"TERM": "xterm-kitty"}, "\x1b]9;bob → you: hi\x1b\\"),
        ("auto", {"TERM": "foot"}, "\x1b]777;notify;bob → you;hi\x1b\\"),
        ("auto", {"TERM": "xterm-kitty", "TMUX": "/tmp/tmux,1,0"}, ""),
        ("off", {"TERM": "foot"}, ""),
        ("osc9", {}, "\x1b]9;bob → you: hi\x1b\\"),
        ("osc777", {"TMUX": "/tmp/tmux,1,0"}, "\x1b]777;notify;bob → you;hi\x1b\\"),
    ],
)
def test_the_desktop_is_told_where_the_terminal_is_known(
    notify: Notify, environ: dict[str, str], written: str
) -> None:
    assert alerts(notify, **environ).notification("bob → you", "hi") == written


def test_what_others_write_neither_ends_a_sequence_nor_makes_it_long() -> None:
    written = alerts("osc777").notification("b;b", "\x1b\\\x07\x9c" + "one\ntwo " * 1000)
    assert written.startswith("\x1b]777;notify;b,b;\\one two")
    assert written.count("\x1b") == 2
    assert written.isascii() is False  # it ends in an ellipsis
    assert len(written) < 300
    assert "\x07" not in written


def test_the_title_is_written_once_and_put_back() -> None:
    quiet = alerts()
    assert quiet.restore() == ""
    assert quiet.title("(2) chat") == "\x1b[22;2t\x1b]2;(2) chat\x1b\\"
    assert quiet.title("(2) chat") == ""
    assert quiet.title("chat\x07") == "\x1b]2;chat\x1b\\"
    assert quiet.restore() == "\x1b[23;2t"
    for none in (alerts(title=False), alerts(TERM="linux"), alerts(TERM="vt100")):
        assert none.title("chat") + none.restore() == ""
