"""The command login: what it looks at beside the password."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatserver.commands.context import Context
from chatserver.commands.dispatcher import dispatch
from chatserver.dialects.json import JsonDialect, JsonRequest
from chatserver.errors import CommandError, Disconnected
from chatserver.order.items import Came, Item
from chatserver.order.outcome import Outcome
from chatserver.settings import SessionSettings, Settings
from chatwire.protocol import encode

from .fakes import CHEAP, DEADLINE, PASSWORD, Client, Server


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
    assert server.sessions_of("bob") == ()


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


def test_of_many_who_log_in_at_once_the_first_find_a_place(tmp_path: Path) -> None:
    session = SessionSettings(rate_per_second=0, max_sessions_per_account=5)
    with Server(tmp_path, Settings(passwords=CHEAP, session=session)) as server:
        server.add_accounts("bob")
        arrivals = [arriving(server) for _ in range(40)]
        begin = threading.Barrier(len(arrivals))

        def log_in(context: Context) -> str:
            request = JsonDialect(server.registry, 0).read(
                encode({"op": "login", "name": "bob", "password": PASSWORD})
            )
            assert isinstance(request, JsonRequest)
            begin.wait(DEADLINE)
            answer = dispatch(context, request)
            return "in" if answer is None else getattr(answer, "code", "")

        with ThreadPoolExecutor(len(arrivals)) as pool:
            answers = list(pool.map(log_in, [context for _, context in arrivals]))
        assert Counter(answers) == {"in": 5, "try_later": 35}
        assert len(server.sessions_of("bob")) == len(server.directory._sessions) == 5
        assert not any(client.connection.outbox.holding for client, _ in arrivals)


def test_what_was_missed_is_shown_though_another_device_is_busy_meanwhile(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, alice = server.joined("bob", "alice")
    server.say(alice, "missed")
    server.settle()
    still = server.services.authenticator.still_lets_in

    def meanwhile(*whose: str) -> bool:
        server.ask(server.context(desk), "busy")
        return still(*whose)

    monkeypatch.setattr(server.services.authenticator, "still_lets_in", meanwhile)
    phone = server.log_in("bob", since=0)
    assert phone.said() == ["missed"]
    server.say(alice, "held")
    server.settle()
    assert phone.said() == []
    server.ask(server.context(phone), "idle")
    assert phone.said() == ["held"]


def test_what_waited_is_shown_once_though_busy_ends_during_a_login(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, alice = server.joined("bob", "alice")
    server.ask(server.context(desk), "busy")
    server.say(alice, "held")
    server.settle()
    still = server.services.authenticator.still_lets_in

    def meanwhile(*whose: str) -> bool:
        server.ask(server.context(desk), "idle")
        server.say(alice, "live")
        server.settle()
        return still(*whose)

    monkeypatch.setattr(server.services.authenticator, "still_lets_in", meanwhile)
    phone = server.log_in("bob")
    server.replay.stop(DEADLINE)
    reply, *events = phone.events()
    assert (reply["op"], reply["busy"], reply["missed"]) == ("login", True, 1)
    assert [each["text"] for each in events if each["event"] == "message"] == ["held", "live"]


def test_a_login_of_which_nobody_knows_whether_it_came_leaves_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn in the order has come and an answer has not: it must not stay for ever."""
    run = server.order.run

    def lost(item: Item) -> Outcome:
        outcome = run(item)
        if isinstance(item, Came):
            raise CommandError("internal", "The server does not get on; connect again.")
        return outcome

    client, context = arriving(server)
    with monkeypatch.context() as patched:
        patched.setattr(server.order, "run", lost)
        answer = server.ask(context, "login", name="bob", password=PASSWORD)
    assert answer is not None
    assert answer["code"] == "internal"
    assert client.connection.ended
    assert context.session is not None  # which its handler gives up
    client.session = context.session
    server.leave(client)
    assert server.directory._sessions == {}
    assert server.account("bob").sessions == ()
