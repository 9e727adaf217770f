"""Text that would steer a screen or forge a line: nothing of it reaches other people or the log.

What counts as such is asked of `unicodedata`, over everything that comes out of the server.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from e2e.client import Event, TextClient

from .target import Target

STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, formats (zero width, bidi), surrogates, and separators of lines and paragraphs."""

VISIBLE = {
    *(*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2),  # Arabic signs under a number
    *(0x110BD, 0x110CD),  # Kaithi signs that stand over a number
    *range(0x13430, 0x13440),  # how Egyptian hieroglyphs are stacked
}
"""Of category Cf, but not invisible: they are part of what is written in their scripts."""


def steers(character: str) -> bool:
    return unicodedata.category(character) in STEERING and ord(character) not in VISIBLE


HOSTILE = [
    each
    for each in map(chr, range(sys.maxunicode + 1))
    if steers(each)
    and each not in "\t\n"
    and unicodedata.category(each) != "Cs"  # see the test of what is no UTF-8
]

CHUNK = 40

SEQUENCES = {
    "clear the screen": "\x1b[2J\x1b[1;1H",
    "set the title": "\x1b]0;owned\x07",
    "C1 control sequence": "\x9b31m",
    "reversed": "a\u202ecba\u202c",
    "isolated": "\u2066a\u2069",
    "another line": "hi\r-- The server is shutting down.",
    "next line": "hi\x85-- The server is shutting down.",
    "line separator": "hi\u2028-- The server is shutting down.",
    "vertical tab": "hi\x0b\x0c-- The server is shutting down.",
    "no width": "b\u200bo\u200cb\ufeff",
    "joiner": "b\u200dob",
    "tags": "b\U000e0062\U000e006f\U000e0062",
    "NUL": "b\0ob",
}


def chunks() -> Iterator[str]:
    """Yield texts with every hostile character once, a letter after each."""
    for at in range(0, len(HOSTILE), CHUNK):
        yield "".join(f"{each}x" for each in HOSTILE[at : at + CHUNK])


def steering_in(text: str, allowed: str = "") -> list[str]:
    """Return what is hostile in a text."""
    return sorted({ascii(each) for each in text if steers(each) and each not in allowed})


def strings_of(value: object) -> Iterator[str]:
    """Yield every string in an event, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)


def assert_harmless(*events: Event) -> None:
    for event in events:
        for text in strings_of(event):
            assert steering_in(text, allowed="\t\n") == [], event


def assert_harmless_screen(text: str) -> None:
    assert steering_in(text, allowed="\t\n") == []


def assert_harmless_log(server: Target) -> None:
    log = server.log
    assert log.isascii()
    assert steering_in(log, allowed="\n") == []
    for each in log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) \[[\w-]+\] \S", each), each


def raw(op: str, **fields: object) -> bytes:
    """Return a request with its text as UTF-8 instead of escapes."""
    text = json.dumps({"op": op, **fields}, ensure_ascii=False)
    return text.encode() + b"\n"


def say_everything(server: Target, name: str, to: str) -> int:
    """Say every hostile thing in every way; return how many messages were taken."""
    taken = 0
    texts = [*chunks(), *SEQUENCES.values()]
    with server.json(name) as program, server.text(name) as person:
        for text in texts:
            for number in (
                program.send("broadcast", text=text),
                program.send("send", to=[to], text=text, key=text[:60]),
            ):
                answer = program.answer(number)
                taken += answer["event"] == "reply"
                assert answer["event"] == "reply" or answer["code"] in {
                    "bad_request",
                    "invalid_utf8",
                }
            program.write(raw("broadcast", text=text, id=0))
            taken += program.expect(re=0)["event"] == "reply"
            person.send(f"broadcast {without_lines(text)}")
            person.send(f"send {to} {without_lines(text)}")
        person.fence()
    return taken + 2 * len(texts)


def without_lines(text: str) -> str:
    """Return a text as the text dialect can carry it."""
    return text.replace("\n", "")


# -- what others receive --


def test_everything_said_is_harmless_live_replayed_and_looked_up(server: Target) -> None:
    eve, ann, bob, zoe = server.accounts("eve", "ann", "bob", "zoe")
    for name in (bob, zoe):
        server.json(name).close()
    with server.json(ann) as program, server.text(ann) as person:
        taken = say_everything(server, eve, ann)
        messages = [each for each in program.fence() if each["event"] == "message"]
        assert len(messages) >= 0.8 * taken
        assert sum("xxxxxxxxxx" in each["text"] for each in messages) > 10
        assert_harmless(*messages)
        assert_harmless_screen("\n".join(person.fence()))
        assert_harmless(program.ask("history", **{"with": eve, "limit": 100}))
    with server.json(bob) as program:
        assert_harmless(*program.fence())
        assert_harmless(program.ask("history", limit=100))
        assert_harmless(program.ask("search", query="x*", limit=50))
    with server.text(zoe) as person:
        shown = person.fence()
        assert len(shown) > 40
        assert_harmless_screen("\n".join(shown))
    assert_harmless_log(server)


def test_every_busy_reply_is_harmless(server: Target) -> None:
    eve, ann = server.accounts("eve", "ann")
    with server.json(eve) as busy, server.json(ann) as program, server.text(ann) as person:
        for text in [*chunks(), *SEQUENCES.values()]:
            busy.request("busy", reply=text[:200])
            assert_harmless(program.tell(eve, "there?"), program.ask("broadcast", text="hello"))
            person.send(f"send {eve} there?")
            assert_harmless_screen(person.line("will see it later"))
            assert_harmless(busy.ask("status"))
        reply = program.tell(eve, "there?")["busy"][eve]
        assert reply == "bob", "nothing but the NUL has gone from the last of them"
        busy.ask("busy", reply="one\ntwo\tthree")
        assert program.tell(eve, "there?")["busy"][eve] == "one two three"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n\t", "\n\u2028", "\n\x1b[1G"])
def test_no_line_of_a_message_passes_for_somebody_elses(server: Target, end: str) -> None:
    eve, ann = server.accounts("eve", "ann")
    forged = end.join(["hi", "-- The server is shutting down.", "bob: I owe you a beer", "x"])
    with server.json(eve) as sender:
        server.json(ann).close()
        with server.text(ann) as reader:
            sender.say(forged)
            sender.tell(ann, forged)
            lines = reader.fence()
            reader.ask("logout")
            reader.to_end()
        sender.say(forged)
        sender.tell(ann, forged)
        with server.text(ann) as reader:
            lines += reader.fence()
            reader.send("history 2")
            lines += reader.expect("-- That is all.\n").splitlines()
    names = re.compile(rf"(\[[\d: UTC-]+\] )?{eve}( → you)?: hi")
    assert len([each for each in lines if names.fullmatch(each)]) == 6
    for each in lines:
        assert names.fullmatch(each) or each.startswith("    ") or is_said_by_the_server(each), each
    assert not [each for each in lines if each.startswith(("-- The server is", "bob:"))]


def is_said_by_the_server(text: str) -> bool:
    return text.startswith("-- ") or text == ""


# -- names, and the log --


@pytest.mark.parametrize("text", [*SEQUENCES.values(), "x\n2026-11-22 15:24:02,1 INFO [log] x"])
def test_name_at_the_login_cannot_write_into_the_log(server: Target, text: str) -> None:
    with server.json() as program:
        program.refused("login", name=text, password=text)
        assert_harmless(*program.events)
    with TextClient(server.place) as person:
        person.write(without_lines(text).encode() + b"\n" + text.encode() + b"\n")
        assert_harmless_screen(person.expect("Wrong name or password"))
    assert_harmless_log(server)


@pytest.mark.parametrize("text", SEQUENCES.values(), ids=SEQUENCES)
def test_names_and_words_that_are_not_known_are_harmless(server: Target, text: str) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as program, server.json(bob) as other:
        answers = [
            program.request("send", to=[text], text="hi"),
            program.request("send", to=[bob, text], text="hi"),
            program.request("history", **{"with": text}),
        ]
        assert_harmless(*answers)
        assert_harmless(*other.fence())
    assert_harmless_log(server)


def test_what_is_no_utf8_is_refused_and_harmless(server: Target) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as program, server.text(ann) as person, server.json(bob) as other:
        for damaged in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80"):
            program.write(b'{"op":"broadcast","id":0,"text":"x' + damaged + b'x"}\n')
            assert program.expect(event="error")["code"] == "invalid_utf8"
            person.write(b"broadcast x" + damaged + b"x\n")
            person.expect("not UTF-8")
        for half in (b"\\ud800", b"\\udfffx", b"\\ud800\\ud800", b"\\udc00\\ud800"):
            program.write(b'{"op":"broadcast","id":0,"text":"x' + half + b'x"}\n')
            assert program.expect(event="error")["code"] == "bad_request"
        assert not [each for each in other.fence() if each["event"] == "message"]
    assert_harmless_log(server)


@pytest.mark.parametrize("name", ["clear the screen", "C1 control sequence", "line separator"])
def test_answers_to_oneself_are_harmless_too(server: Target, name: str) -> None:
    """Somebody may have been talked into pasting it."""
    ann = server.account("ann")
    typed = SEQUENCES[name]
    with server.text(ann) as person:
        answers = [
            person.ask(f"{each}{typed}") for each in ("", "help ", "last ", "status ", "history 5 ")
        ]
        assert_harmless_screen("\n".join(answers))


@pytest.mark.parametrize("deep", [b"[", b'{"a":', b'[{"a":'])
def test_what_is_nested_ever_deeper_is_an_error_like_any_other(server: Target, deep: bytes) -> None:
    with server.guest() as client:
        for start in (b'{"op":"ping","x":', b'{"op":"send","to":', b'{"op":', b""):
            client.write(start + deep * (60_000 // len(deep)) + b"\n")
            assert client.expect(event="error")["code"] == "bad_request"
        client.ask("ping")
