"""What Tab offers, and what the key does with it."""

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, WordCompleter
from prompt_toolkit.document import Document

from chatclient.screen.completion import LineCompleter
from chatclient.screen.tabcycle import TabCycle
from chatclient.talk.commandline import CommandLine
from chatclient.talk.conversation import Conversation
from chatclient.talk.roster import Roster
from chatwire.events import Presence
from chatwire.replies import Here, LastReply, Seen, WhoReply

from .fake import COMMANDS, HISTORY, commands, message, welcome


def offers(typed: str, conversation: Conversation | None = None) -> list[str]:
    """Return whole lines, as they would read after each completion offered for `typed`."""
    roster = Roster("alice")
    roster.hear(Presence(name="Bob", state="online"))
    roster.hear(Presence(name="bert", state="online"))
    roster.hear(message(1, "hi", "carol"))
    completer = LineCompleter(
        CommandLine((*COMMANDS, HISTORY, *commands("react"))), roster, lambda: conversation
    )
    found = completer.get_completions(Document(typed), CompleteEvent())
    return [typed[: len(typed) + each.start_position] + each.text for each in found]


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("wh", ["who "]),
        ("/wh", ["/who "]),
        ("B", ["broadcast ", "busy "]),
        ("zz", []),
        ("send ", ["send carol ", "send bert ", "send Bob "]),  # who spoke last comes first
        ("send b", ["send bert ", "send Bob "]),
        ("/SEND CA", ["/SEND carol "]),
        ("send (b", ["send (bert ", "send (Bob "]),
        ("send (bert c", ["send (bert carol "]),
        ("send (bert,c", ["send (bert,carol "]),
        ("send (bert carol) b", ["send (bert carol) bert ", "send (bert carol) Bob "]),
        ("send bob c", ["send bob carol "]),
        ("history b", ["history bert ", "history Bob "]),
        ("history (bert c", ["history (bert carol "]),
        ("history (bert carol) ", []),
        ("history bert 5", []),
        ("send bob hello c", ["send bob hello carol "]),
        ("send bob ", []),
        ("broadcast b", ["broadcast bert ", "broadcast Bob "]),
        ("ta", ["talk "]),
        ("talk b", ["talk bert ", "talk Bob "]),
        ("help s", ["help send ", "help status "]),
        ("who b", []),
        ("last 1", []),
        ("react +", ["react +1 "]),
        ("react ^12 -👍", ["react ^12 -👍 "]),
        ("nonsense b", []),
    ],
)
def test_what_can_stand_there(typed: str, lines: list[str]) -> None:
    assert offers(typed) == lines


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        ("bo", ["Bob: "]),
        ("", ["carol: ", "bert: ", "Bob: "]),
        ("ask bo", ["ask Bob "]),
        ("/wh", ["/who "]),
        ("/send b", ["/send bert ", "/send Bob "]),
        ("wh", []),
    ],
)
def test_in_a_conversation_there_are_names(typed: str, lines: list[str]) -> None:
    assert offers(typed, Conversation()) == lines


# -- the key --

WIDE = 80


def cycle(*words: str) -> TabCycle:
    return TabCycle(WordCompleter(list(words)))


def buffer(text: str, at: int | None = None) -> Buffer:
    return Buffer(document=Document(text, len(text) if at is None else at))


def test_tab_goes_round_and_back() -> None:
    line, tab = buffer("ask b"), cycle("bert", "bob", "carol")
    seen = []
    for step in (1, 1, 1, -1, -1):
        tab.turn(line, step)
        seen.append(line.text)
    assert seen == ["ask bert", "ask bob", "ask bert", "ask bob", "ask bert"]
    assert tab.offers(line, WIDE) == [("bert", True), ("bob", False)]


def test_the_first_step_back_is_to_the_last() -> None:
    line, tab = buffer(""), cycle("bert", "bob")
    tab.turn(line, -1)
    assert line.text == "bob"


def test_what_is_typed_between_begins_anew() -> None:
    line, tab = buffer("b"), cycle("bert", "bob", "bobby")
    tab.turn(line)
    line.text = "bo"
    line.cursor_position = 2
    assert tab.offers(line, WIDE) == []
    tab.turn(line)
    assert line.text == "bob"
    assert tab.offers(line, WIDE) == [("bob", True), ("bobby", False)]


def test_one_offer_is_no_choice_and_none_changes_nothing() -> None:
    line, tab = buffer("c"), cycle("carol", "bob")
    tab.turn(line)
    assert (line.text, tab.offers(line, WIDE)) == ("carol", [])
    line = buffer("x")
    tab.turn(line)
    assert (line.text, tab.offers(line, WIDE)) == ("x", [])


def test_in_the_middle_of_a_line_one_space_is_enough() -> None:
    line, tab = buffer("send b hi", 6), TabCycle(WordCompleter(["bob "]))
    tab.turn(line)
    assert (line.text, line.cursor_position) == ("send bob hi", 9)


def test_the_chosen_offer_can_be_seen() -> None:
    line, tab = buffer(""), cycle(*(f"name{number}" for number in range(9)))
    for _ in range(7):
        tab.turn(line)
    shown = tab.offers(line, 20)
    assert [text for text, _ in shown] == ["name4", "name5", "name6", "name7", "name8"]
    assert ("name6", True) in shown
    assert tab.offers(line, 3)[0] == ("name6", True)


# -- whose names there are --


def test_the_roster_hears_names_everywhere_but_its_own() -> None:
    roster = Roster("alice")
    roster.hear(welcome(online=("dave",)))
    roster.hear(WhoReply(users=(Here(name="bob", busy=False, idle_seconds=0),)))
    roster.hear(LastReply(users=(Seen(name="Alice", online=True, seconds_ago=0),)))
    roster.hear(LastReply(users=(Seen(name="erin", online=False, seconds_ago=9),)))
    roster.hear(message(1, "psst", "carol", to=("alice", "frank")))
    roster.hear(Presence(name="BOB", state="busy"))
    assert roster.names() == ("carol", "BOB", "dave", "erin", "frank")
    roster.hear(message(2, "hi", "frank"))
    roster.hear(message(3, "hi", "alice"))
    assert roster.names() == ("frank", "carol", "BOB", "dave", "erin")


def test_the_roster_knows_who_is_here() -> None:
    roster = Roster("alice")
    roster.hear(welcome(online=("dave", "alice")))
    roster.hear(message(1, "hi from a replay, perhaps", "carol"))
    assert roster.here() == ("dave",)
    roster.hear(Presence(name="Bob", state="online"))
    roster.hear(Presence(name="dave", state="busy"))
    assert roster.here() == ("Bob", "dave")
    roster.hear(Presence(name="DAVE", state="offline"))
    assert roster.here() == ("Bob",)
    roster.hear(WhoReply(users=(Here(name="erin", busy=True, idle_seconds=0),)))
    assert roster.here() == ("erin",)


def test_names_are_text_in_the_roster() -> None:
    roster = Roster("alice")
    roster.hear(Presence(name="b\x1b[2Job\n", state="online"))
    assert roster.names() == roster.here() == ("b[2Job",)
