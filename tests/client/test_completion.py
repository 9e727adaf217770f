"""What Tab offers."""

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatclient.commandline import CommandLine
from chatclient.completion import LineCompleter
from chatclient.roster import Roster
from chatwire.protocol import Here, LastReply, LoginReply, Presence, Seen, WhoReply

from .fake import COMMANDS, message


def offers(typed: str) -> list[str]:
    """Return whole lines, as they would read after each completion offered for `typed`."""
    roster = Roster("alice")
    roster.hear(Presence(name="Bob", state="online"))
    roster.hear(Presence(name="bert", state="online"))
    roster.hear(message(1, "hi", "carol"))
    completer = LineCompleter(CommandLine(COMMANDS), roster)
    found = completer.get_completions(Document(typed), CompleteEvent())
    return [typed[: len(typed) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("wh", ["who "]),
        ("/wh", ["/who "]),
        ("B", ["broadcast ", "busy "]),
        ("zz", []),
        ("send ", ["send bert ", "send Bob ", "send carol "]),
        ("send b", ["send bert ", "send Bob "]),
        ("/SEND CA", ["/SEND carol "]),
        ("send (b", ["send (bert ", "send (Bob "]),
        ("send (bert c", ["send (bert carol "]),
        ("send (bert,c", ["send (bert,carol "]),
        ("send (bert carol) b", []),
        ("send bob c", []),
        ("send bob hello c", []),
        ("broadcast b", []),
        ("help s", ["help send ", "help status "]),
        ("who b", []),
        ("last 1", []),
        ("nonsense b", []),
    ],
)
def test_what_can_stand_there(typed: str, lines: list[str]) -> None:
    assert offers(typed) == lines


def test_the_roster_hears_names_everywhere_but_its_own() -> None:
    roster = Roster("alice")
    welcome = LoginReply(name="alice", online=("dave",), seq=0, missed=0, busy=False, hidden=False)
    roster.hear(welcome)
    roster.hear(WhoReply(users=(Here(name="bob", busy=False, idle_seconds=0),)))
    roster.hear(LastReply(users=(Seen(name="Alice", online=True, seconds_ago=0),)))
    roster.hear(LastReply(users=(Seen(name="erin", online=False, seconds_ago=9),)))
    roster.hear(message(1, "psst", "carol", to=("alice", "frank")))
    roster.hear(Presence(name="BOB", state="busy"))
    assert roster.names() == ("BOB", "carol", "dave", "erin", "frank")
