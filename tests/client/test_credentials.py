"""Passwords from the keyring: found, missing, wrong, and without any keyring."""

import getpass
import sys
from types import SimpleNamespace

import pytest

from chatclient.errors import Refused
from chatclient.setup.credentials import (
    AskedCredentials,
    GivenCredentials,
    KeyringCredentials,
    NoPassword,
    find_credentials,
    question_of_trust,
)
from chatclient.setup.destination import Destination

WRONG = Refused("Wrong.", "bad_credentials", attempts_left=2)
HOME = Destination("h.example", 4200, "Ann", keyring=True)


class Keyring(SimpleNamespace):
    """A keyring in memory; `broken` is what it raises."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.broken: Exception | None = None

    def get_password(self, service: str, name: str) -> str | None:
        if self.broken is not None:
            raise self.broken
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        if self.broken is not None:
            raise self.broken
        self.kept[service, name] = password


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    made = Keyring()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


@pytest.fixture
def _person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatclient.setup.credentials.is_person", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _question: "typed")


def test_what_is_in_the_keyring_is_taken(keyring: Keyring) -> None:
    keyring.kept["chat h.example:4200", "ann"] = "kept"
    credentials = find_credentials(HOME, {}, None)
    assert (credentials.name(), credentials.password("ANN")) == ("Ann", "kept")
    credentials.accepted("Ann", "kept")
    assert not credentials.refused(WRONG)  # and nobody to ask for another


@pytest.mark.usefixtures("_person")
def test_what_it_lacks_a_person_is_asked_for_once(
    keyring: Keyring, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = find_credentials(HOME, {}, str)
    assert credentials.password("Ann") == "typed"
    assert keyring.kept == {}  # not before it was right
    credentials.accepted("Ann", "typed")
    assert keyring.kept == {("chat h.example:4200", "ann"): "typed"}
    assert capsys.readouterr().err == "The password is in the keyring now.\n"


@pytest.mark.usefixtures("_person")
def test_a_wrong_one_is_replaced(keyring: Keyring, capsys: pytest.CaptureFixture[str]) -> None:
    keyring.kept["chat h.example:4200", "ann"] = "old"
    credentials = find_credentials(HOME, {}, str)
    assert credentials.password("Ann") == "old"
    assert credentials.refused(WRONG)
    assert credentials.password("Ann") == "typed"
    keyring.broken = RuntimeError("locked\nand more")
    credentials.accepted("Ann", "typed")
    assert "could not be put into the keyring (locked)" in capsys.readouterr().err


def test_for_a_script_it_is_an_error_that_says_what_to_do(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoPassword, match="no password for Ann: log in once"):
        find_credentials(HOME, {}, None).password("Ann")
    keyring.broken = RuntimeError("")
    with pytest.raises(NoPassword, match=r"cannot be read \(RuntimeError\): unlock it"):
        find_credentials(HOME, {}, None).password("Ann")
    monkeypatch.setitem(sys.modules, "keyring", None)  # as if it was not installed
    with pytest.raises(NoPassword, match=r"not installed: run pip install 'commonroom\[keyring\]'"):
        find_credentials(HOME, {}, None).password("Ann")


@pytest.mark.usefixtures("_person")
@pytest.mark.parametrize("installed", [True, False])
def test_a_person_is_asked_where_there_is_no_keyring(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    keyring.broken = RuntimeError("locked")
    if not installed:
        monkeypatch.setitem(sys.modules, "keyring", None)
    credentials = find_credentials(HOME, {}, str)
    assert credentials.password("Ann") == "typed"
    credentials.accepted("Ann", "typed")


@pytest.mark.usefixtures("_person")
def test_only_yes_and_no_answer_the_question_of_trust() -> None:
    answers = ["", "yep", "maybe", " YES ", "what?", "n"]
    ask = question_of_trust(lambda: answers.pop(0))
    assert ask is not None
    assert ask("Trust it? ")
    assert not ask("Trust it? ")
    assert answers == []


def test_the_environment_comes_before_the_keyring(keyring: Keyring) -> None:
    keyring.broken = RuntimeError("not to be looked at")
    credentials = find_credentials(HOME, {"CHAT_PASSWORD": "given"}, None)
    assert credentials.password("Ann") == "given"


@pytest.mark.usefixtures("_person")
def test_a_password_from_the_environment_is_tried_before_a_question() -> None:
    credentials = find_credentials(Destination("h", 1), {"CHAT_PASSWORD": "given"}, lambda: "ann")
    assert (credentials.name(), credentials.password("ann")) == ("ann", "given")
    assert credentials.refused(WRONG)
    assert credentials.password("ann") == "typed"


def test_who_asks_and_who_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    here, somebody = Destination("h", 1), Destination("h", 1, "ann")
    with pytest.raises(NoPassword, match="no name to log in with"):
        find_credentials(here, {"CHAT_PASSWORD": "x"}, None)
    with pytest.raises(NoPassword, match="no password for ann"):
        find_credentials(somebody, {}, None)
    with pytest.raises(NoPassword, match="no name"):
        KeyringCredentials(None, None, "s").name()
    assert isinstance(find_credentials(here, {}, str), GivenCredentials)
    monkeypatch.setattr("chatclient.setup.credentials.is_person", lambda: True)
    assert isinstance(find_credentials(here, {}, str), AskedCredentials)
