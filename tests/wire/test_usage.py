"""Usage: how commands are typed, and the arguments in what somebody typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatwire.replies import CommandHelp, Parameter, ParameterKind
from chatwire.rooms import SETTINGS
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
TELL = declared("tell", ("to", "user", "place", True), ("text", "message", "words", True))
PAGES = declared(
    "pages",
    ("with", "user", "place", False),
    ("limit", "count", "number", False),
    ("before", "before", "number", False),
)
MARK = declared("mark", ("with", "user", "place", False))
MAKE = declared("make", ("room", "room", "room", True), ("access", "settings", "settings", False))
MEND = declared("mend", ("target", "number", "target", False), ("text", "message", "words", True))
REACT = declared(
    "react", ("target", "number", "target", False), ("reaction", "emoji", "reaction", True)
)
AROUND = declared(
    "around", ("target", "number", "target", True), ("limit", "count", "number", False)
)
MUTE = declared(
    "mute",
    ("name", "user", "name", True),
    ("room", "room", "room", True),
    ("minutes", "minutes", "number", True),
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
        (TELL, [f"tell {each} <message>" for each in ("<user>", "(<user> <user> …)", "#<room>")]),
        (MARK, ["mark [<user>]", "mark [(<user> <user> …)]", "mark [#<room>]"]),
        (MAKE, ["make #<room> [<settings>]"]),
        (MEND, ["mend [^<number>] <message>"]),
        (REACT, ["react [^<number>] [-]<emoji>"]),
        (AROUND, ["around ^<number> [<count>]"]),
        (MUTE, ["mute <user> #<room> <minutes>"]),
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
        (TELL, "#ops hi there", {"room": "ops", "text": "hi there"}),
        (TELL, "#OPS   #hi", {"room": "OPS", "text": "#hi"}),
        (TELL, "bob hi", {"to": ["bob"], "text": "hi"}),
        (TELL, "(bob carol) hi", {"to": ["bob", "carol"], "text": "hi"}),
        (TELL, "(#ops bob) hi", {"to": ["#ops", "bob"], "text": "hi"}),  # there is no such user
        (TELL, "# hi", {"to": ["#"], "text": "hi"}),
        (PAGES, "", {}),
        (PAGES, "20", {"limit": 20}),
        (PAGES, "#ops", {"room": "ops"}),
        (PAGES, "#5 20 1234", {"room": "5", "limit": 20, "before": 1234}),
        (PAGES, "(bob carol) 5", {"with": ["bob", "carol"], "limit": 5}),
        (MARK, "", {}),
        (MARK, "#ops", {"room": "ops"}),
        (MARK, "20", {"with": ["20"]}),  # a name may be a number, and no number could follow
        (MAKE, "#ops", {"room": "ops"}),
        (MAKE, "ops", {"room": "ops"}),
        (
            MAKE,
            "#ops Closed  announce nopast",
            {"room": "ops", "access": "closed", "speaking": "moderators", "history": "joined"},
        ),
        (
            MAKE,
            "#ops closed open everyone past",  # the last word counts
            {"room": "ops", "access": "open", "speaking": "everyone", "history": "all"},
        ),
        (MEND, "that is it", {"text": "that is it"}),
        (MEND, "^12 that is it", {"target": 12, "text": "that is it"}),
        (MEND, "12 apples", {"text": "12 apples"}),
        (MEND, "^_^", {"text": "^_^"}),
        (MEND, "^ 12", {"text": "^ 12"}),
        (MEND, "^٣ x", {"text": "^٣ x"}),
        (REACT, "👍", {"reaction": "👍"}),
        (REACT, "+1", {"reaction": "+1"}),
        (REACT, "-👍", {"reaction": "👍", "on": False}),
        (REACT, "^12 - +1", {"target": 12, "reaction": "+1", "on": False}),
        (REACT, "--1", {"reaction": "-1", "on": False}),
        (REACT, "-", {"reaction": "-"}),
        (AROUND, "^12", {"target": 12}),
        (AROUND, "12 5", {"target": 12, "limit": 5}),
        (MUTE, "bob #ops 10", {"name": "bob", "room": "ops", "minutes": 10}),
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
        (TELL, "#ops", "<message> is missing."),
        (MAKE, "", "<room> is missing."),
        (
            MAKE,
            "#ops secret",
            "'secret' is none of open, closed, announce, everyone, past, nopast.",
        ),
        (MEND, "", "<message> is missing."),
        (MEND, "^12", "<message> is missing."),
        (MEND, "^" + "9" * 19 + " x", f"<number> must be a whole number, not '{'9' * 19}'."),
        (AROUND, "", "<number> is missing."),
        (AROUND, "^x", "<number> must be a whole number, not 'x'."),
        (MUTE, "#ops bob 10", "'#ops' is a room, not somebody."),
        (MUTE, "bob #ops soon", "<minutes> must be a whole number, not 'soon'."),
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
        "tell": " or ".join(usage_lines("tell", TELL.parameters)),
        "make": "make #<room> [<settings>]",
        "mend": "mend [^<number>] <message>",
        "around": "around ^<number> [<count>]",
        "mute": "mute <user> #<room> <minutes>",
    }
    assert str(raised.value) == f"{problem} Usage: {usage[command.name]}"


@given(
    st.sampled_from(
        [WHO, LAST, BROADCAST, SEND, BUSY, HELP, KICK, TELL, PAGES, MAKE, MEND, AROUND, MUTE]
    ),
    st.text(st.characters() | st.sampled_from("() ,\t19#^")),
)
def test_whatever_is_typed_is_understood_or_a_usage_error(command: CommandHelp, rest: str) -> None:
    try:
        values = parse_arguments(command, rest)
    except UsageError:
        return
    kinds = {each.kind for each in command.parameters}
    names = {each.name for each in command.parameters}
    required = {each.name for each in command.parameters if each.required}
    if "place" in kinds:
        names.add("room")
        required -= {"to"}
        assert command is PAGES or ("to" in values) != ("room" in values)
    if "settings" in kinds:
        names |= {field for field, _ in SETTINGS.values()}
    assert required <= set(values) <= names
