"""How far something is, on a terminal and in a log."""

import sys

import pytest

from chatserver.cli import progress
from chatserver.cli.progress import Progress


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_QUICK_SECONDS", 0.0)


def show(what: str, *reports: tuple[int, int]) -> None:
    shown = Progress(what)
    for report in reports:
        shown(*report)
    shown.finish()


@pytest.mark.parametrize("quick", [False, True])
def test_a_terminal_has_one_line_unless_it_is_quick(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    if quick:
        monkeypatch.setattr(progress, "_QUICK_SECONDS", 1e9)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show("chat.db", (0, 4), (1, 4), (1, 4), (4, 4))
    lines = "".join(
        f"\rchat.db [{'#' * done}{'-' * (40 - done)}] {percent:3d} %"
        for done, percent in ((0, 0), (10, 25), (40, 100))
    )
    assert capsys.readouterr().err == ("" if quick else f"{lines}\n")


def test_a_log_has_a_line_at_the_beginning_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show("chat.db", (0, 4), (1, 4), (4, 4))
    first, last = capsys.readouterr().err.splitlines()
    assert first == "chat.db …"
    assert last.startswith("chat.db: done in ")


@pytest.mark.parametrize(("what", "reports"), [("chat.db", ()), ("", ((0, 4), (4, 4)))])
def test_a_log_has_nothing_where_there_is_nothing_to_say(
    capsys: pytest.CaptureFixture[str], what: str, reports: tuple[tuple[int, int], ...]
) -> None:
    show(what, *reports)
    assert capsys.readouterr().err == ""
