"""Authentication: nobody gets in who does not belong, and nobody learns who does."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chatserver.accounts.authentication import Authenticator
from chatserver.accounts.file import Account, Accounts
from chatserver.accounts.lockout import Lockout
from chatserver.accounts.passwords import Passwords
from chatserver.errors import CommandError, Disconnected
from chatserver.net.ratelimit import TokenBuckets

from .fakes import CHEAP, PASSWORD, FakeClock, all_at_once, raising
from .test_passwords import LEGACY

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Door:
    """An authenticator with everything it needs."""

    def __init__(self, folder: Path, address_failures: int = 30) -> None:
        self.clock = FakeClock()
        self.accounts = Accounts(folder / "user_pass.txt")
        self.passwords = Passwords(CHEAP)
        self.by_name = Lockout(3, 60, self.clock)
        self.by_address = Lockout(address_failures, 600, self.clock)
        self.authenticator = Authenticator(
            self.accounts, self.passwords, self.by_name, self.by_address
        )
        hashed = self.passwords.hash(PASSWORD)
        with self.accounts.edit() as draft:
            draft.put(Account("Alice", hashed))
            draft.put(Account("bob", hashed))
            draft.put(Account("off", f"!{hashed}"))
            draft.put(Account("old", LEGACY["hex_sha1"]))

    def enter(self, name: str, password: str = PASSWORD, address: str = HERE) -> str:
        return self.authenticator.authenticate(name, password, address).name

    def refusal(
        self, name: str, password: str = "wrong", address: str = HERE, times: int = 1
    ) -> CommandError:
        """Be refused so many times; return why at the last."""
        for _ in range(times):
            with pytest.raises(CommandError) as raised:
                self.enter(name, password, address)
        return raised.value


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_the_right_password_opens_and_the_name_is_as_its_owner_spells_it(door: Door) -> None:
    assert door.enter("aLICE") == "Alice"


def test_three_wrong_passwords_count_down_and_block(door: Door) -> None:
    refusals = [door.refusal("bob") for _ in range(3)]
    assert [each.code for each in refusals] == ["bad_credentials"] * 3
    assert [each.attempts_left for each in refusals] == [2, 1, 0]
    assert [each.text for each in refusals] == [
        "Wrong name or password; 2 tries left.",
        "Wrong name or password; 1 try left.",
        "Wrong name or password; no try left, try again in 60 seconds.",
    ]
    assert [each.retry_after for each in refusals] == [None, None, 60]


def test_a_block_is_of_one_name_at_one_address_even_for_the_right_password(door: Door) -> None:
    door.refusal("bob", times=3)
    door.clock.advance(10)
    refusal = door.refusal("BOB", PASSWORD)
    assert (refusal.code, refusal.retry_after) == ("locked_out", 50)
    assert refusal.text == "Too many wrong passwords; try again in 50 seconds."
    assert door.enter("bob", address=THERE) == "bob"
    assert door.enter("alice") == "Alice"
    door.clock.advance(50)
    assert door.enter("bob") == "bob"


def test_a_64_of_ipv6_is_one_address(door: Door) -> None:
    for number in range(3):
        door.refusal("bob", address=f"2001:db8::{number}")
    assert door.refusal("bob", PASSWORD, "2001:db8::ffff").code == "locked_out"
    assert door.enter("bob", address="2001:db8:0:1::1") == "bob"


@pytest.mark.parametrize("name", ["nobody", "off", "", "no name at all", "x" * 5000, "a\nb"])
def test_unknown_and_disabled_accounts_look_like_wrong_passwords(door: Door, name: str) -> None:
    for _ in range(4):
        one, other = door.refusal("bob"), door.refusal(name, PASSWORD)
        assert one.event() == other.event()


def test_success_forgets_the_failures(door: Door) -> None:
    door.refusal("bob", times=2)
    door.enter("bob")
    assert door.refusal("bob").attempts_left == 2


def test_a_password_over_the_limit_is_wrong_and_never_hashed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Passwords, "verify")
    assert door.refusal("bob", "x" * 129).attempts_left == 2


def test_ten_tries_at_once_are_three(door: Door) -> None:
    refusals = all_at_once(*[partial(door.refusal, "bob")] * 10)
    codes = sorted(each.code for each in refusals)
    assert codes == ["bad_credentials"] * 3 + ["locked_out"] * 7


def test_an_address_cannot_go_on_to_the_next_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door(tmp_path, address_failures=5)
    for number in range(4):
        assert door.refusal(f"guess{number}").attempts_left == 2
    last = door.refusal("guess4")
    assert (last.attempts_left, last.retry_after) == (0, 600)
    assert f"login blocked: address={HERE} seconds=600 name=*" in caplog.text
    assert door.refusal("alice", PASSWORD).code == "locked_out"
    assert door.enter("alice", address=THERE) == "Alice"
    door.clock.advance(600)
    assert door.enter("alice") == "Alice"


def test_a_login_of_ones_own_buys_no_more_guesses(tmp_path: Path) -> None:
    door = Door(tmp_path, address_failures=4)
    for number in range(3):
        door.refusal(f"guess{number}")
        door.enter("alice")
    assert door.refusal("guess4").retry_after == 600


def test_refusals_of_a_blocked_name_do_not_count_against_the_address(tmp_path: Path) -> None:
    door = Door(tmp_path, address_failures=4)
    door.refusal("bob", times=10)
    assert door.enter("alice") == "Alice"


def test_too_many_logins_at_once_from_one_address_are_told_to_wait(tmp_path: Path) -> None:
    door = Door(tmp_path, address_failures=2)
    door.by_address.begin((HERE,), wait=False)
    door.by_address.begin((HERE,), wait=False)
    refusal = door.refusal("alice", PASSWORD)
    assert (refusal.code, refusal.retry_after) == ("try_later", 1)
    door.by_address.abandoned((HERE,))
    assert door.enter("alice") == "Alice"


def test_sixty_people_of_whom_every_second_mistypes_once_all_get_in(door: Door) -> None:
    hashed = door.passwords.hash(PASSWORD)
    with door.accounts.edit() as draft:
        for number in range(60):
            draft.put(Account(f"p{number}", hashed))
    for number in range(60):
        if number % 2:
            door.refusal(f"p{number}")
        assert door.enter(f"p{number}") == f"p{number}"


def test_who_was_in_from_there_keeps_a_way_in(tmp_path: Path) -> None:
    door = Door(tmp_path, address_failures=5)
    door.enter("bob")
    for number in range(5):
        door.refusal(f"guess{number}")
    assert door.refusal("alice", PASSWORD).code == "locked_out"
    assert door.enter("bob") == "bob"
    assert door.enter("Bob") == "bob"
    # That is no way to guess at bob, whose own block is the same as ever.
    assert [door.refusal("bob").attempts_left for _ in range(3)] == [2, 1, 0]
    assert door.refusal("bob", PASSWORD).code == "locked_out"


def test_logins_of_one_name_have_a_rate(door: Door) -> None:
    rates = TokenBuckets(1, 5, door.clock)
    door.authenticator = Authenticator(
        door.accounts, door.passwords, door.by_name, door.by_address, rates
    )
    for _ in range(5):
        door.enter("bob")
    refusal = door.refusal("bob", PASSWORD)
    assert (refusal.code, refusal.retry_after) == ("try_later", 1)
    assert door.enter("alice") == "Alice"
    assert door.enter("bob", address=THERE) == "bob"
    door.clock.advance(1)
    assert door.enter("bob") == "bob"


def test_nothing_is_hashed_or_counted_for_who_has_gone(door: Door) -> None:
    gone = raising(Disconnected("closed by the client"))
    for password in (PASSWORD, "wrong"):
        with pytest.raises(Disconnected):
            door.authenticator.authenticate("bob", password, HERE, gone)
    assert door.refusal("bob").attempts_left == 2


def test_a_wrong_password_counts_for_who_goes_meanwhile(door: Door) -> None:
    looks = []
    with pytest.raises(CommandError):
        door.authenticator.authenticate("bob", "wrong", HERE, lambda: looks.append(1))
    assert looks == [1]  # before the hash, and not again before the failure is counted
    assert door.refusal("bob").attempts_left == 1


def test_what_could_not_be_checked_is_no_try(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "verify", raising(CommandError("try_later", "Too many.")))
        assert door.refusal("bob", times=50).code == "try_later"
    assert door.refusal("bob").attempts_left == 2


def test_an_old_hash_is_renewed_at_the_login_and_at_nothing_less(door: Door) -> None:
    door.refusal("old")
    assert door.accounts.find("old") == Account("old", LEGACY["hex_sha1"])
    assert door.enter("OLD") == "old"
    renewed = door.accounts.find("old")
    assert renewed is not None
    assert renewed.hash.startswith("$argon2id$")
    assert door.enter("old") == "old"


def test_a_renewal_does_not_undo_a_change_of_the_password(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Account("old", door.passwords.hash("another horse"))
    verify = Passwords.verify

    def meanwhile(*what: Any) -> tuple[bool, str | None]:
        result = verify(*what)
        with door.accounts.edit() as draft:
            draft.put(changed)
        return result

    monkeypatch.setattr(Passwords, "verify", meanwhile)
    assert door.enter("old") == "old"
    assert door.accounts.find("old") == changed


def test_a_full_disk_keeps_nobody_out(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = raising(OSError(28, "No space left on device"))
    monkeypatch.setattr("chatserver.accounts.file.write_atomically", full)
    assert door.enter("old") == "old"
    assert "password hash not renewed: name=old: No space left on device" in caplog.text


def test_one_line_for_each_failure_and_each_block(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        door.refusal("bob", times=4)
    assert [record.getMessage() for record in caplog.records] == [
        f"login failed: address={HERE} attempts_left=2 name=bob",
        f"login failed: address={HERE} attempts_left=1 name=bob",
        f"login failed: address={HERE} attempts_left=0 name=bob",
        f"login blocked: address={HERE} seconds=60 name=bob",
        f"login refused: address={HERE} name=bob",
    ]


def test_a_password_typed_as_a_name_is_not_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("hunter2hunter2", "correct horse battery", "\x1b[2J" * 20, "xy"):
        door.refusal(name, times=4)
    assert "name=hu*(14 characters)" in caplog.text
    for secret in ("hunter2", "horse", "[2J", "xy*(2 characters)y"):
        assert secret not in caplog.text


def test_no_name_can_forge_a_log_line(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.refusal("bob\nlogin failed: address=198.51.100.1 \x1b[2J")
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().isprintable()
    assert caplog.records[0].getMessage().startswith(f"login failed: address={HERE} ")


def test_no_password_is_ever_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        door.enter("old")
        door.refusal("bob", "my wrong secret")
    assert PASSWORD not in caplog.text
    assert "secret" not in caplog.text
