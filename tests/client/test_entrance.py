"""Logging in: wrong passwords, busy servers, slow typists."""

import getpass

import pytest

from chatclient.errors import LinkLost, Refused
from chatclient.link.connection import Connection
from chatclient.setup.credentials import AskedCredentials
from chatclient.setup.entrance import Entry, enter, name_and_password, refusal_line
from chatwire.events import Bye, Error
from chatwire.replies import Reply

from .fake import DEADLINE, FakeServer, Link, greeted


class Person:
    """Answers questions from lists; what is left over at the end was never asked for."""

    def __init__(self, names: list[str], passwords: list[str], tries: int = 9) -> None:
        self.names = names
        self.passwords = passwords
        self.tries = tries
        self.heard: list[str] = []

    def name(self) -> str:
        return self.names.pop(0)

    def password(self, name: str) -> str:
        return self.passwords.pop(0)

    def answered(self) -> None:
        pass

    def refused(self, refusal: Refused) -> bool:
        self.heard.append(refusal.text)
        self.tries -= 1
        return self.tries > 0

    def accepted(self, name: str, password: str) -> None:
        self.let_in = (name, password)

    def say(self, text: str) -> None:
        self.heard.append(text)


def come_in(server: FakeServer, person: Person) -> Entry:
    return enter(server.connect, person, person.say)


def wrong(link: Link, left: int) -> None:
    link.answer("login", Error(code="bad_credentials", text="Wrong.", attempts_left=left))


def test_a_wrong_password_can_be_put_right() -> None:
    def play(link: Link) -> None:
        wrong(link, 2)
        wrong(link, 1)
        link.take_login("Alice")

    person = Person(["a", "b", "alice"], ["1", "2", "3"])
    with FakeServer(greeted(play)) as server:
        entry = come_in(server, person)
        entry.connection.close()
    assert entry.welcome.name == "Alice"
    assert entry.commands.find("/SAY") is not None
    assert person.let_in == ("Alice", "3")
    assert (person.names, person.passwords, person.heard) == ([], [], ["Wrong.", "Wrong."])


@pytest.mark.parametrize("wrong_ones", [3, 0], ids=["the third wrong one", "a block"])
def test_who_is_not_let_in_is_not_asked_again(wrong_ones: int) -> None:
    def play(link: Link) -> None:
        for left in reversed(range(wrong_ones)):
            wrong(link, left)
        if not wrong_ones:
            link.answer("login", Error(code="locked_out", text="Blocked.", retry_after=55))
        else:
            link.send(Bye(code="locked_out", text="Blocked."))

    person = Person(["alice"] * 4, ["x"] * 4)
    with FakeServer(greeted(play)) as server, pytest.raises(Refused) as caught:
        come_in(server, person)
    assert caught.value.retry_after == (None if wrong_ones else 55)
    assert len(person.passwords) == (1 if wrong_ones else 3)


def test_a_server_that_is_too_busy_is_tried_again() -> None:
    def play(link: Link) -> None:
        for _ in range(2):
            link.answer("login", Error(code="try_later", text="Busy.", retry_after=0))
        link.take_login()

    person = Person(["alice"], ["x"])
    with FakeServer(greeted(play)) as server:
        come_in(server, person).connection.close()
    assert person.heard == ["Busy. (try again in 0 s)"] * 2


def test_who_types_too_slowly_comes_in_all_the_same() -> None:
    def expired(link: Link) -> None:
        link.greet()
        link.send(Bye(code="login_timeout", text="Nobody logged in for 30 seconds."))
        link.until_closed()

    class SlowPerson(Person):
        def password(self, name: str) -> str:
            assert isinstance(opened[0].next_event(DEADLINE), Bye)
            with pytest.raises(LinkLost):
                opened[0].next_event(DEADLINE)
            return super().password(name)

    opened: list[Connection] = []
    with FakeServer(expired, greeted(Link.take_login)) as server:

        def open_connection() -> Connection:
            opened.append(server.connect())
            return opened[-1]

        entry = enter(open_connection, SlowPerson(["alice"], ["x"]), print)
        assert entry.connection is opened[1]
        entry.connection.close()


def test_a_server_without_help_is_not_understood() -> None:
    def play(link: Link) -> None:
        link.welcome()
        link.answer("help", Reply(op="nothing"))

    with FakeServer(greeted(play)) as server, pytest.raises(LinkLost):
        come_in(server, Person(["alice"], ["x"]))


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (Refused("No.", "x"), "No."),
        (Refused("No.", "x", attempts_left=2), "No. (2 tries left)"),
        (Refused("No.", "x", attempts_left=1), "No. (1 try left)"),
        (Refused("No; 2 tries left.", "x", attempts_left=2), "No; 2 tries left."),
        (Refused("No.", "x", retry_after=60), "No. (try again in 60 s)"),
        (Refused("No, for 60 s.", "x", retry_after=60), "No, for 60 s."),
    ],
)
def test_a_refusal_in_words(refusal: Refused, line: str) -> None:
    assert refusal_line(refusal) == line


def test_questions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["", "a b", " alice ", "bob"]
    secrets = ["", "s1"]
    asked: list[str] = []

    def getpass_instead(question: str) -> str:
        asked.append(question)
        return secrets.pop(0)

    monkeypatch.setattr(getpass, "getpass", getpass_instead)
    credentials = AskedCredentials(None, lambda: typed.pop(0))
    assert credentials.name() == "alice"  # after nothing, and after what cannot be a name
    assert "That cannot be a name" in capsys.readouterr().err
    assert credentials.password("alice") == "s1"  # an empty one is not sent
    assert asked == ["Password for alice: "] * 2
    assert credentials.refused(Refused("Wrong.", "bad_credentials", attempts_left=2))
    assert capsys.readouterr().err == "Wrong. (2 tries left)\n"
    assert credentials.name() == "alice"  # not asked for again
    secrets[:] = ["", "", "s2"]
    assert name_and_password(credentials) == ("bob", "s2")  # Enter alone: another name
    assert asked[2:] == [
        "Password for alice (Enter alone: another name): ",
        "Password for bob: ",
        "Password for bob: ",
    ]
    assert AskedCredentials("carol", typed.pop).name() == "carol"  # given: never asked for
