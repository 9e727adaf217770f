"""The client in a pipe, as a process: name and password from anywhere, and an exit code."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess

import pytest

from chatwire.events import Error

from .fake import DEADLINE, FakeServer, Link, at_home, greeted, message
from .process import CLEAN_ENVIRON, run, unstamped


def connect(port: int, typed: str, *options: str, **environ: str) -> "CompletedProcess[str]":
    return run("chatclient", "127.0.0.1", str(port), *options, typed=typed, **environ)


def refuse(link: Link) -> None:
    link.greet()
    login = link.answer("login", Error(code="bad_credentials", text="Wrong.", attempts_left=2))
    assert (login["name"], login["password"]) == ("alice", "secret")
    assert link.until_closed() == b""  # one try only


@pytest.mark.parametrize(
    ("typed", "options", "environ"),
    [
        ("alice\nsecret\n", (), {}),
        ("secret\n", ("--user", "alice"), {}),
        ("secret\n", (), {"CHAT_USER": "alice"}),
        ("alice\n", (), {"CHAT_PASSWORD": "secret"}),
        ("", ("--user", "alice"), {"CHAT_PASSWORD": "secret"}),
    ],
)
def test_name_and_password_come_from_anywhere(
    typed: str, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    with FakeServer(refuse) as server:
        done = connect(server.port, typed, *options, **environ)
    assert done.returncode == 4
    assert (done.stdout, done.stderr) == ("", "Wrong. (2 tries left)\n")


def test_leaving_in_good_order_is_a_success() -> None:
    with FakeServer(at_home(name="Alice")) as server:
        done = connect(server.port, "alice\nsecret\n")
    assert (done.returncode, done.stderr) == (0, "")
    welcome = "Welcome, Alice. Here now: bob. Type help for the commands.\n"
    assert unstamped(done.stdout) == welcome


def test_nobody_listens() -> None:
    with FakeServer() as server:
        pass
    done = connect(server.port, "")
    assert done.returncode == 3
    assert done.stderr.startswith("Nobody is listening at 127.0.0.1 port ")
    assert done.stderr.count("\n") == 1


def test_a_lost_link_has_its_own_code() -> None:
    with FakeServer(Link.let_in) as server:
        done = connect(server.port, "secret\nwho\n", "--user", "alice")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "connection" in done.stderr


@pytest.mark.parametrize(
    ("typed", "options", "word"),
    [
        ("", ("--user", "a b"), "cannot be a name"),
        ("", ("--nonsense",), "No such option"),
        ("alice\n", (), "The input ended before name and password"),
    ],
)
def test_wrong_usage(typed: str, options: tuple[str, ...], word: str) -> None:
    with FakeServer(*([greeted()] if typed else [])) as server:
        done = connect(server.port, typed, *options)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_alone_loads_no_screen() -> None:
    code = "import sys, chatclient.cli.connect; sys.exit('prompt_toolkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@contextmanager
def asking(server: FakeServer, stdout: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The command as a process that has asked who is there; it must say nothing more than that."""
    with subprocess.Popen(
        [sys.executable, "-m", "chatclient", "127.0.0.1", str(server.port), "--user", "a"],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=CLEAN_ENVIRON,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"secret\nwho\n")
        process.stdin.flush()
        yield process
        assert process.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE manners")
def test_an_output_nobody_reads_ends_it_quietly() -> None:
    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        reader.close()
        link.send(message(1, "hi"))
        link.until_closed()

    reading, writing = os.pipe()
    reader = os.fdopen(reading)
    with FakeServer(script) as server, asking(server, writing) as process:
        os.close(writing)
        assert process.wait(DEADLINE) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_is_clean() -> None:
    asked = threading.Event()

    def script(link: Link) -> None:
        link.let_in()
        link.expect("who")
        asked.set()
        link.until_closed()

    with FakeServer(script) as server, asking(server, subprocess.DEVNULL) as process:
        assert asked.wait(DEADLINE)
        process.send_signal(2)
        assert process.wait(DEADLINE) == 130
