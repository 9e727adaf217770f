"""The registry: a signature is the declaration, and the dispatcher alone enforces it."""

import logging
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chatserver.commands import all_commands
from chatserver.commands.context import Context
from chatserver.commands.dispatcher import dispatch
from chatserver.commands.registry import (
    Command,
    Key,
    Minutes,
    Names,
    Registry,
    ReplyWords,
    Words,
    command,
)
from chatserver.dialects.text import TextRequest
from chatserver.errors import CommandError, Disconnected
from chatserver.net.ratelimit import TokenBucket
from chatwire.events import Error, Event
from chatwire.names import is_name
from chatwire.protocol import encode
from chatwire.replies import Parameter, Reply
from chatwire.usage import usage_lines

from .fakes import FakeClock, Server, raising, request


def made(
    action: Callable[[Context], Reply | None] = lambda _: Reply(op="act"), **options: object
) -> Command:
    """Return a command called `act` that does `action`."""

    def act(context: Context) -> Reply | None:
        return action(context)

    return command("talk", "Act.", **options)(act)  # type: ignore[arg-type]


@command("talk", "Shout.", aliases=("yell", "cry"), cost=2.0)
def shout(_: Context, to: Names, text: Words, key: Key = None) -> Reply | None:
    """Shout."""
    return Reply(op=f"shout {to} {text} {key}")


@command("people", "Wait.")
def wait(_: Context, minutes: Minutes, reply: ReplyWords = None) -> Reply | None:
    """Wait."""
    return Reply(op=f"wait {minutes} {reply}")


class Desk:
    """A registry of one command and a client that uses it."""

    def __init__(self, server: Server, *commands: Command, logged_in: bool = True) -> None:
        self.clock = FakeClock()
        self.client, self.context = server.arriving("alice")
        self.context.session = self.client.session if logged_in else None
        self.connection = self.client.connection
        self.context.registry = Registry(*commands)
        self.context.bucket = TokenBucket(1, 3, self.clock)
        self.waited: list[float] = []
        self.connection.rest = self.waited.append  # type: ignore[method-assign]

    def use(self, op: str = "act", times: int = 1, **fields: object) -> Event | None:
        """Use a command so many times; return the last answer."""
        for _ in range(times):
            event = dispatch(self.context, request(op, 7, **fields))
        return event

    def code(self, op: str = "act", **fields: Any) -> str:
        event = self.use(op, **fields)
        assert isinstance(event, Error)
        return event.code


# -- declarations --


def test_the_signature_is_the_usage_but_for_what_exists_on_the_wire_only() -> None:
    assert shout.name == "shout"
    assert shout.help.parameters == (
        Parameter(name="to", label="user", kind="names", required=True),
        Parameter(name="text", label="message", kind="words", required=True),
    )
    assert {"to", "text", "key"} < {*shout.arguments.__struct_fields__}
    assert usage_lines("wait", wait.help.parameters) == ["wait <minutes> [<reply>]"]


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"to": ["bob"], "text": "hi"}, [("bob",), "hi", None]),
        ({"text": "hi", "to": ["bob", "carol"], "key": "k"}, [("bob", "carol"), "hi", "k"]),
        ({"to": ["bob"], "text": "", "key": None}, [("bob",), "", None]),
    ],
)
def test_the_signature_checks_what_comes_as_json(
    fields: dict[str, object], values: list[object]
) -> None:
    arguments = request("shout", 1, **fields).arguments(shout)
    assert shout.values(arguments) == values


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": "hi"}, "shout: to is missing."),
        ({"to": ["bob"], "text": 3}, "shout: text must be text, not a whole number."),
        ({"to": "bob", "text": "hi"}, "shout: to must be a list, not text."),
        ({"to": ["bob", 3], "text": "hi"}, "shout: to[1] must be text, not a whole number."),
        ({"to": [], "text": "hi"}, "shout: to must not be empty."),
        ({"to": [""], "text": "hi"}, "shout: to[0] must not be empty."),
        ({"to": ["x"] * 101, "text": "hi"}, "shout: to must be at most 100 long."),
        ({"to": ["bob"], "text": "hi", "kye": "k"}, "shout: there is no field 'kye'."),
        (
            {"to": ["bob"], "text": "hi", "key": "x" * 65},
            "shout: key must be at most 64 characters long.",
        ),
        ({"to": ["bob"], "text": "hi", "key": ""}, "shout: key must not be empty."),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(CommandError) as raised:
        request("shout", 1, **fields).arguments(shout)
    assert (raised.value.code, raised.value.text) == ("bad_request", problem)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("0", "wait: minutes must be at least 1."),
        ("99999999", "wait: minutes must be at most 5256000."),
        ("soon", "<minutes> must be a whole number, not 'soon'. Usage: wait <minutes> [<reply>]"),
        ("", "<minutes> is missing. Usage: wait <minutes> [<reply>]"),
    ],
)
def test_both_dialects_are_checked_alike(typed: str, problem: str) -> None:
    with pytest.raises(CommandError) as raised:
        TextRequest("wait", typed).arguments(wait)
    assert (raised.value.code, raised.value.text) == ("bad_request", problem)


# -- look-up --


def test_a_name_that_is_taken_is_refused() -> None:
    @command("people", "", aliases=("cry",))
    def weep(_: Context) -> Reply | None:
        """Weep."""

    with pytest.raises(ValueError, match="cry is registered twice"):
        Registry(shout, weep)
    with pytest.raises(ValueError, match="shout is registered twice"):
        Registry(shout, shout)


def test_people_may_use_aliases_and_capitals_and_programs_may_not() -> None:
    registry = Registry(shout, wait)
    assert list(registry) == [shout, wait]
    assert registry.typed("YELL") is registry.typed("shout") is registry.get("shout") is shout
    assert registry.get("yell") is registry.get("SHOUT") is registry.typed("whisper") is None


def test_what_was_probably_meant_is_suggested() -> None:
    registry = all_commands()
    assert registry.suggestion("brodcast") == " Did you mean broadcast?"
    assert registry.suggestion("WHOO") == " Did you mean who?"
    talk = " To say something, type say and what it is; type help to see the commands."
    assert registry.suggestion("pong") == talk  # not for people


@pytest.mark.parametrize(
    "said", ["hello", "hi", "hey", "Hell", "why", "well", "xyzzy", "x" * 60_000, "", "\u4f60\u597d"]
)
def test_what_is_plainly_talk_is_told_how_to_talk(said: str) -> None:
    talk = " To say something, type say and what it is; type help to see the commands."
    assert all_commands().suggestion(said) == talk


def test_the_server_declares_its_commands_well() -> None:
    for each in all_commands():
        assert is_name(each.name)
        assert each.help.name == each.name
        assert each.handler.__doc__
        assert re.fullmatch(r"|[A-Z].{,60}\.", each.summary)
        assert each.cost > 0
        for word in each.aliases:
            assert word == word.lower()
        kinds = [parameter.kind for parameter in each.help.parameters]
        assert "words" not in kinds[:-1]  # it takes the rest of the line
        assert all(parameter.label for parameter in each.help.parameters)
        assert "password" not in [parameter.name for parameter in each.help.parameters]
        assert msgspec.json.decode(encode(each.help))["name"] == each.name


# -- dispatch --


@pytest.mark.parametrize("answer", [Reply(op="act"), None])
def test_an_answer_is_what_the_command_returns(server: Server, answer: Reply | None) -> None:
    assert Desk(server, made(lambda _: answer)).use() == answer


def test_an_unknown_command_says_what_there_is(server: Server) -> None:
    event = Desk(server, made()).use("acct")
    assert event == Error(
        code="unknown_command", text="There is no command 'acct'. Did you mean act?"
    )


@pytest.mark.parametrize(
    ("when", "logged_in", "code"),
    [
        ("after login", True, None),
        ("after login", False, "not_logged_in"),
        ("before login", False, None),
        ("before login", True, "already_logged_in"),
        ("always", True, None),
        ("always", False, None),
    ],
)
def test_a_command_has_its_time(
    server: Server, when: str, logged_in: bool, code: str | None
) -> None:
    event = Desk(server, made(when=when), logged_in=logged_in).use()
    assert (event.code if isinstance(event, Error) else None) == code


def test_the_order_is_look_up_state_arguments_and_then_the_command(server: Server) -> None:
    ran: list[str] = []
    desk = Desk(server, made(lambda _: ran.append("act")), logged_in=False)
    assert desk.code("none", nonsense=1) == "unknown_command"
    assert desk.code("act", nonsense=1) == "not_logged_in"
    desk.context.session = desk.client.session
    assert desk.code("act", nonsense=1) == "bad_request"
    assert ran == []
    assert desk.use() is None
    assert ran == ["act"]


def test_over_its_rate_a_client_waits_before_its_command_is_carried_out(server: Server) -> None:
    waits_before: list[int] = []
    desk = Desk(server, made(lambda _: waits_before.append(len(desk.waited))))
    desk.use(times=5)
    assert desk.waited == [1.0, 2.0]
    assert waits_before == [0, 0, 0, 1, 2]


def test_a_command_may_cost_more(server: Server) -> None:
    desk = Desk(server, made(cost=3.0))
    desk.use(times=2)
    assert desk.waited == [3.0]


NOT_NOW = CommandError("try_later", "Not now.", retry_after=3)


@pytest.mark.parametrize(
    ("action", "op", "fields"),
    [
        (Reply, "none", {}),
        (Reply, "act", {"nonsense": 1}),
        (raising(NOT_NOW), "act", {}),
        (raising(RuntimeError("a bug")), "act", {}),
    ],
    ids=["no command", "nonsense", "refused", "bug"],
)
def test_what_comes_to_nothing_costs_what_was_asked_for_once(
    server: Server, action: Any, op: str, fields: dict[str, Any]
) -> None:
    desk = Desk(server, made(action))
    desk.use(op, times=4, **fields)
    assert desk.waited == [1.0]


def test_a_refusal_is_the_answer(server: Server) -> None:
    event = Desk(server, made(raising(NOT_NOW))).use()
    assert event == Error(code="try_later", text="Not now.", retry_after=3)


def test_a_bug_is_logged_and_tells_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    fail = raising(RuntimeError("the secret of the server"))
    with caplog.at_level(logging.ERROR):
        event = Desk(server, made(fail)).use()
    assert isinstance(event, Error)
    assert event.code == "internal"
    assert "secret" not in event.text
    assert "the secret of the server" in caplog.text
    assert "the command act failed" in caplog.text


def test_a_client_that_is_gone_is_no_bug(server: Server) -> None:
    with pytest.raises(Disconnected):
        Desk(server, made(raising(Disconnected("gone")))).use()


@pytest.mark.parametrize(
    ("activity", "fields", "touched"),
    [(True, {}, True), (False, {}, False), (True, {"nonsense": 1}, False)],
)
def test_only_a_command_that_is_carried_out_is_activity(
    server: Server, activity: bool, fields: dict[str, Any], touched: bool
) -> None:
    desk = Desk(server, made(activity=activity))
    desk.connection.last_command = 0.0
    desk.use(**fields)
    assert (desk.connection.last_command > 0) == touched


@pytest.mark.parametrize("word", ["brodcast" + "t" * 65_000, "x" * 33])
def test_a_long_word_is_compared_with_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.delattr("difflib.get_close_matches")
    _, context = server.arriving()
    for op, arguments in (("help", {"command": word}), (word, {})):
        answer = server.ask(context, op, **arguments)
        assert answer["text"].endswith("type help to see the commands.")
