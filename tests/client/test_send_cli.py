"""How `chat send` is used, and what it takes for a message."""

import io

import click
import pytest

from chatclient.cli.send import _text, send
from chatclient.cli.tail import tail


@pytest.mark.parametrize(
    ("command", "arguments", "problem"),
    [
        (send, ("two", "words"), "unexpected extra argument"),
        (send, ("--to", "a b", "hi"), "cannot be a name"),
        (send, ("--key", "k" * 65, "hi"), "A key has 1 to 64"),
        (send, ("--key", "", "hi"), "A key has 1 to 64"),
        (send, ("--timeout", "nan", "hi"), "not a valid integer"),
        (tail, ("-n", "1", "--since", "1"), "Choose one"),
        (tail, ("-n", "-1"), "not in the range"),
    ],
)
def test_wrong_usage(command: click.Command, arguments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        command.main(list(arguments), standalone_mode=False)
    assert problem in raised.value.format_message()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hi", "hi"),
        (b"\xef\xbb\xbf a\r\nb\n\n", " a\nb"),
        (b"\xffx\0\x1b[1m", "\ufffdx[1m"),
        (b"x" * 1_048_576, "x" * 1_048_576),
    ],
)
@pytest.mark.parametrize("argument", [None, "-"])
def test_the_input_is_the_message(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, data: bytes, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert _text(argument) == text


@pytest.mark.parametrize("data", [b"", b" \n\0\n", b"x" * 1_048_577])
def test_an_input_that_is_no_message(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    with pytest.raises(click.UsageError):
        _text(None)


def test_what_stands_on_the_command_line() -> None:
    assert _text("h\udcffi ") == "hi "  # a byte that is no UTF-8
    with pytest.raises(click.UsageError):
        _text("")
