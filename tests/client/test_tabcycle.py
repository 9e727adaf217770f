"""Tab at a line."""

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.document import Document

from chatclient.screen.tabcycle import TabCycle

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
