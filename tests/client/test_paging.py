"""Reading further back, and talking to nobody: in lines and at the screen."""

import sys

import pytest

from chatserver.commands import all_commands
from chatwire.protocol import Error, HelpReply, HistoryReply

from .fake import COMMANDS, HISTORY, FakeServer, Link, message
from .test_plain import chat

WITH_HISTORY = (*COMMANDS, HISTORY)


def refuse(link: Link) -> None:
    """Answer the question about a name that nobody has."""
    asked = link.expect("history")
    text = "No such user: bbo."
    link.send(Error(re=asked["id"], code="no_such_user", text=text))
    assert {"with": "bbo", "limit": 1}.items() <= asked.items()


def page(link: Link, seq: int, more: bool, **fields: object) -> None:
    """Answer the request for a page of history."""
    asked = link.expect("history")
    assert fields == {name: asked.get(name) for name in fields}
    messages = (message(seq, f"number {seq}"), message(seq + 1, f"number {seq + 1}"))
    link.send(HistoryReply(re=asked["id"], messages=messages, more=more))


def test_more_goes_on_where_history_began(capsys: pytest.CaptureFixture[str]) -> None:
    def script(link: Link) -> None:
        link.let_in(commands=WITH_HISTORY)
        page(link, 5, True, limit=2)
        page(link, 3, True, limit=2, before=5)
        page(link, 1, False, limit=2, before=3)
        link.take_logout()
        link.until_closed()

    with FakeServer(script) as server:
        lines = chat(server, "more\nhistory 2\nmore\n/more\nmore\n")
    assert [line[-1] for line in lines if "number" in line] == list("563412")
    assert capsys.readouterr().err.count("There is nothing to go on with") == 2


def test_plain_does_not_talk_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    def script(link: Link) -> None:
        link.let_in(commands=WITH_HISTORY)
        refuse(link)
        page(link, 1, True, **{"with": "carol"})
        said = link.expect("send")
        assert said["to"] == ["carol"]
        link.send(Error(re=said["id"], code="try_later", text="Later."))
        link.take_logout()
        link.until_closed()

    with FakeServer(script) as server:
        lines = chat(server, "talk bbo\nfor bob alone\ntalk carol\nhi\n")
    assert len(lines) == 1  # the welcome
    said = capsys.readouterr().err
    assert "There is nobody called bbo. Did you mean bob?" in said
    assert "No such user" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_the_screen_does_not_talk_to_nobody_and_reads_back() -> None:
    from .screen import logged_in  # noqa: PLC0415 - it cannot be imported on Windows

    with logged_in(welcome={"commands": WITH_HISTORY}) as (screen, link):
        screen.type("talk bbo\rfor bob alone\r")
        refuse(link)
        said = link.expect("send")
        assert said["to"] == ["bbo"]
        link.send(Error(re=said["id"], code="no_such_user", text="No such user: bbo."))
        screen.wait_for("There is nobody called bbo. Did you mean bob?")
        screen.wait_for_line("> for bob alone")  # on the line again
        screen.type("\x03talk bob\r")
        screen.wait_for_line("bob>")
        screen.type("/history 2\r")
        page(link, 5, True, limit=2, **{"with": ["bob"]})
        screen.wait_for("There is more; type more to see what came before.")
        screen.type("/more\r")
        page(link, 3, False, limit=2, before=5, **{"with": ["bob"]})
        screen.wait_for("number 3")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize("columns", [80, 60, 40])
def test_help_breaks_no_word(columns: int) -> None:
    from .screen import logged_in  # noqa: PLC0415

    commands = tuple(each.help for each in all_commands() if each.summary)
    with logged_in(columns, 120, welcome={"commands": commands}) as (screen, link):
        screen.type("help\r")
        link.send(HelpReply(re=link.expect("help")["id"], commands=commands))
        screen.wait_for("back.")
        words = {word for each in commands for word in each.summary.split()}
        assert words <= set(screen.text.split())
