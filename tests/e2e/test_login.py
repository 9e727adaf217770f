"""Who gets in: three tries, sixty seconds, and nothing given away."""

import hashlib
import re
import time

import pytest

from .client import PASSWORD, JsonClient, at_once, eventually, rounds
from .conftest import StartServer
from .process import ServerProcess, chat, hashed

OLD_PASSWORD = "an old secret"
OLD_CRYPT = (  # of OLD_PASSWORD
    "$6$rounds=1000$2OmVZdfOS9RA4Wlv$CXAJSy038yntrKEYyITeq9659OYq"
    ".AyMFfR8vbWBZ.jG5PbzkKaJfamXSjUUlV7O1i9kKOTX/1s2GqFdro5.Z."
)


def test_json_login_says_hello_first_and_answers_with_everything(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.json() as client:
        reply = client.login(bob)
        hello = client.expect(event="hello")
        assert hello["protocol"] == "chat/1"
        assert hello["server"].startswith("chat ")
        assert reply["name"] == bob
        assert isinstance(reply["online"], list)
        assert isinstance(reply["seq"], int)
        assert reply["missed"] == 0
        assert client.fence() == []


def test_text_login_asks_for_name_then_password_and_welcomes(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann), server.text() as client:
        client.send(bob)
        assert "Username: " in client.expect("Password: ")
        client.send(PASSWORD)
        welcome = client.line()
        assert welcome.startswith(f"-- Welcome, {bob}. Here now: ")
        assert ann in welcome


def test_empty_username_is_asked_for_again(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.text() as client:
        client.send("")
        client.expect("Username: ")
        client.expect("Username: ")
        client.login(bob)


def test_name_in_another_case_logs_in_as_its_owner_spells_it(server: ServerProcess) -> None:
    bob = server.account("Bob")
    with server.json() as one, server.text() as other:
        assert one.login(bob.upper())["name"] == bob
        assert f"Welcome, {bob}." in other.login(bob.lower())


def test_password_may_hold_spaces_and_any_letters(server: ServerProcess) -> None:
    password = "  zwölf Käse ☕ "
    bob = server.account("bob", password)
    with server.json() as one, server.text() as other:
        one.login(bob, password)
        other.login(bob, password)
    with server.json() as client:
        refusal = client.refused("login", name=bob, password=password.strip())
        assert refusal["code"] == "bad_credentials"


def test_json_third_wrong_password_closes_the_connection(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.json() as client:
        for left in (2, 1, 0):
            refusal = client.refused("login", name=bob, password="wrong")
            assert (refusal["code"], refusal["attempts_left"]) == ("bad_credentials", left)
        assert 0 < refusal["retry_after"] <= 60
        assert client.bye() == "locked_out"


def test_text_third_wrong_password_closes_the_connection(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.text() as client:
        for left in ("2 tries left", "1 try left", "no try left"):
            client.send(bob)
            client.expect("Password: ")
            assert left in client.ask("wrong", "Wrong name or password")
        rest = client.to_end()
        assert "Username" not in rest
        assert rest.startswith("-- ")


def test_block_lasts_across_reconnects_and_says_how_long(start_server: StartServer) -> None:
    server = start_server(login_block_seconds=1.5)
    bob = server.add("bob")
    lock_out(server, bob)
    blocked_at = time.monotonic()
    with server.json() as one, server.text() as other:
        refusal = one.refused("login", name="BOB", password=PASSWORD)
        assert refusal["code"] == "locked_out"
        assert refusal["retry_after"] in (1, 2)
        other.send(bob)
        other.expect("Password: ")
        assert other.ask(PASSWORD, "try again in ").endswith(("1 seconds.", "2 seconds."))

    def tries_left() -> object:
        with server.json() as client:
            return client.refused("login", name=bob, password="wrong").get("attempts_left")

    assert eventually(tries_left) == 2
    assert time.monotonic() - blocked_at > 1.4
    with server.json(bob):
        pass


def test_block_leaves_others_and_other_addresses_and_sessions_alone(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as early:
        lock_out(server, bob)
        assert early.ask("status")["name"] == bob
        with server.json(ann):
            pass
        with server.json() as client:
            assert client.refused("login", name=bob, password=PASSWORD)["code"] == "locked_out"
        try:
            elsewhere = JsonClient(server.place, source="127.0.0.2")
        except OSError:
            pytest.skip("this system has one loopback address")
        with elsewhere:
            elsewhere.login(bob)


def test_right_password_takes_the_count_back(server: ServerProcess) -> None:
    bob = server.account("bob")
    for expected in (2, 1):
        with server.json() as client:
            refusal = client.refused("login", name=bob, password="wrong")
            assert refusal["attempts_left"] == expected
    with server.json(bob), server.json() as client:
        assert client.refused("login", name=bob, password="wrong")["attempts_left"] == 2


def test_count_is_by_name_without_case_and_over_connections(server: ServerProcess) -> None:
    bob = server.account("bob")
    left = []
    for name in (bob, bob.upper(), bob.title()):
        with server.json() as client:
            refusal = client.refused("login", name=name, password="wrong")
            left.append(refusal["attempts_left"])
            if not left[-1]:
                assert client.bye() == "locked_out"
    assert left == [2, 1, 0]


def test_trying_many_passwords_at_once_gets_three_tries(start_server: StartServer) -> None:
    server = start_server(passwords_time_cost=5000)  # so that they do meet
    clients = [server.json() for _ in range(8)]
    try:
        answers = at_once(
            *(
                lambda client=client: client.refused("login", name="bob", password="wrong")["code"]
                for client in clients
            )
        )
    finally:
        for client in clients:
            client.close()
    assert sorted(answers) == ["bad_credentials"] * 3 + ["locked_out"] * 5


@pytest.mark.parametrize("kind", ["unknown", "disabled", "impossible", "damaged"])
def test_a_name_that_cannot_log_in_answers_like_a_wrong_password(
    server: ServerProcess, kind: str
) -> None:
    bob = server.account("bob")
    other = {
        "unknown": "nobody-" + bob,
        "disabled": server.add_line(f"off-{bob}:!{hashed()}", f"off-{bob}"),
        "impossible": "no one\n" + bob,
        "damaged": server.add_line(f"torn-{bob}:{hashed()[:30]}", f"torn-{bob}"),
    }[kind]

    def conversation(name: str) -> list[dict[str, object]]:
        with server.json() as client:
            for _ in range(3):
                client.send("login", name=name, password="wrong password")
            return client.to_end()

    assert conversation(other) == conversation(bob)
    texts = []
    for name in (other, bob):
        with server.json() as client:
            refusal = client.refused("login", name=name, password=PASSWORD)
            assert refusal["code"] == "locked_out"
            texts.append(re.sub("[0-9]+", "N", refusal["text"]))
    assert texts[0] == texts[1]


def test_name_that_only_looks_like_another_is_unknown(server: ServerProcess) -> None:
    kim = server.account("kim")
    with server.json() as client:
        refusal = client.refused("login", name="\N{KELVIN SIGN}" + kim[1:], password=PASSWORD)
        assert refusal["code"] == "bad_credentials"


@pytest.mark.parametrize("password", ["", "x" * 129, "x" * 5000, "a\0b", "\N{SNOWMAN}" * 50])
def test_odd_password_is_a_wrong_one(server: ServerProcess, password: str) -> None:
    bob = server.account("bob")
    with server.json() as client:
        refusal = client.refused("login", name=bob, password=password)
        assert (refusal["code"], refusal["attempts_left"]) == ("bad_credentials", 2)


def test_json_second_login_is_refused_and_changes_nothing(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as client:
        refusal = client.refused("login", name=ann, password=PASSWORD)
        assert refusal["code"] == "already_logged_in"
        assert client.ask("status")["name"] == bob


def test_text_second_login_is_refused(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(bob) as client:
        assert bob in client.ask(f"login {ann} {PASSWORD}")
        assert f"You are {bob}" in client.ask("status")


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "who"},
        {"op": "last", "minutes": 5},
        {"op": "broadcast", "text": "let me in"},
        {"op": "send", "to": ["anybody"], "text": "let me in"},
        {"op": "busy"},
        {"op": "idle"},
        {"op": "hide"},
        {"op": "appear"},
        {"op": "status"},
        {"op": "ack", "upto": 1},
    ],
    ids=lambda request: request["op"],
)
def test_nothing_can_be_done_before_login(
    server: ServerProcess, request_: dict[str, object]
) -> None:
    ann = server.account("ann")
    with server.json(ann) as witness, server.json() as client:
        fields = {name: value for name, value in request_.items() if name != "op"}
        assert client.refused(str(request_["op"]), **fields)["code"] == "not_logged_in"
        assert witness.heard() == []


def test_help_and_ping_and_logout_work_before_login(server: ServerProcess) -> None:
    with server.json() as client:
        assert any(each["name"] == "broadcast" for each in client.ask("help")["commands"])
        client.ask("ping")
        client.ask("logout")
        assert client.bye() == "logged_out"


def test_account_added_while_the_server_runs_can_log_in_at_once(server: ServerProcess) -> None:
    with server.json() as client:
        assert client.refused("login", name="newcomer", password=PASSWORD)["attempts_left"] == 2
        added = chat(
            "adduser", "newcomer", "--password-stdin", "--data", server.data, typed=PASSWORD
        )
        assert added.returncode == 0, added.stderr
        client.login("newcomer")


def test_changed_password_counts_at_once(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.json(bob) as early:
        new = "battery staple"
        changed = chat("passwd", bob, "--password-stdin", "--data", server.data, typed=new)
        assert changed.returncode == 0, changed.stderr
        with server.json() as client:
            refusal = client.refused("login", name=bob, password=PASSWORD)
            assert refusal["code"] == "bad_credentials"
            client.login(bob, new)
        assert early.bye() == "password_changed"


@pytest.mark.parametrize(
    "old",
    [
        hashlib.sha1(OLD_PASSWORD.encode()).hexdigest(),
        hashlib.sha256(OLD_PASSWORD.encode()).hexdigest(),
        hashlib.sha512(OLD_PASSWORD.encode()).hexdigest(),
        OLD_CRYPT,
    ],
    ids=["sha1", "sha256", "sha512", "crypt"],
)
def test_old_hash_is_renewed_at_login(server: ServerProcess, old: str) -> None:
    ann = server.account("ann")
    bob = server.account("bob")
    server.add_line(f"old-{bob}:{old}")
    before = server.passwords.read_text("utf-8").splitlines()
    with server.json() as client:
        refusal = client.refused("login", name=f"old-{bob}", password="wrong password")
        assert refusal["code"] == "bad_credentials"
    assert server.passwords.read_text("utf-8").splitlines() == before
    with server.json() as client:
        client.login(f"old-{bob}", OLD_PASSWORD)
    after = server.passwords.read_text("utf-8").splitlines()
    assert after[:-1] == before[:-1]
    assert after[-1].startswith(f"old-{bob}:$argon2id$")
    with server.json() as client:
        client.login(f"old-{bob}", OLD_PASSWORD)
    with server.json(ann):
        assert server.passwords.read_text("utf-8").splitlines() == after


def test_hash_cheaper_than_the_settings_is_renewed_at_login(start_server: StartServer) -> None:
    server = start_server(passwords_time_cost=2)
    bob = server.add("bob")
    with server.json(bob):
        assert f"{bob}:$argon2id$v=19$m=8,t=2,p=1$" in server.passwords.read_text("utf-8")


def test_login_has_a_deadline(start_server: StartServer) -> None:
    server = start_server(login_deadline_seconds=1)
    bob = server.add("bob")
    with server.json(bob) as inside, server.json() as busy, server.text() as silent:
        busy.ask("ping")
        busy.expect(event="hello")
        silent.send(bob)
        silent.expect("Password: ")
        for _ in rounds():  # pings do not put it off
            busy.send("ping")
            last = busy.expect()
            if last["event"] == "bye":
                break
        assert last["code"] == "login_timeout"
        assert busy.to_end() == []
        assert "No login within" in silent.to_end()
        assert inside.ask("status")["name"] == bob


def test_failed_and_blocked_logins_are_one_log_line_each(server: ServerProcess) -> None:
    bob = server.account("bob")
    with server.json() as client:
        for _ in range(3):
            client.send("login", name=bob, password="hunter2 hunter2")
        client.to_end()
    lines = [each for each in server.log.splitlines() if re.search(rf"name={bob}\b", each)]
    assert [each.partition("login ")[2].split()[0] for each in lines] == [
        "failed:",
        "failed:",
        "failed:",
        "blocked:",
    ]
    assert all("address=127.0.0.1" in each for each in lines)
    assert "hunter2" not in server.log


def test_name_cannot_forge_a_log_line(server: ServerProcess) -> None:
    with server.json() as client:
        client.refused("login", name="x\n2026 WARNING forged\x1b[2J\u202e", password="wrong")
    server.wait_for_log(r"login failed: .*name=x\\n\*\(\d+ characters\)")
    assert "\n2026 WARNING" not in server.log
    assert "\x1b" not in server.log
    assert "\u202e" not in server.log


def test_password_never_comes_back_in_an_error(server: ServerProcess) -> None:
    with server.json() as client:
        client.send("login", name=5, password="my secret")
        client.send("login", name="x", password=["my secret"])
        client.send("login", name="x", password="my secret", extra="my secret")
        client.send("logout")
        assert "my secret" not in str(client.to_end())
    assert "my secret" not in server.log


def lock_out(server: ServerProcess, name: str) -> None:
    """Use up the three tries at a name."""
    with server.json() as client:
        for _ in range(3):
            client.refused("login", name=name, password="wrong")
        assert client.bye() == "locked_out"
