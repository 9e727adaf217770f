"""What a person types, as requests."""

import pytest
from msgspec import structs

from chatclient.talk.commandline import CommandLine, conversation_in
from chatclient.talk.conversation import Conversation
from chatclient.talk.request import Request
from chatserver.commands import all_commands
from chatwire.protocol import encode
from chatwire.usage import UsageError, Value

from .fake import COMMANDS, HISTORY

BOB = Conversation(("bob",))
BOTH = Conversation(("bob", "carol"))
LINE = CommandLine((*COMMANDS, HISTORY))
HOW_TO_TALK = (
    "To say something, type say and what it is, or talk lobby and then just type; help shows the"
    " commands."
)


@pytest.mark.parametrize(
    ("typed", "op", "fields"),
    [
        ("who", "who", {}),
        ("  who  ", "who", {}),
        ("/who", "who", {}),
        ("/WHO", "who", {}),
        ("Who", "who", {}),
        ("last 10", "last", {"minutes": 10}),
        ("broadcast hi", "broadcast", {"text": "hi"}),
        ("broadcast  two  spaces ", "broadcast", {"text": "two  spaces"}),
        ("/say hi", "broadcast", {"text": "hi"}),
        ("say /who", "broadcast", {"text": "/who"}),
        ("broadcast one\ntwo\n  three", "broadcast", {"text": "one\ntwo\n  three"}),
        ("broadcast\none\ntwo", "broadcast", {"text": "one\ntwo"}),
        ("broadcast one\r\ntwo", "broadcast", {"text": "one\ntwo"}),
        ("broadcast \x1b[31mred\udc80", "broadcast", {"text": "[31mred"}),
        ("send bob hi there", "send", {"to": ["bob"], "text": "hi there"}),
        ("/msg bob hi", "send", {"to": ["bob"], "text": "hi"}),
        ("send (bob, carol) hi", "send", {"to": ["bob", "carol"], "text": "hi"}),
        ("busy", "busy", {}),
        ("/away at lunch", "busy", {"reply": "at lunch"}),
        ("/back", "idle", {}),
        ("? send", "help", {"command": "send"}),
        ("quit", "logout", {}),
        ("exit", "logout", {}),
        ("talk bob", "talk", {"to": ["bob"]}),
        ("/join lobby", "talk", {"to": ["lobby"]}),
        ("/query (bob, carol)", "talk", {"to": ["bob", "carol"]}),
        ("talk", "talk", {}),
    ],
)
def test_a_typed_line_is_a_request(typed: str, op: str, fields: dict[str, Value]) -> None:
    assert LINE.parse(typed) == Request(op, fields)


@pytest.mark.parametrize("typed", ["", "   ", "\n", "\t", "\x1b"])
def test_an_empty_line_is_nothing(typed: str) -> None:
    assert LINE.parse(typed) is None


@pytest.mark.parametrize(
    ("typed", "conversation", "op", "fields"),
    [
        ("hi", BOB, "send", {"to": ["bob"], "text": "hi"}),
        ("who", BOB, "send", {"to": ["bob"], "text": "who"}),
        ("one\n/two", BOB, "send", {"to": ["bob"], "text": "one\n/two"}),
        ("//who", BOB, "send", {"to": ["bob"], "text": "/who"}),
        ("///", BOB, "send", {"to": ["bob"], "text": "//"}),
        ("/who", BOB, "who", {}),
        ("/SAY hi", BOB, "broadcast", {"text": "hi"}),
        ("hi", Conversation(), "broadcast", {"text": "hi"}),
        ("//hi", Conversation(), "broadcast", {"text": "/hi"}),
        # History is of the conversation in view.
        ("/history", None, "history", {}),
        ("/history", Conversation(), "history", {}),
        ("/history", BOB, "history", {"with": ["bob"]}),
        ("/history 20", BOB, "history", {"with": ["bob"], "limit": 20}),
        ("/history 20 99", BOB, "history", {"with": ["bob"], "limit": 20, "before": 99}),
        ("/history carol 20", BOB, "history", {"with": ["carol"], "limit": 20}),
        ("/history lobby", BOB, "history", {"with": ["lobby"]}),
        ("/history", BOTH, "history", {"with": ["bob", "carol"]}),
        ("/history 20", BOTH, "history", {"with": ["bob", "carol"], "limit": 20}),
        ("/history lobby", BOTH, "history", {"with": ["lobby"]}),
        ("history (bob carol)", None, "history", {"with": ["bob", "carol"]}),
        ("/history (bob, carol) 5", BOB, "history", {"with": ["bob", "carol"], "limit": 5}),
        ("history bob 5", None, "history", {"with": ["bob"], "limit": 5}),
        ("history 5", None, "history", {"limit": 5}),
    ],
)
def test_in_a_conversation_a_slash_makes_the_command(
    typed: str, conversation: Conversation | None, op: str, fields: dict[str, Value]
) -> None:
    assert LINE.parse(typed, conversation) == Request(op, fields)


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ("/leave", {"room": "ops"}),
        ("/leave web", {"room": "web"}),
        ("/leave #web", {"room": "web"}),
        ("/invite carol", {"name": "carol", "room": "ops"}),
        ("/invite carol web", {"name": "carol", "room": "web"}),
        ("/invite carol #web", {"name": "carol", "room": "web"}),
        ("/mute carol 10", {"name": "carol", "room": "ops", "minutes": 10}),
        ("/mute carol #web 10", {"name": "carol", "room": "web", "minutes": 10}),
        ("/remove carol too loud", {"name": "carol", "room": "ops", "reason": "too loud"}),
        ("/topic #web at nine", {"room": "web", "topic": "at nine"}),
        ("/topic see #web", {"room": "ops", "topic": "see #web"}),
        ("/set closed", {"room": "ops", "access": "closed"}),
        ("/create web", {"room": "web"}),
        ("/join web", {"room": "web"}),
    ],
)
def test_in_a_room_commands_are_about_that_room(typed: str, fields: dict[str, Value]) -> None:
    line = CommandLine(each.help for each in all_commands())
    request = line.parse(typed, Conversation(room="ops"))
    assert request is not None
    assert request.fields == fields


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("/topic", "<topic> is missing. Usage: topic <topic>"),
        ("/invite #web carol", "'#web' is a room, not somebody. Usage: invite <user>"),
        ("/mute bob #web", "<minutes> is missing. Usage: mute <user> #<room> <minutes>"),
    ],
)
def test_in_a_room_what_is_wrong_is_said_of_the_short_form(typed: str, sentence: str) -> None:
    line = CommandLine(each.help for each in all_commands())
    with pytest.raises(UsageError) as caught:
        line.parse(typed, Conversation(room="ops"))
    assert str(caught.value) == sentence


@pytest.mark.parametrize("conversation", [None, BOB])
def test_elsewhere_the_room_is_to_be_named(conversation: Conversation | None) -> None:
    line = CommandLine(each.help for each in all_commands())
    with pytest.raises(UsageError, match=r"^<room> is missing\. Usage: leave #<room>$"):
        line.parse("/leave", conversation)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("brodcast hi", "There is no command 'brodcast': did you mean broadcast?"),
        ("/BRODCAST hi", "There is no command '/BRODCAST': did you mean broadcast?"),
        ("xyzzy", f"There is no command 'xyzzy'. {HOW_TO_TALK}"),
        ("hello everybody", f"There is no command 'hello'. {HOW_TO_TALK}"),
        ("Hi", f"There is no command 'Hi'. {HOW_TO_TALK}"),
        ("hidd in the garden", f"There is no command 'hidd'. {HOW_TO_TALK}"),
        ("whoo", "There is no command 'whoo': did you mean who?"),
        ("sedn", "There is no command 'sedn': did you mean send?"),
        ("/", "There is no command '/': type help for the commands."),
        ("x" * 200, f"There is no command '{'x' * 40}'. {HOW_TO_TALK}"),
        ("send bob", "<message> is missing. Usage: send <user> <message> or send"),
        ("last soon", "<minutes> must be a whole number, not 'soon'. Usage: last <minutes>"),
        ("who\nlast 5", "There is something left over: 'last 5'. Usage: who"),
        ("who is there", "There is something left over: 'is there'. Usage: who"),
        ("//hi", "Nobody is chosen to say that to: first type talk and a name."),
        # In a conversation it is not said either.
        ("/xyzzy", "There is no command '/xyzzy': type /help for the commands. Begin"),
        ("/brodcast hi", "There is no command '/brodcast': did you mean /broadcast? Begin with //"),
    ],
)
def test_what_fits_no_command_is_explained(typed: str, sentence: str) -> None:
    conversation = BOB if "Begin" in sentence else None
    with pytest.raises(UsageError) as caught:
        LINE.parse(typed, conversation)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "conversation"),
    [
        ("talk", None),
        ("talk Lobby", Conversation()),
        ("talk bob", BOB),
        ("talk (bob carol bob)", Conversation(("bob", "carol"))),
        ("talk (bob lobby)", Conversation(("bob", "lobby"))),  # the server knows nobody of the name
    ],
)
def test_whom_talk_chooses(typed: str, conversation: Conversation | None) -> None:
    request = LINE.parse(typed)
    assert request is not None
    assert conversation_in(request) == conversation


def test_what_the_server_declares_comes_before_old_habits() -> None:
    [who] = (structs.replace(each, aliases=()) for each in COMMANDS if each.name == "who")
    line = CommandLine([who])
    assert line.find("names") is who
    assert line.find("msg") is None  # there is no send to stand for


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("history (bob carol)", [("bob", "carol"), 50]),
        ("history (bob carol) 5", [("bob", "carol"), 5]),
        ("history bob 5", [("bob",), 5]),
        ("history 5", [None, 5]),
    ],
)
def test_what_is_typed_by_the_servers_help_is_what_the_server_reads(
    typed: str, values: list[object]
) -> None:
    registry = all_commands()
    request = CommandLine(each.help for each in registry if each.summary).parse(typed)
    assert request is not None
    command = registry.get(request.op)
    assert command is not None
    arguments = command.decoder.decode(encode({"op": request.op, **request.fields}))
    assert command.values(arguments)[:2] == values
