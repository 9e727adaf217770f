"""A session is one account's: what becomes of it when the accounts file changes under it."""

import threading
from pathlib import Path
from typing import Any

import pytest

from chatserver.accounts.changes import AccountChanges
from chatserver.accounts.file import Account
from chatserver.control import DeleteAccounts
from chatserver.errors import CommandError
from chatserver.serving import account_watch
from chatserver.serving.account_watch import _LOOKS, AccountWatch
from chatserver.serving.accounts_keeper import AccountsKeeper

from .fakes import DEADLINE, PASSWORD, Server, raising

OVERLOADED = raising(CommandError("try_later", "The server is overloaded; try again."))


@pytest.fixture
def watch(server: Server) -> AccountWatch:
    return AccountWatch(server.services)


def look(watch: AccountWatch, server: Server) -> None:
    """Look as often as it takes to believe what is seen."""
    for _ in range(_LOOKS):
        watch._look()
    server.settle()


def remove(server: Server, name: str) -> None:
    """Do what `chat deluser` has the server do."""
    keeper = AccountsKeeper(server.services.registrar, server.services.devices)
    AccountChanges(server.accounts, keeper).delete(DeleteAccounts((name,)))


def change(server: Server, name: str) -> None:
    """Put another password into the file."""
    server.put(name, server.passwords.hash("another horse"))


def replace(server: Server, name: str) -> None:
    """Have an account of the same name instead, of another owner."""
    remove(server, name)
    change(server, name)


REMOVED = ("kicked", "This account was removed by the operator.")
DISABLED = ("disabled", "This account was disabled by the operator.")
CHANGED = (
    "password_changed",
    "The password of this account was changed; log in with the new one.",
)


def test_what_is_done_to_an_account_ends_its_sessions_and_no_others(
    server: Server, watch: AccountWatch
) -> None:
    desk, laptop, carol, thief, alice = server.joined("bob", "bob", "Carol", "dave", "alice")
    with server.accounts.edit() as draft:
        draft.remove("bob")
    server.put("Carol", f"!{server.hash_of('Carol')}")
    change(server, "dave")
    look(watch, server)
    assert desk.ending == laptop.ending == REMOVED
    assert carol.ending == DISABLED
    assert thief.ending == CHANGED
    assert alice.ending is None
    offline = [each["name"] for each in alice.named("presence") if each["state"] == "offline"]
    assert sorted(offline) == ["Carol", "bob", "dave"]


def test_a_renewed_hash_ends_no_session(server: Server, watch: AccountWatch) -> None:
    server.put("bob", "c" * 40)  # of a kind that is renewed
    (old,) = server.joined("bob")
    better = server.passwords.hash(PASSWORD)
    assert server.accounts.renew(Account("bob", "c" * 40), better)
    look(watch, server)
    second = server.log_in("bob")
    assert old.ending is second.ending is None


def test_a_file_that_is_half_saved_ends_no_session(server: Server, watch: AccountWatch) -> None:
    bob, alice = server.joined("bob", "alice")
    whole = server.accounts.path.read_bytes()
    watch._look()
    for half in (b"", whole[:30]):
        server.accounts.path.write_bytes(half)
        watch._look()
    server.accounts.path.write_bytes(whole)
    look(watch, server)
    assert bob.ending is alice.ending is None


def test_a_file_that_cannot_be_read_ends_no_session(
    server: Server, watch: AccountWatch, caplog: pytest.LogCaptureFixture
) -> None:
    (bob,) = server.joined("bob")
    server.accounts.path.unlink()
    server.accounts.path.mkdir()
    look(watch, server)
    assert bob.ending is None
    assert "cannot be read: Is a directory" in caplog.text


@pytest.mark.parametrize("here", [True, False], ids=["here", "away"])
def test_a_new_account_of_the_name_inherits_nothing(server: Server, here: bool) -> None:
    """Nobody looks in between: deleting, adding and the login are all faster."""
    alice, old = server.joined("alice", "bob")
    server.ask(server.context(old), "busy", reply="no")
    server.ask(server.context(old), "hide")
    server.say(alice, "for the old bob", "bob")
    if not here:
        server.leave(old)
    replace(server, "bob")
    new = server.log_in("bob", "another horse")
    account = server.account("bob")
    assert (account.busy, account.hidden, account.acked) == (False, False, 0)
    assert server.services.rooms.stretches(account.id)[0].since == 1
    assert new.said() == []
    if here:
        assert old.ending == REMOVED
        server.leave(old)  # its handler is slower
    assert server.sessions_of("bob") == (new.session,)


def test_the_old_session_hears_and_says_nothing_as_the_new_owner(server: Server) -> None:
    """The new owner has not even logged in, and nobody has looked at the file."""
    alice, desk, laptop = server.joined("alice", "bob", "bob")
    replace(server, "bob")
    server.say(alice, "for the new bob", "bob")
    assert desk.said() == laptop.said() == []
    assert desk.ending == laptop.ending == REMOVED
    alice.events()
    server.say(desk, "as bob", "alice")
    assert [each["code"] for each in desk.named("error")] == ["kicked"]
    assert alice.said() == []
    new = server.log_in("bob", "another horse")
    page = server.ask(server.context(new), "history", **{"with": "alice"})
    assert [each["text"] for each in page["messages"]] == ["for the new bob"]


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("history", {"with": "alice"}),
        ("search", {"query": "new"}),
        ("status", {}),
        ("idle", {}),
        ("busy", {}),
        ("hide", {}),
        ("who", {}),
    ],
)
def test_the_old_session_reads_and_changes_nothing_of_the_new_owner(
    server: Server, op: str, arguments: dict[str, str]
) -> None:
    alice, old = server.joined("alice", "bob")
    replace(server, "bob")
    server.say(alice, "for the new bob", "bob")
    answer = server.ask(server.context(old), op, **arguments)
    assert (answer["event"], answer["code"]) == ("error", "kicked")
    assert old.said() == []
    account = server.account("bob")
    assert (account.busy, account.hidden, account.sessions) == (False, False, ())


@pytest.mark.parametrize("meanwhile", [replace, remove], ids=["used again", "gone"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "never here"])
def test_a_login_that_was_checked_before_the_change_comes_too_late(
    server: Server, monkeypatch: pytest.MonkeyPatch, meanwhile: Any, known: bool
) -> None:
    if known:
        server.registrar.account_id("bob")
    verify = server.passwords.verify

    def verify_and_change(*what: Any) -> tuple[bool, str | None]:
        result = verify(*what)
        meanwhile(server, "bob")
        return result

    client, context = server.arriving("bob")
    with monkeypatch.context() as patched:
        patched.setattr(server.passwords, "verify", verify_and_change)
        answer = server.ask(context, "login", name="bob", password=PASSWORD)
    assert answer["code"] == "try_later"
    assert context.session is None
    assert server.sessions_of("bob") == ()
    assert client.connection.number not in server.directory._sessions
    assert not client.connection.outbox.holding
    assert meanwhile is replace or server.directory.account_id("bob") is None
    assert server.ask(context, "login", name="alice", password=PASSWORD) == {}  # it may go on


def test_a_login_with_the_new_password_ends_the_sessions_of_the_old_one(server: Server) -> None:
    (thief,) = server.joined("bob")
    server.ask(server.context(thief), "hide")
    change(server, "bob")
    new = server.log_in("bob", "another horse")
    assert thief.ending == CHANGED
    assert new.ending is None
    assert server.account("bob").hidden  # the account is the same one


def test_a_message_to_a_known_name_does_not_look_at_the_file(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = server.joined("alice", "bob")
    context = server.context(alice)
    looks = []
    stat = Path.stat

    def counted(path: Path, **options: bool) -> object:
        if path == server.accounts.path:
            looks.append(path)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", counted)
    for _ in range(5):
        server.ask(context, "send", to=["bob"], text="hi")
    assert looks == []
    server.ask(context, "send", to=["nobody"], text="hi")
    assert looks


def test_an_account_just_added_can_be_written_to(server: Server) -> None:
    (alice,) = server.joined("alice")
    with server.accounts.path.open("a", encoding="utf-8") as file:  # by another program
        file.write("newcomer:x\n")
    server.ask(server.context(alice), "send", to=["newcomer"], text="hi")
    assert [each["stored"] for each in alice.named("reply")] == [["newcomer"]]


def test_who_is_deleted_while_somebody_writes_to_him_gets_no_number(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the next one of that name would find it, and what was said to it."""
    (alice,) = server.joined("alice")
    find = server.accounts.find

    def meanwhile(name: str) -> Account | None:
        found = find(name)
        remove(server, "bob")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(server.accounts, "find", meanwhile)
        answer = server.ask(server.context(alice), "send", to=["bob"], text="for the old bob")
    assert answer["code"] == "try_later"
    assert server.directory.account_id("bob") is None


def test_what_could_not_be_ended_is_ended_at_the_next_look(
    server: Server, watch: AccountWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bob,) = server.joined("bob")
    change(server, "bob")
    with monkeypatch.context() as patched:
        patched.setattr(server.order, "run", OVERLOADED)
        for _ in range(_LOOKS - 1):
            watch._look()
        for _ in range(2):
            with pytest.raises(CommandError):
                watch._look()
    watch._look()
    assert bob.ending == CHANGED


def test_the_watch_goes_on_when_the_order_does_not(
    watch: AccountWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, enough = iter(range(3)), threading.Event()

    def look() -> None:
        if next(looks, 2) == 2:
            enough.set()
        OVERLOADED()

    monkeypatch.setattr(account_watch, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(watch, "_look", look)
    watch.start()
    assert enough.wait(DEADLINE)
    watch.stop()
