"""A command of one's own: what it is given, and that it is one, short, and harmless."""

import asyncio
import sys
from pathlib import Path

import pytest

from chatclient.faces import hook as hooks
from chatclient.faces.hook import Hook

COPY = "import sys, os; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read())"
SHOW = "import sys, os; sys.stdin.read(); open(sys.argv[1], 'w').write(repr(dict(os.environ)))"
SLEEP = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(60)"


async def finished(hook: Hook) -> None:
    assert hook._work is not None
    await hook._work


def told(program: str, file: Path, *texts: str) -> list[str]:
    """Run a hook for each text; return what was complained of."""
    complaints: list[str] = []

    async def tell() -> None:
        hook = Hook([sys.executable, "-S", "-c", program, str(file)], complaints.append)
        for text in texts:
            hook.tell(text)
        await finished(hook)

    asyncio.run(tell())
    return complaints


def test_it_has_the_words_on_standard_input_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_PASSWORD", "secret")
    hostile = "bob → you: $(touch /tmp/x); `id` \"'\n"
    assert told(COPY, tmp_path / "heard", hostile, "second\n") == []
    assert (tmp_path / "heard").read_text("utf-8") == f"{hostile}second\n"
    told(SHOW, tmp_path / "shown", hostile)
    assert "secret" not in (tmp_path / "shown").read_text("utf-8")


def test_a_flood_is_left_out_and_a_long_text_is_cut(tmp_path: Path) -> None:
    told(COPY, tmp_path / "heard", *(f"{number}\n" for number in range(100)))
    assert len((tmp_path / "heard").read_text("utf-8").splitlines()) == hooks._MOST_WAITING
    told(COPY, tmp_path / "long", "x" * 100_000)
    assert (tmp_path / "long").stat().st_size == hooks._MOST_CHARACTERS


def test_one_that_hangs_is_killed_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_SECONDS", 0.5)
    complaints = told(SLEEP, tmp_path / "runs", "one", "two")
    assert complaints == ["Your hook was killed: it took more than 0.5 seconds."]


def test_the_end_waits_for_none(tmp_path: Path) -> None:
    async def leave() -> None:
        hook = Hook([sys.executable, "-S", "-c", SLEEP, str(tmp_path / "runs")], print)
        await hook.stop()  # nothing runs
        hook.tell("one")
        await asyncio.sleep(0)
        await hook.stop()
        assert hook._work is not None
        assert hook._work.done()

    asyncio.run(leave())


def test_one_that_cannot_be_run_is_a_sentence() -> None:
    complaints: list[str] = []

    async def tell() -> None:
        hook = Hook(["/no/such/program"], complaints.append)
        hook.tell("one")
        hook.tell("two")
        await finished(hook)
        Hook([], complaints.append).tell("nothing is set")

    asyncio.run(tell())
    assert complaints == ["Your hook cannot be run (/no/such/program): No such file or directory."]
