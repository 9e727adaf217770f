"""Usage: how commands are typed, and the arguments in what somebody typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwire.protocol import CommandHelp, Parameter, ParameterKind
from chatwire.usage import UsageError, Value, near, parse_arguments, usage_lines


def declared(name: str, *parameters: tuple[str, str, ParameterKind, bool]) -> CommandHelp:
    return CommandHelp(
        name=name,
        aliases=(),
        group="talk",
        summary="",
        parameters=tuple(
            Parameter(name=wire, label=label, kind=kind, required=required)
            for wire, label, kind, required in parameters
        ),
    )


WHO = declared("who")
LAST = declared("last", ("minutes", "minutes", "number", True))
BROADCAST = declared("broadcast", ("text", "message", "words", True))
SEND = declared("send", ("to", "user", "names", True), ("text", "message", "words", True))
BUSY = declared("busy", ("reply", "reply", "words", False))
HELP = declared("help", ("command", "command", "word", False))
HISTORY = declared(
    "history",
    ("with", "user", "name", False),
    ("limit", "count", "number", False),
    ("before", "before", "number", False),
)
KICK = declared("kick", ("user", "user", "name", True), ("why", "reason", "words", False))


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (WHO, ["who"]),
        (LAST, ["last <minutes>"]),
        (BROADCAST, ["broadcast <message>"]),
        (SEND, ["send <user> <message>", "send (<user> <user> …) <message>"]),
        (BUSY, ["busy [<reply>]"]),
        (HELP, ["help [<command>]"]),
        (KICK, ["kick <user> [<reason>]"]),
    ],
)
def test_usage_shows_what_a_command_takes(command: CommandHelp, lines: list[str]) -> None:
    assert usage_lines(command.name, command.parameters) == lines


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("brodcast", "broadcast"),
        ("boradcast", "broadcast"),
        ("SENDD", "send"),
        ("hsitory", "history"),
        ("serch", "search"),
        ("starus", "status"),
        ("bbo", "bob"),
        ("hello", None),
        ("hell", None),
        ("hi", None),
        ("well", None),
        ("send", None),  # that is it
        ("", None),
    ],
)
def test_a_slip_of_the_finger_is_near_and_another_word_is_not(
    typed: str, meant: str | None
) -> None:
    words = ["help", "hide", "tell", "broadcast", "send", "history", "search", "status", "bob"]
    assert near(typed, words) == meant


@pytest.mark.parametrize(
    ("command", "rest", "values"),
    [
        (WHO, "", {}),
        (WHO, "   ", {}),
        (LAST, "10", {"minutes": 10}),
        (LAST, " 007 ", {"minutes": 7}),
        (LAST, "999999999", {"minutes": 999_999_999}),
        (HISTORY, "20", {"limit": 20}),
        (HISTORY, "20 1234", {"limit": 20, "before": 1234}),
        (HISTORY, "bob 20 1234", {"with": "bob", "limit": 20, "before": 1234}),
        (HISTORY, "lobby", {"with": "lobby"}),
        (BROADCAST, "hi", {"text": "hi"}),
        (BROADCAST, "  hi  there ", {"text": "hi  there"}),
        (BROADCAST, "(hi)", {"text": "(hi)"}),
        (SEND, "bob hi there", {"to": ["bob"], "text": "hi there"}),
        (SEND, "bob\thi", {"to": ["bob"], "text": "hi"}),
        (SEND, "bob   hi", {"to": ["bob"], "text": "hi"}),
        (SEND, "bob a\tb", {"to": ["bob"], "text": "a\tb"}),
        (SEND, "(bob) hi", {"to": ["bob"], "text": "hi"}),
        (SEND, "(bob carol) hi", {"to": ["bob", "carol"], "text": "hi"}),
        (
            SEND,
            "( bob,carol , dave )hi (all)",
            {"to": ["bob", "carol", "dave"], "text": "hi (all)"},
        ),
        (SEND, "bob (hi)", {"to": ["bob"], "text": "(hi)"}),
        (SEND, "bob, hi", {"to": ["bob,"], "text": "hi"}),
        (BUSY, "", {}),
        (BUSY, "in a meeting", {"reply": "in a meeting"}),
        (HELP, "", {}),
        (HELP, "send", {"command": "send"}),
        (KICK, "bob", {"user": "bob"}),
        (KICK, "bob too loud", {"user": "bob", "why": "too loud"}),
    ],
)
def test_what_is_typed_becomes_arguments(
    command: CommandHelp, rest: str, values: dict[str, Value]
) -> None:
    assert parse_arguments(command, rest) == values


@pytest.mark.parametrize(
    ("command", "rest", "problem"),
    [
        (LAST, "", "<minutes> is missing."),
        (LAST, "ten", "<minutes> must be a whole number, not 'ten'."),
        (LAST, "-1", "<minutes> must be a whole number, not '-1'."),
        (LAST, "1.5", "<minutes> must be a whole number, not '1.5'."),
        (LAST, "٣", "<minutes> must be a whole number, not '٣'."),
        (LAST, "9" * 19, f"<minutes> must be a whole number, not '{'9' * 19}'."),
        (LAST, "10 20", "There is something left over: '20'."),
        (WHO, "else", "There is something left over: 'else'."),
        (WHO, "x" * 1000, f"There is something left over: '{'x' * 40}'."),
        (HELP, "send me", "There is something left over: 'me'."),
        (BROADCAST, " ", "<message> is missing."),
        (SEND, "", "<user> is missing."),
        (SEND, "bob", "<message> is missing."),
        (SEND, "(bob carol)", "<message> is missing."),
        (SEND, "(bob carol hi", "Put the names in brackets: (bob carol)."),
        (SEND, "() hi", "Put the names in brackets: (bob carol)."),
        (SEND, "( , ) hi", "Put the names in brackets: (bob carol)."),
    ],
)
def test_what_does_not_fit_is_said_with_the_usage(
    command: CommandHelp, rest: str, problem: str
) -> None:
    with pytest.raises(UsageError) as raised:
        parse_arguments(command, rest)
    usage = {
        "who": "who",
        "last": "last <minutes>",
        "help": "help [<command>]",
        "broadcast": "broadcast <message>",
        "send": "send <user> <message> or send (<user> <user> …) <message>",
    }
    assert str(raised.value) == f"{problem} Usage: {usage[command.name]}"


@given(
    st.sampled_from([WHO, LAST, BROADCAST, SEND, BUSY, HELP, KICK]),
    st.text(st.characters() | st.sampled_from("() ,\t19")),
)
def test_whatever_is_typed_is_understood_or_a_usage_error(command: CommandHelp, rest: str) -> None:
    try:
        values = parse_arguments(command, rest)
    except UsageError:
        return
    names = {each.name for each in command.parameters}
    required = {each.name for each in command.parameters if each.required}
    assert required <= set(values) <= names
