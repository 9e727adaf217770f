"""Who gets in: three tries, sixty seconds, and nothing given away."""

import time

import pytest

from .client import PASSWORD, JsonClient, eventually, rounds
from .conftest import StartServer
from .process import ServerProcess

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


def test_name_in_any_case_and_a_password_with_spaces_and_any_letters(
    server: ServerProcess,
) -> None:
    password = "  zwölf Käse ☕ "
    bob = server.account("Bob", password)
    with server.json() as one, server.text() as other:
        refusal = one.refused("login", name=bob, password=password.strip())
        assert refusal["code"] == "bad_credentials"
        assert one.login(bob.upper(), password)["name"] == bob
        assert f"Welcome, {bob}." in other.login(bob.lower(), password)


def test_json_third_wrong_password_for_a_name_in_any_case_closes_the_connection(
    server: ServerProcess,
) -> None:
    bob = server.account("bob")
    with server.json() as client:
        for name, left in ((bob, 2), (bob.upper(), 1), (bob.title(), 0)):
            refusal = client.refused("login", name=name, password="wrong")
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


def test_name_that_only_looks_like_another_is_unknown(server: ServerProcess) -> None:
    kim = server.account("kim")
    with server.json() as client:
        refusal = client.refused("login", name="\N{KELVIN SIGN}" + kim[1:], password=PASSWORD)
        assert refusal["code"] == "bad_credentials"


def test_text_second_login_is_refused(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.text(bob) as client:
        assert bob in client.ask(f"login {ann} {PASSWORD}")
        assert f"You are {bob}" in client.ask("status")


def test_nothing_can_be_done_before_login(server: ServerProcess) -> None:
    requests: dict[str, dict[str, object]] = {
        "broadcast": {"text": "let me in"},
        "send": {"to": ["anybody"], "text": "let me in"},
        "last": {"minutes": 5},
        "ack": {"upto": 1},
    }
    with server.people("ann") as (witness,), server.json() as client:
        for op in ("who", "busy", "idle", "hide", "appear", "status", *requests):
            refusal = client.refused(op, **requests.get(op, {}))
            assert refusal["code"] == "not_logged_in", op
        assert witness.heard() == []


def test_help_and_ping_and_logout_work_before_login(server: ServerProcess) -> None:
    with server.json() as client:
        assert any(each["name"] == "broadcast" for each in client.ask("help")["commands"])
        client.ask("ping")
        client.ask("logout")
        assert client.bye() == "logged_out"


def test_old_hash_is_renewed_at_login(server: ServerProcess) -> None:
    old = server.add_line(f"old:{OLD_CRYPT}", "old")
    before = server.passwords.read_text("utf-8").splitlines()
    with server.json() as client:
        refusal = client.refused("login", name=old, password="wrong password")
        assert refusal["code"] == "bad_credentials"
        assert server.passwords.read_text("utf-8").splitlines() == before
        client.login(old, OLD_PASSWORD)
    after = server.passwords.read_text("utf-8").splitlines()
    assert after[:-1] == before[:-1]
    assert after[-1].startswith(f"{old}:$argon2id$")
    with server.json() as client:
        client.login(old, OLD_PASSWORD)


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
