"""`chat send`, `chat tail` and `chat connect --json` against real servers."""

import json
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from scoped import Scoped

from chatclient.link.connection import Connection
from chatclient.link.oneshot import Parcel, deliver

from .client import PASSWORD, PATIENCE
from .conftest import StartServer
from .process import PYTHON, ServerProcess, chat, environment, environment_of, port_of
from .proxy import CuttingProxy


class Running(Scoped):
    """A command that goes on until it is told to end, or the block ends."""

    def __init__(self, *arguments: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*PYTHON, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
        )
        self._timer = threading.Timer(2 * PATIENCE, self.process.kill)  # ends every wait
        self._timer.start()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def event(self) -> dict[str, Any]:
        line = self.line()
        assert line, self.leave()
        event: dict[str, Any] = json.loads(line)
        return event

    def expect(self, kind: str, **fields: object) -> dict[str, Any]:
        """Skip events until one is like this."""
        while True:
            event = self.event()
            if event["event"] == kind and fields.items() <= event.items():
                return event

    def type(self, **request: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def leave(self, number: int | None = None) -> tuple[int, str]:
        """Send a signal, or end its input; return the exit code and what went wrong."""
        if number is not None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors

    def end(self, error: BaseException | None) -> None:
        self._timer.cancel()
        self.process.kill()
        self.process.communicate()


def test_a_message_is_sent_and_nothing_is_said(server: ServerProcess) -> None:
    ann, bob, carol = server.accounts("ann", "bob", "carol")
    env = environment_of(server.place, ann)
    with server.json(bob) as person:
        done = chat("send", "--to", bob, "--to", carol, "--key", "k", "hällo", env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        event = person.expect(event="message")
        assert (event["to"], event["text"]) == ([bob, carol], "hällo")
        # To the room, from a pipe that is no text; and the first once more, which does nothing.
        chat("send", "--to", bob, "--to", carol, "--key", "k", "hällo", env=env)
        done = chat("send", "-v", typed=b"\xef\xbb\xbfa \xff\0\x1b[31m b\r\n\n", env=env)
        assert (done.returncode, done.stdout) == (0, "")
        assert "Sent to everybody here." in done.stderr
        event = person.expect(event="message")
        assert (event["room"], event["text"]) == ("lobby", "a \ufffd[31m b")


@pytest.mark.parametrize(
    ("arguments", "typed", "more", "code", "word"),
    [
        (("--to", "nobody.at.all", "hi"), "", {}, 1, "No such user"),
        (("--to", "{me}", "--to", "x.y", "hi"), "", {}, 1, "user: x.y; the others have it."),
        (("--room", "#nowhere", "hi"), "", {}, 1, "There is no room #nowhere."),
        (("--room", "a b", "hi"), "", {}, 2, "'a b' cannot be a room"),
        (("--room", "ops", "--to", "{me}", "hi"), "", {}, 2, "one of --to and --room"),
        (("--to", "#ops", "hi"), "", {}, 2, "A room is named by --room."),
        (("x" * 5000,), "", {}, 1, "4000"),
        (("-",), "y" * 100_000, {}, 1, "at most 65536 bytes"),
        (("",), "", {}, 2, "nothing to send"),
        (("hi",), "", {"CHAT_PASSWORD": "wrong"}, 4, "2 tries left"),
        (("--timeout", "0", "--server", "127.0.0.1:1", "hi"), "", {}, 3, "Nobody is listening"),
    ],
)
def test_the_exit_code_says_what_went_wrong(
    server: ServerProcess,
    arguments: tuple[str, ...],
    typed: str,
    more: dict[str, str],
    code: int,
    word: str,
) -> None:
    ann = server.account("ann")
    given = [each.format(me=ann) for each in arguments]
    done = chat("send", *given, typed=typed, env=environment_of(server.place, ann, **more))
    assert (done.returncode, done.stdout) == (code, "")
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_room_is_spoken_in_and_followed(server: ServerProcess) -> None:
    ann, bob, other = server.accounts("ann", "bob", "other")
    ops, web = f"ops-{ann}", f"web-{ann}"
    env = environment_of(server.place, ann)
    with server.json(bob) as person:
        for room in (ops, web, other):
            person.ask("create", room=room)
        done = chat("send", "--room", ops, "hi", env=env)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"You are not in #{ops}" in done.stderr
        for room, why in ((ops, f"{ann} is not in #{ops}: join it"), ("x", "is no room #x.")):
            done = chat("tail", "--room", room, env=env)
            assert (done.returncode, done.stdout) == (1, "")
            assert why in done.stderr
        with server.json(ann) as me:
            me.ask("join", room=ops)
            me.ask("join", room=web)
        person.ask("send", room=web, text="before")
        person.ask("send", room=other, text="elsewhere")
        assert chat("send", "--room", f"#{ops.upper()}", "it is up", env=env).returncode == 0
        rooms = ("--room", ops, "--room", f"#{web}")
        with Running("tail", *rooms, "-n", "2", env=env) as tail:
            assert tail.line().endswith(f"{bob} → #{web}: before")
            assert tail.line().endswith(f"{ann} → #{ops}: it is up")
            seq = person.ask("send", room=ops, text="fien")["seq"]
            assert tail.line().endswith("fien")
            person.ask("broadcast", text="not here")
            person.ask("send", to=[ann], text="nor here")
            person.ask("edit", target=seq, text="fine\nnow")
            assert tail.line().endswith(f"{bob} corrected in #{ops}: fine / now")
            person.ask("react", target=seq, reaction="👍")
            assert f"{bob} reacted with 👍 in #{ops}." in tail.line()
            person.ask("delete", target=seq)
            assert f"{bob} deleted a message in #{ops}." in tail.line()
            person.ask("mute", name=ann, room=ops, minutes=5)
            assert f"{bob} muted you in #{ops}" in tail.line()
            done = chat("send", "--room", ops, "hi", env=env)
            assert (done.returncode, "You are muted" in done.stderr) == (1, True)
            for room in (ops, web):
                person.ask("remove", name=ann, room=room, reason="tidying")
                assert f"{bob} removed you from #{room}: tidying" in tail.line()
            code, errors = tail.leave()
            assert (code, errors) == (1, f"{bob} has taken the account out of #{web}.\n")


def test_plain_talks_in_a_room(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    room = f"ops-{ann}"
    env = environment_of(server.place, ann)
    with server.json(bob) as person:
        person.ask("create", room=room)
        with server.json(ann) as me:
            me.ask("join", room=room)
        first = person.ask("send", room=room, text="is it up?")["seq"]
        person.ask("send", to=[ann], text="psst")
        typed = (
            "talk #nowhere",
            "lost words",
            f"talk #{room}",
            "/history -n",
            "yse",
            "/edit yes",
            "/react 👍",  # to the last one here, and not to what came in private
            "/answer what?",
        )
        done = chat("connect", "--plain", typed="\n".join(typed), env=env)
        assert done.returncode == 0
        assert "There is no room #nowhere that you are in." in done.stderr
        assert "There is no command 'lost'" in done.stderr
        assert f"^{first} {bob} → #{room}: is it up?" in done.stdout
        said = person.expect(event="message", room=room)
        assert said["text"] == "yse"
        changed = person.expect(event="edited", room=room)
        assert (changed["target"], changed["text"]) == (said["seq"], "yes")
        assert person.expect(event="reacted")["target"] == first
        assert person.expect(event="message")["to"] == [bob]


def test_programs_are_not_logged_out_for_doing_nothing(start_server: StartServer) -> None:
    server = start_server(session_idle_timeout=1)
    tailing, asking, attended, person = map(server.add, ("tailing", "asking", "attended", "person"))

    def env(name: str) -> dict[str, str]:
        return environment_of(server.place, name)

    with (
        Running("tail", env=env(tailing)) as tail,
        Running("connect", "--json", env=env(asking)) as program,
        Running("connect", "--json", "--attended", env=env(attended)) as lonely,
    ):
        assert lonely.expect("bye")["code"] == "idle_timeout"
        program.type(op="who", id=1)
        here = {each["name"] for each in program.expect("reply", re=1)["users"]}
        assert tailing in here
        with server.json(person) as other:
            other.request("send", to=[tailing, asking], text="still there?")
        assert program.expect("message")["text"] == "still there?"
        while not (line := tail.line()).endswith("still there?"):
            assert line
        assert tail.leave(signal.SIGINT) == (0, "")  # the link was never lost


def test_no_password_for_a_script(server: ServerProcess) -> None:
    env = environment_of(server.place, server.account("ann"))
    del env["CHAT_PASSWORD"]
    done = chat("send", "hi", env=env)
    assert done.returncode == 2
    assert "There is no password for" in done.stderr


def test_a_named_server_is_meant_everywhere(server: ServerProcess, tmp_path: Any) -> None:
    ann = server.account("ann")
    file = tmp_path / "client.toml"
    file.write_text(
        f'[servers.home]\nhost = "{server.place[0]}"\nport = {server.place[1]}\nuser = "{ann}"\n'
    )
    env = environment() | {"CHAT_CLIENT_CONFIG": str(file), "CHAT_PASSWORD": PASSWORD}
    assert chat("send", "--server", "home", "one", env=env).returncode == 0
    done = chat("connect", "home", typed="broadcast two\n", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    with Running("tail", "--server", "home", env=env) as tail:
        assert [tail.line()[-3:], tail.line()[-3:]] == ["one", "two"]
        assert tail.leave(signal.SIGINT) == (0, "")


def test_exactly_once_while_the_server_is_killed_again_and_again(
    start_server: StartServer,
) -> None:
    server = start_server()
    ann = server.add("ann")
    port = server.place[1]

    stored = threading.Semaphore(0)

    def say(number: int) -> None:
        deliver(
            Parcel(f"message {number}"),
            lambda seconds: Connection.open("127.0.0.1", port, timeout=seconds),
            ann,
            PASSWORD,
            PATIENCE * 2,
        )
        stored.release()

    with ThreadPoolExecutor(10) as threads:
        done = [threads.submit(say, number) for number in range(30)]
        for _ in range(2):
            for _ in range(8):
                assert stored.acquire(timeout=PATIENCE)
            server.kill()
            server = start_server("--port", str(port))
        for each in done:
            each.result()
    with server.json(ann) as person:
        messages = person.request("history", limit=100)["messages"]
    assert sorted(each["text"] for each in messages) == sorted(f"message {n}" for n in range(30))


def test_exactly_once_whatever_answer_is_lost(
    server: ServerProcess, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatclient.link.oneshot._LONGEST_PAUSE", 0.001)
    ann = server.account("ann")
    said = [f"message {number}" for number in range(40)]
    for text in said:  # cut at every few bytes of all that is said both ways
        deliver(
            Parcel(text),
            lambda seconds: Connection.open("127.0.0.1", proxy.port, timeout=seconds),
            ann,
            PASSWORD,
            PATIENCE * 2,
            pause=0.001,
        )
    assert proxy.cuts > 20
    with server.json(ann) as person:
        messages = person.request("history", limit=500)["messages"]
    mine = [each["text"] for each in messages if each["from"] == ann]
    assert mine == said


def test_tail_in_words(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as person:
        with server.json(ann):  # whose room begins here
            pass
        for text in ("one", "two\nlines", "three"):
            person.request("broadcast", text=text)
        with Running("tail", "-n", "2", env=environment_of(server.place, ann)) as tail:
            assert tail.line().endswith(f"{bob}: two / lines")
            stamp, _, text = tail.line().partition(f" {bob}: ")
            assert (len(stamp), text) == (len("2026-11-22 15:24"), "three")
            person.request("send", to=[ann], text="psst")
            while not (line := tail.line()).endswith("psst"):
                assert f"{ann} came online" in line
            assert f"{bob} → you: " in line
            assert tail.leave(signal.SIGINT) == (0, "")
    with server.json(ann) as person:  # nothing was marked as read
        assert person.expect(event="message")["text"] == "one"


def test_tail_outlives_the_server(start_server: StartServer) -> None:
    first = start_server()
    ann, bob = first.add("ann"), first.add("bob")
    with first.json(ann), first.json(bob) as person:
        for number in range(3):
            seq = person.request("broadcast", text=f"before {number}")["seq"]
    env = environment_of(first.place, ann)
    with Running("tail", "--json", "--since", str(seq - 2), env=env) as tail:
        assert [tail.expect("message")["text"] for _ in range(2)] == ["before 1", "before 2"]
        first.kill()
        second = start_server("--port", port_of(first))
        with second.json(bob) as person:
            person.request("broadcast", text="after")
        assert tail.expect("message")["text"] == "after"
        code, errors = tail.leave(signal.SIGINT)
    assert code == 0
    assert "Trying again in" in errors


def test_a_reader_of_tail_that_leaves(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as person:
        person.request("broadcast", text="one")
        with Running("tail", env=environment_of(server.place, ann)) as tail:
            assert tail.line().endswith("one")
            assert tail.process.stdout is not None
            tail.process.stdout.close()
            person.request("broadcast", text="two")
            assert tail.process.wait(PATIENCE) == 0
            assert tail.process.stderr is not None
            assert tail.process.stderr.read() == ""


def test_json_for_programs(start_server: StartServer) -> None:
    first = start_server()
    ann, bob = first.add("ann"), first.add("bob")
    with Running("connect", "--json", env=environment_of(first.place, ann)) as program:
        assert program.event()["op"] == "login"
        program.type(op="who", id=7)
        assert program.expect("reply", op="who")["re"] == 7
        program.type(op="broadcast", id="x")
        assert program.expect("error")["code"] == "bad_request"
        program.type(op="broadcast", id=8, text="x" * 70_000)
        assert program.expect("error", re=8)["code"] == "line_too_long"
        assert program.expect("reply", op="login")["name"] == ann
        first.kill()
        program.type(op="broadcast", id=9, text="over the gap", key="k")
        second = start_server("--port", port_of(first))
        assert program.expect("reply", re=9)["op"] == "broadcast"
        with second.json(bob) as person:
            person.request("send", to=[ann], text="read this")
            seq = program.expect("message")["seq"]
            person.request("send", to=[ann], text="and this")
            program.expect("message")
        program.type(op="logout", id=10)
        program.expect("reply", re=10)
        assert program.leave()[0] == 0
    with second.json(ann) as person:  # it was acknowledged
        texts = [each["text"] for each in person.events if each["event"] == "message"]
        assert texts == []
    assert seq > 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
@pytest.mark.parametrize("arguments", [("connect", "--json"), ("connect", "--plain"), ("tail",)])
def test_an_interrupt_at_any_time_is_clean(
    server: ServerProcess, arguments: tuple[str, ...]
) -> None:
    ann = server.account("ann")
    with server.json(ann) as person:
        person.request("broadcast", text="something to print")
    with Running(*arguments, env=environment_of(server.place, ann)) as command:
        assert command.line()
        assert command.leave(signal.SIGINT) == (0 if arguments == ("tail",) else 130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes them")
@pytest.mark.parametrize("arguments", ["send hi", "connect --json", "connect --plain"])
def test_no_streams_at_all(server: ServerProcess, arguments: str) -> None:
    closed = f"exec {shlex.quote(sys.executable)} -m chatserver {arguments} <&- >&- 2>&-"
    env = environment_of(server.place, server.account("ann"))
    assert (
        subprocess.run(closed, shell=True, env=env, timeout=PATIENCE, check=False).returncode == 0
    )
