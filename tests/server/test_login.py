"""The command login: what it looks at beside the password."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from chatserver.commands.dispatcher import dispatch
from chatserver.errors import CommandError, Disconnected
from chatserver.order.items import Came, Item
from chatserver.order.outcome import Outcome
from chatserver.settings import SessionSettings
from chatwire.events import Event

from .fakes import DEADLINE, PASSWORD, Client, Pair, Server, all_at_once, request

LOGIN = request("login", name="bob", password=PASSWORD)


@pytest.mark.parametrize("when", ["before the hash", "during the hash"])
def test_a_client_that_has_gone_is_neither_checked_nor_announced(
    server: Server, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    (alice,) = server.joined("alice")
    client, context = server.arriving()
    check, checks = server.passwords._check, []

    def meanwhile(password: str, stored: str) -> tuple[bool, str | None]:
        checks.append(stored)
        client.stream.coming = b""
        return check(password, stored)

    if when == "before the hash":
        client.stream.coming = b""
    monkeypatch.setattr(server.passwords, "_check", meanwhile)
    with pytest.raises(Disconnected):
        dispatch(context, LOGIN)
    server.settle()
    assert len(checks) == (when == "during the hash")
    assert alice.named("presence") == []
    assert server.sessions_of("bob") == ()


@pytest.mark.parametrize("left", ["read already", "on its way"])
def test_who_has_ended_its_side_is_served_while_requests_are_left(
    server: Server, left: str
) -> None:
    client, context = server.arriving()
    client.connection.more_read = left == "read already"
    client.stream.coming = b"" if left == "read already" else b"{}\n"
    assert dispatch(context, LOGIN) is None
    assert context.session is not None
    assert client.connection.receive() == client.stream.coming  # nothing of it was lost


def test_the_sessions_of_one_account_share_a_rate(tmp_path: Path) -> None:
    with Server(tmp_path, session=SessionSettings(rate_per_second=1, rate_burst=5)) as server:
        server.add_accounts("bob", "alice")
        contexts = []
        for name in ("bob", "bob", "alice"):
            _, context = server.arriving(name)
            server.ask(context, "login", name=name, password=PASSWORD)
            contexts.append(context)
        desk, laptop, alice = contexts
        assert desk.bucket is laptop.bucket
        assert alice.bucket is not desk.bucket


def test_an_account_has_so_many_sessions(tmp_path: Path) -> None:
    session = SessionSettings(rate_per_second=0, max_sessions_per_account=2)
    with Server(tmp_path, session=session) as server:
        server.add_accounts("bob")
        first, _ = server.log_in("bob"), server.log_in("bob")
        _, context = server.arriving()
        answer = server.ask(context, "login", name="bob", password=PASSWORD)
        assert answer["code"] == "try_later"
        assert answer["text"].startswith("This account is logged in 2 times already;")
        assert context.refusals == 0
        server.leave(first)
        assert dispatch(context, LOGIN) is None


def test_of_many_who_log_in_at_once_the_first_find_a_place(tmp_path: Path) -> None:
    session = SessionSettings(rate_per_second=0, max_sessions_per_account=5)
    with Server(tmp_path, session=session) as server:
        server.add_accounts("bob")
        arrivals = [server.arriving() for _ in range(40)]
        answers: list[Event | None] = all_at_once(
            *(partial(dispatch, context, LOGIN) for _, context in arrivals)
        )
        codes = Counter("in" if each is None else getattr(each, "code", "") for each in answers)
        assert codes == {"in": 5, "try_later": 35}
        assert len(server.sessions_of("bob")) == len(server.directory._sessions) == 5
        assert not any(client.connection.outbox.holding for client, _ in arrivals)


def log_in_while(
    pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    *steps: Callable[[], object],
    since: int | None = None,
) -> Client:
    """Return another device of bob's; `steps` come between its password and its place."""
    still = pair.server.services.authenticator.still_lets_in

    def meanwhile(*whose: str) -> bool:
        for step in steps:
            step()
        return still(*whose)

    monkeypatch.setattr(pair.server.services.authenticator, "still_lets_in", meanwhile)
    return pair.server.log_in("bob", since=since)


def test_what_was_missed_is_shown_though_another_device_is_busy_meanwhile(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.server.say(pair.alice, "missed")
    phone = log_in_while(pair, monkeypatch, partial(pair.bob_asks, "busy"), since=0)
    assert phone.said() == ["missed"]
    pair.server.say(pair.alice, "held")
    assert phone.said() == []
    pair.server.ask(pair.server.context(phone), "idle")
    assert phone.said() == ["held"]


def test_what_waited_is_shown_once_though_busy_ends_during_a_login(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.bob_asks("busy")
    pair.server.say(pair.alice, "held")
    live = partial(pair.server.say, pair.alice, "live")
    phone = log_in_while(pair, monkeypatch, partial(pair.bob_asks, "idle"), live)
    pair.server.replay.stop(DEADLINE)
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

    client, context = server.arriving()
    with monkeypatch.context() as patched:
        patched.setattr(server.order, "run", lost)
        answer = server.ask(context, "login", name="bob", password=PASSWORD)
    assert answer["code"] == "internal"
    assert client.connection.ended
    assert context.session is not None  # which its handler gives up
    client.session = context.session
    server.leave(client)
    assert server.directory._sessions == {}
    assert server.account("bob").sessions == ()
