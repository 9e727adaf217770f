"""The command login: what it looks at beside the password."""

from pathlib import Path

import pytest

from chatserver.commands.context import Context
from chatserver.errors import Disconnected
from chatserver.settings import SessionSettings, Settings

from .fakes import CHEAP, PASSWORD, Client, Server


def arriving(server: Server, name: str = "bob") -> tuple[Client, Context]:
    client = Client(name)
    return client, server.context(client, logged_in=False)


def test_a_client_that_has_gone_is_neither_checked_nor_announced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alice,) = server.joined("alice")
    client, context = arriving(server)
    client.stream.coming = b""
    monkeypatch.setattr(server.passwords, "_check", None)
    with pytest.raises(Disconnected):
        server.ask(context, "login", name="bob", password=PASSWORD)
    assert alice.named("presence") == []


def test_a_client_that_goes_during_the_hash_is_not_announced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alice,) = server.joined("alice")
    client, context = arriving(server)
    check = server.passwords._check

    def meanwhile(password: str, stored: str) -> tuple[bool, str | None]:
        client.stream.coming = b""
        return check(password, stored)

    monkeypatch.setattr(server.passwords, "_check", meanwhile)
    with pytest.raises(Disconnected):
        server.ask(context, "login", name="bob", password=PASSWORD)
    server.settle()
    assert alice.named("presence") == []
    assert server.directory.recipient("bob").sessions == ()


@pytest.mark.parametrize("left", ["read already", "on its way"])
def test_who_has_ended_its_side_is_served_while_requests_are_left(
    server: Server, left: str
) -> None:
    client, context = arriving(server)
    client.connection.more_read = left == "read already"
    client.stream.coming = b"" if left == "read already" else b"{}\n"
    assert server.ask(context, "login", name="bob", password=PASSWORD) is None
    assert context.session is not None
    assert client.connection.receive() == client.stream.coming  # nothing of it was lost


def test_the_sessions_of_one_account_share_a_rate(tmp_path: Path) -> None:
    session = SessionSettings(rate_per_second=1, rate_burst=5)
    with Server(tmp_path, Settings(passwords=CHEAP, session=session)) as server:
        server.add_accounts("bob", "alice")
        contexts = []
        for name in ("bob", "bob", "alice"):
            _, context = arriving(server, name)
            server.ask(context, "login", name=name, password=PASSWORD)
            contexts.append(context)
        desk, laptop, alice = contexts
        assert desk.bucket is laptop.bucket
        assert alice.bucket is not desk.bucket


def test_an_account_has_so_many_sessions(tmp_path: Path) -> None:
    session = SessionSettings(rate_per_second=0, max_sessions_per_account=2)
    with Server(tmp_path, Settings(passwords=CHEAP, session=session)) as server:
        server.add_accounts("bob", "alice")
        clients = []
        for _ in range(2):
            client, context = arriving(server)
            assert server.ask(context, "login", name="bob", password=PASSWORD) is None
            assert context.session is not None
            client.session = context.session
            clients.append(client)
        _, context = arriving(server)
        answer = server.ask(context, "login", name="bob", password=PASSWORD)
        assert answer is not None
        assert answer["code"] == "try_later"
        assert answer["text"].startswith("This account is logged in 2 times already;")
        assert context.refusals == 0
        server.leave(clients[0])
        assert server.ask(context, "login", name="bob", password=PASSWORD) is None
