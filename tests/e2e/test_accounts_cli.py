"""adduser, passwd, deluser and users, as an operator types them."""

import hashlib
import itertools
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pexpect
import pytest

from chatserver.order.apply import apply
from chatserver.order.items import AccountMade, DeviceMade
from chatserver.storage.store import Store

from .client import PASSWORD, PATIENCE, at_once
from .conftest import StartServer
from .process import chat, environment, hashed

ONE_LINE = re.compile(r"chat: [^\n]+\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that nobody has made yet."""
    return tmp_path / "some" / "where"


def accounts(data: Path) -> dict[str, str]:
    """Return the names and hashes in the file."""
    lines = (data / "user_pass.txt").read_text("utf-8").splitlines()
    return dict(each.split(":", 1) for each in lines)


def add(data: Path, *names: str) -> None:
    """Add accounts as somebody with an editor would."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "user_pass.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{name}:{hashed()}\n" for name in names)


def refused(*arguments: str | Path, typed: str | bytes = PASSWORD + "\n") -> str:
    """Run a command that is refused; return the one line it says."""
    done = chat(*arguments, typed=typed)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert ONE_LINE.fullmatch(done.stderr), done.stderr
    assert done.stdout == ""
    return done.stderr


# Python warns of forking where there are threads; those of the test runner do not matter here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
class TestTyped:
    """Passwords typed at a terminal."""

    def spawn(self, *arguments: str | Path) -> "pexpect.spawn[str]":
        return pexpect.spawn(
            sys.executable,
            ["-m", "chatserver", *map(str, arguments)],
            env=environment(),
            encoding="utf-8",
            timeout=PATIENCE,
        )

    def test_adduser_asks_twice_without_echo_and_again_until_both_are_the_same(
        self, data: Path
    ) -> None:
        with self.spawn("adduser", "bob", "--data", data) as terminal:
            output = ""
            for typed in (PASSWORD, PASSWORD + "!", PASSWORD, PASSWORD):
                terminal.expect("(Password for bob|[Rr]epeat.*): ")
                output += terminal.before + terminal.after
                terminal.sendline(typed)
            terminal.expect(pexpect.EOF)
            output += terminal.before
        assert PASSWORD not in output
        assert "Added bob" in output
        assert terminal.exitstatus == 0
        assert accounts(data)["bob"].startswith("$argon2id$")

    def test_interrupt_adds_nobody(self, data: Path) -> None:
        with self.spawn("adduser", "bob", "--data", data) as terminal:
            terminal.expect("Password for bob: ")
            terminal.sendintr()
            terminal.expect(pexpect.EOF)
            assert "Traceback" not in terminal.before
        assert terminal.exitstatus == 1
        assert not (data / "user_pass.txt").exists()


def test_password_from_standard_input(data: Path, start_server: StartServer) -> None:
    done = chat("adduser", "Bob", "--password-stdin", "--data", data, typed=PASSWORD + "\r\nmore\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Added Bob.\n", "")
    assert PASSWORD not in (data / "user_pass.txt").read_text("utf-8")
    server = start_server(data=data)
    with server.json("bob"):
        pass


def test_generated_passphrases_are_printed_and_different(
    data: Path, start_server: StartServer
) -> None:
    done = chat("adduser", "--generate", "ann", "bob", "eve", "--data", data)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^Added (\w+) with the passphrase (\S+)$", done.stdout, re.MULTILINE))
    assert [*found] == ["ann", "bob", "eve"]
    assert len({*found.values()}) == 3
    assert all(len(each) > 20 for each in found.values())
    server = start_server(data=data)
    for name, passphrase in found.items():
        with server.json() as client:
            client.login(name, passphrase)


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [
        ("-bob", PASSWORD, "letters, digits"),
        ("bøb:x", PASSWORD, "letters, digits"),
        ("x" * 33, PASSWORD, "letters, digits"),
        ("a\nb", PASSWORD, "letters, digits"),
        ("Lobby", PASSWORD, "have a meaning"),
        ("bob", "short", "at least 8"),
        ("bob", "x" * 129, "at most 128"),
        ("bob", "a\x1bbcdefgh", "control"),
    ],
)
def test_unfit_name_or_password_is_refused(data: Path, name: str, password: str, why: str) -> None:
    options = ("--password-stdin", "--data", data)
    assert why in refused("adduser", *options, "--", name, typed=password + "\n")
    assert not (data / "user_pass.txt").exists()


def test_password_that_is_not_utf8_is_refused(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chatserver", "adduser", "bob", "--password-stdin", "--data", data],
        input=b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\n",
        capture_output=True,
        env=environment() | {"PYTHONIOENCODING": "utf-8:strict"},
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert not (data / "user_pass.txt").exists()


def test_existing_name_is_refused_in_any_case_and_kept(data: Path) -> None:
    add(data, "Bob")
    before = accounts(data)
    for name in ("Bob", "BOB"):
        assert "already" in refused("adduser", name, "--password-stdin", "--data", data)
    assert accounts(data) == before


def test_one_bad_name_among_several_adds_nobody(data: Path) -> None:
    add(data, "bob")
    assert "already" in refused("adduser", "--generate", "ann", "bob", "eve", "--data", data)
    assert "no good" in refused("adduser", "--generate", "ann", "no good", "--data", data)
    assert [*accounts(data)] == ["bob"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["adduser"],
        ["adduser", "ann", "--password-stdin", "--generate"],
        ["adduser", "ann", "--import", "old.txt"],
        ["passwd"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2(data: Path, arguments: list[str]) -> None:
    done = chat(*arguments, "--data", data)
    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert not data.exists()


def test_ten_at_once_lose_nothing(data: Path) -> None:
    names = [[f"bob{process}-{count}" for count in range(5)] for process in range(10)]
    done = at_once(
        *(lambda some=some: chat("adduser", "--generate", *some, "--data", data) for some in names)
    )
    assert {each.returncode for each in done} == {0}
    assert sorted(accounts(data)) == sorted(itertools.chain(*names))
    assert all(each.startswith("$argon2id$") for each in accounts(data).values())
    left = {each.name for each in data.iterdir()}
    assert left == {"chat.lock", "user_pass.txt", "user_pass.txt.lock"}


def test_same_name_at_once_is_added_once(data: Path) -> None:
    calls = [
        lambda: chat("adduser", "bob", "--password-stdin", "--data", data, typed=PASSWORD)
        for _ in range(3)
    ]
    assert sorted(done.returncode for done in at_once(*calls)) == [0, 1, 1]
    assert [*accounts(data)] == ["bob"]


def test_import_takes_the_good_lines_and_names_the_bad_ones(
    data: Path, tmp_path: Path, start_server: StartServer
) -> None:
    add(data, "eve")
    before = accounts(data)["eve"]
    sha = hashlib.sha256(PASSWORD.encode()).hexdigest()
    old = tmp_path / "old.txt"
    old.write_text(
        f"# the old accounts\nann {sha}\n\nbob:{sha}\nno-hash\ndan {sha[:10]}\n-x {sha}\n"
        f"ANN {sha}\nfay : {hashed()}\nEve {sha}\ngil\t{sha}\nlobby {sha}\n",
        "utf-8",
    )
    done = chat("adduser", "--import", old, "--data", data)
    assert done.returncode == 1
    assert done.stdout == "Imported 4 accounts.\n"
    *lines, eve = done.stderr.splitlines()
    assert [re.findall(r"Line (\d+)", each) for each in lines] == [[n] for n in "5678"] + [["12"]]
    assert "have a meaning" in lines[-1]
    assert "Eve" in eve
    assert sorted(accounts(data)) == ["ann", "bob", "eve", "fay", "gil"]
    assert accounts(data)["eve"] == before
    server = start_server(data=data)
    for name in ("ann", "bob", "fay", "gil"):
        with server.json(name):
            pass


def test_import_of_good_lines_only_is_exit_0_and_of_a_missing_file_refused(
    data: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.txt"
    assert "Cannot read" in refused("adduser", "--import", old, "--data", data)
    old.write_text(f"ann {hashlib.sha1(PASSWORD.encode()).hexdigest()}\n", "utf-8")
    done = chat("adduser", "--import", old, "--data", data)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Imported 1 account.\n", "")


def test_passwd_changes_one_account_and_keeps_the_rest(data: Path) -> None:
    add(data, "ann", "Bob", "eve")
    assert "nobody" in refused("passwd", "nobody", "--password-stdin", "--data", data)
    file = data / "user_pass.txt"
    file.write_text("# ours\n" + file.read_text("utf-8") + "a damaged line\n", "utf-8")
    before = file.read_text("utf-8").splitlines()
    done = chat("passwd", "bob", "--password-stdin", "--data", data, typed="another one")
    assert (done.returncode, done.stdout) == (0, "Changed the password of Bob.\n")
    after = file.read_text("utf-8").splitlines()
    assert [at for at, each in enumerate(after) if each != before[at]] == [2]
    assert len(after) == len(before)
    done = chat("passwd", "eve", "--generate", "--data", data)
    assert re.fullmatch(r"Changed the password of eve: the passphrase is \S+\n", done.stdout)


def test_deluser_removes_and_names_who_is_not_there(data: Path) -> None:
    add(data, "ann", "Bob", "eve")
    assert "nobody" in refused("deluser", "ann", "nobody", "--data", data)
    assert [*accounts(data)] == ["ann", "Bob", "eve"]
    done = chat("deluser", "bob", "ann", "--data", data)
    assert (done.returncode, done.stdout) == (0, "Deleted Bob.\nDeleted ann.\n")
    assert [*accounts(data)] == ["eve"]


def test_deluser_drops_what_waits_for_the_account(data: Path, start_server: StartServer) -> None:
    add(data, "ann", "bob")
    server = start_server(data=data)
    with server.json("ann") as sender:
        sender.tell("bob", "for the old bob")
    server.stop()
    assert chat("deluser", "bob", "--data", data).returncode == 0
    add(data, "bob")
    server = start_server(data=data)
    with server.json() as client:
        assert client.login("bob")["missed"] == 0
        assert client.heard() == []


def test_users_lists_names_and_kinds_of_hashes_and_who_can_never_log_in(data: Path) -> None:
    done = chat("users", "--data", data)
    assert (done.returncode, done.stdout) == (0, "")
    assert "adduser" in done.stderr
    add(data, "bob", "lobby")
    with (data / "user_pass.txt").open("a", encoding="utf-8") as file:
        file.write(f"old:{hashlib.sha256(b'x').hexdigest()}\noff:!{hashed()}\nno colon\n")
        file.write("torn:xyz\ncut:$argon2id$v=19$m\nodd:$6$x\n")
    done = chat("users", "--data", data)
    assert done.returncode == 0
    kinds = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    unreadable = [kinds.pop(name) for name in ("torn", "cut", "odd")]
    assert all("unreadable hash" in each and "passwd" in each for each in unreadable)
    assert kinds == {"bob": "argon2", "old": "hex_sha256", "off": "disabled"}
    assert re.findall(r"line (\d)", done.stderr) == ["2", "5"]


@pytest.mark.parametrize("command", [("adduser", "bob", "--password-stdin"), ("users",)])
def test_data_folder_that_cannot_be_used_is_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    place = tmp_path / "file"
    place.write_text("", "utf-8")
    assert str(place) in refused(*command, "--data", place)


def test_wrong_setting_is_exit_2(data: Path) -> None:
    done = chat("users", "--data", data, env=environment(passwords_time_cost=0))
    assert done.returncode == 2
    assert "CHAT_PASSWORDS_TIME_COST" in done.stderr


def test_folder_from_the_environment(data: Path) -> None:
    env = environment() | {"CHAT_DATA": str(data)}
    assert chat("adduser", "bob", "--generate", env=env).returncode == 0
    assert [*accounts(data)] == ["bob"]


def test_every_file_is_private_whichever_command_is_first(
    tmp_path: Path, start_server: StartServer
) -> None:
    before = os.umask(0)
    try:
        data = tmp_path / "data"
        chat("adduser", "bob", "--password-stdin", "--data", data, typed=PASSWORD)
        server = start_server(data=data, prepared=False)
        with server.json("bob") as client:
            client.send("broadcast", text="hello")
            client.fence()
            made = [data, *data.rglob("*")]
            assert {"search.db", "search.db-wal", "chat.db-shm"} <= {each.name for each in made}
            assert [each for each in made if each.stat().st_mode & 0o077] == []
    finally:
        os.umask(before)


def test_a_folder_that_was_open_to_others_is_closed_at_the_start(
    data: Path, start_server: StartServer
) -> None:
    add(data, "bob")
    for path, mode in ((data, 0o755), (data / "user_pass.txt", 0o644)):
        path.chmod(mode)
    server = start_server(data=data)
    assert f"{data} was open to others" in server.log
    assert [each for each in (data, *data.rglob("*")) if each.stat().st_mode & 0o077] == []


def test_without_a_home_there_is_a_sentence(tmp_path: Path) -> None:
    # As for a user whom the system does not know.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pwd'] = None\n")
    homeless = {k: v for k, v in environment().items() if k not in ("HOME", "CHAT_CLIENT_CONFIG")}
    homeless = {k: v for k, v in homeless.items() if not k.startswith("XDG_")}
    here = str(Path(__file__).parents[2])
    env = homeless | {"PYTHONPATH": f"{tmp_path}:{here}"}
    for arguments in (["users"], ["adduser", "x"], ["export"], ["send", "hi"], ["tail"]):
        done = chat(*arguments, env=env)
        assert done.returncode == 2, done.stderr
        assert "There is no home folder" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argument", "said"), [(b"caf\xe9", "it is not UTF-8"), ("café".encode(), "cannot be used")]
)
def test_an_argument_is_utf8_in_every_locale(data: Path, argument: bytes, said: str) -> None:
    env = environment() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for command in ("adduser", "deluser", "passwd"):
        done = subprocess.run(
            [sys.executable, "-m", "chatserver", command, argument, "--data", data],
            env=env, capture_output=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr
        if command == "adduser" or b"UTF-8" in done.stderr:
            assert said.encode() in done.stderr


def test_deluser_leaves_a_newer_version_and_the_account_alone(
    data: Path, start_server: StartServer
) -> None:
    add(data, "bob")
    start_server(data=data).stop()
    with closing(sqlite3.connect(data / "chat.db")) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    assert "newer" in refused("deluser", "bob", "--data", data)
    assert "bob" in accounts(data)


def test_the_browsers_of_an_account_are_listed_and_logged_out(data: Path) -> None:
    add(data, "alice")
    with closing(Store(data / "chat.db")) as store:
        state = store.load()
        apply(state, AccountMade(at=1, name="alice"))
        for number in (1, 2, 3):
            made = DeviceMade(
                at=number * 86_400_000,
                account=1,
                token=f"digest {number}",
                password="",
                address="192.0.2.7",
                client=f"browser {number}",
            )
            apply(state, made)
        store.write(state)
    listed = chat("devices", "Alice", "--data", data).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["3", "2", "1"]
    assert "seen 1970-01-03  192.0.2.7  browser 2" in listed[1]
    assert chat("devices", "alice", "--revoke", "2", "--data", data).stdout == (
        "Logged out 1 device of alice.\n"
    )
    assert "alice has no device 2;" in refused("devices", "alice", "--revoke", "2", "--data", data)
    assert chat("devices", "alice", "--all", "--data", data).stdout == (
        "Logged out 2 devices of alice.\n"
    )
    assert chat("devices", "alice", "--data", data).stdout == ""
    assert "no account bob" in refused("devices", "bob", "--data", data)
