"""Devices: coming with a token, and when that ends."""

from pathlib import Path

import pytest

from chatserver.commands.context import Context
from chatserver.errors import CommandError
from chatserver.order.devices import MOST
from chatserver.storage.store import StorageFull
from chatwire.events import Event

from .fakes import PASSWORD, Client, Server, refusal

DAY = 86_400.0


def made(server: Server, name: str = "bob", client: str = "a browser") -> str:
    """Return a token of an account."""
    account = server.accounts.look_up(name)
    assert account is not None
    return server.devices.make(account, "192.0.2.7", client)


def coming(server: Server, token: str) -> tuple[Client, Context, Event]:
    """Have somebody come with a token."""
    client, context = server.arriving()
    device = server.devices.find(token)
    client.connection.device = "" if device is None else device.token
    refused = server.ask(context, "resume")
    return client, context, refused or client.named("reply")[0]


def comes(server: Server, token: str) -> bool:
    """Tell whether somebody who has a token may come."""
    found = server.devices.find(token) is not None
    client, context, answer = coming(server, token)
    assert (answer["event"] == "reply") == (context.session is not None) == found
    if found:
        server.leave(client)
    return found


def test_who_has_a_token_comes_in_without_a_password(server: Server) -> None:
    client, context, answer = coming(server, made(server))
    assert (answer["op"], answer["name"], answer["missed"]) == ("resume", "bob", 0)
    assert context.session is not None
    assert not client.connection.attended
    (device,) = server.ask(context, "devices")["devices"]
    assert (device["client"], device["address"], device["this"]) == ("a browser", "127.0.0.1", True)


def test_a_connection_that_came_with_a_token_is_nobody_elses(server: Server) -> None:
    client, context = server.arriving()
    device = server.devices.find(made(server))
    assert device is not None
    client.connection.device = device.token
    refused = server.ask(context, "login", name="alice", password=PASSWORD)
    assert refusal(refused)[0] == "bad_request"
    assert context.session is None


def test_nobody_comes_without_one(server: Server) -> None:
    token = made(server)
    for wrong in ("", token[:-1], token + "A", token.swapcase(), "\udcff"):
        assert not comes(server, wrong)
    code, text = refusal(coming(server, "nonsense")[2])
    assert code == "bad_credentials"
    assert "log in with a name" in text


def test_the_token_is_in_no_file(server: Server, tmp_path: Path) -> None:
    token = made(server)
    server.settle()
    for file in server.store.path.parent.rglob("*"):
        if file.is_file():
            assert token.encode() not in file.read_bytes()


def test_a_revoked_device_is_out_at_once(server: Server) -> None:
    token, other = made(server), made(server)
    client, _, _ = coming(server, token)
    _, asker, _ = coming(server, other)
    listed = server.ask(asker, "devices")["devices"]
    number = next(each["device"] for each in listed if not each.get("this"))
    assert server.ask(asker, "revoke", device=number)["ended"] == 1
    assert client.connection.ending is not None
    assert client.connection.ending.code == "logged_out"
    assert not comes(server, token)
    assert comes(server, other)
    code, text = refusal(server.ask(asker, "revoke", device=number))
    assert (code, "type devices" in text) == ("no_such_device", True)


def test_nobody_revokes_the_devices_of_others(server: Server) -> None:
    tokens = [made(server, "alice") for _ in range(2)]
    _, context, _ = coming(server, made(server, "bob"))
    assert refusal(server.ask(context, "revoke", device=2))[0] == "no_such_device"
    server.ask(context, "revoke", device=1)  # its own
    assert [comes(server, each) for each in tokens] == [True, True]


def test_another_password_ends_them(server: Server) -> None:
    token = made(server)
    client, _, _ = coming(server, token)
    server.put("bob", server.passwords.hash("another password"))
    server.registrar.review("bob")
    assert client.connection.ending is not None
    assert not comes(server, token)
    # With the old one again, the old token would be good; so it is taken away for good.
    server.devices.sweep()
    server.settle()
    assert server.devices.of(server.account_id("bob")) == ()


def test_a_renewed_hash_is_the_same_password(server: Server) -> None:
    token = made(server)
    account = server.accounts.look_up("bob")
    assert account is not None
    assert server.accounts.renew(account, server.passwords.hash("correct horse"))
    assert comes(server, token)
    assert comes(server, made(server))
    server.devices.sweep()
    server.settle()
    assert comes(server, token)


def test_an_account_that_is_switched_off_comes_with_none(server: Server) -> None:
    token = made(server)
    server.put("bob", "!" + server.hash_of("bob"))
    assert not comes(server, token)


def test_a_deleted_account_leaves_none_behind(server: Server) -> None:
    token = made(server)
    before = server.account_id("bob")
    hashed = server.hash_of("bob")
    server.registrar.delete("bob")
    server.put("bob", hashed)
    assert server.account_id("bob") != before
    assert not comes(server, token)
    assert server.devices.of(server.account_id("bob")) == ()


@pytest.mark.parametrize(("used", "days", "lives"), [(29, 29, True), (0, 31, False)])
def test_what_is_not_used_for_a_month_ends(
    server: Server, monkeypatch: pytest.MonkeyPatch, used: int, days: int, lives: bool
) -> None:
    token, now = made(server), server.time.now()
    monkeypatch.setattr(server.time, "now", lambda: now + int(used * DAY * 1000))
    if used:
        assert comes(server, token)
    monkeypatch.setattr(server.time, "now", lambda: now + int((used + days) * DAY * 1000))
    assert comes(server, token) == lives


def test_nothing_lasts_half_a_year(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token, now = made(server), server.time.now()
    for day in range(0, 180, 20):
        monkeypatch.setattr(server.time, "now", lambda day=day: now + int(day * DAY * 1000))
        assert comes(server, token)
    monkeypatch.setattr(server.time, "now", lambda: now + int(181 * DAY * 1000))
    assert not comes(server, token)


def test_of_too_many_the_one_goes_that_was_not_seen_for_longest(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = [made(server) for _ in range(MOST)]
    now = server.time.now()
    monkeypatch.setattr(server.time, "now", lambda: now + int(DAY * 1000))
    assert comes(server, tokens[0])
    tokens.append(made(server))
    assert [comes(server, each) for each in tokens[:3]] == [True, False, True]


def test_what_a_client_says_that_it_is_is_kept_short_and_harmless(server: Server) -> None:
    made(server, client="\x1b[31m\nevil" + "x" * 1000)
    (device,) = server.devices.of(server.account_id("bob"))
    assert len(device.client) <= 100
    assert device.client.isprintable()


def test_a_device_that_ends_while_it_comes_has_no_session(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = made(server)
    note_seen = server.devices.note_seen

    def meanwhile(*arguments: object) -> None:
        note_seen(*arguments)  # type: ignore[arg-type]
        server.devices.end(server.account_id("bob"))

    monkeypatch.setattr(server.devices, "note_seen", meanwhile)
    _, context, answer = coming(server, token)
    assert refusal(answer)[0] == "logged_out"
    assert context.session is None
    assert server.sessions_of("bob") == ()


def test_a_full_disk_makes_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull("no room")

    write = server.store.write
    monkeypatch.setattr(server.store, "write", full)
    with pytest.raises(CommandError) as caught:
        made(server)
    assert caught.value.code == "storage_full"
    monkeypatch.setattr(server.store, "write", write)
    assert comes(server, made(server))
    assert len(server.devices.of(server.account_id("bob"))) == 1
