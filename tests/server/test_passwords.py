"""Passwords: what is accepted, what hashing costs, and that nobody can learn from the time."""

import hashlib
import threading
from functools import partial

import pytest
from passlib import hash as kinds

from chatserver.accounts.passwords import MAX_PASSWORD_BYTES, Passwords, too_long
from chatserver.errors import CommandError
from chatserver.settings import PasswordSettings

from .fakes import CHEAP, DEADLINE, PASSWORD, all_at_once, raising

LEGACY = {
    "bcrypt": kinds.bcrypt.using(rounds=4).hash(PASSWORD),
    "sha512_crypt": kinds.sha512_crypt.using(rounds=1000).hash(PASSWORD),
    "sha256_crypt": kinds.sha256_crypt.using(rounds=1000).hash(PASSWORD),
    "md5_crypt": kinds.md5_crypt.hash(PASSWORD),
    "des_crypt": kinds.des_crypt.hash(PASSWORD),
    "hex_sha512": hashlib.sha512(PASSWORD.encode()).hexdigest(),
    "hex_sha256": hashlib.sha256(PASSWORD.encode()).hexdigest(),
    "hex_sha1": hashlib.sha1(PASSWORD.encode()).hexdigest(),
}


class Recording(Passwords):
    """Passwords that remember the kind of each hash they were checked against."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.warm_up()
        self.checked: list[str | None] = []

    def _check(self, password: str, stored: str) -> tuple[bool, str | None]:
        if hasattr(self, "checked"):
            self.checked.append(self.scheme(stored))
        return super()._check(password, stored)


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(CHEAP)


def test_a_hash_is_argon2id_with_the_costs_of_the_settings() -> None:
    hashed = Passwords(PasswordSettings(time_cost=2, memory_kib=32, parallelism=3)).hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=32,t=2,p=3$")


def test_only_the_right_password_of_an_account_is_right(passwords: Passwords) -> None:
    stored = passwords.hash(PASSWORD)
    assert stored != passwords.hash(PASSWORD)
    assert passwords.verify(PASSWORD, stored) == (True, None)
    for wrong, kept in ((PASSWORD.upper(), stored), ("", stored), (PASSWORD, None), ("", None)):
        assert passwords.verify(wrong, kept) == (False, None)


@pytest.mark.parametrize("kind", LEGACY)
def test_an_old_kind_of_hash_is_taken_once_and_renewed(passwords: Passwords, kind: str) -> None:
    assert passwords.scheme(LEGACY[kind]) == kind
    assert passwords.can_verify(LEGACY[kind])
    assert passwords.verify("wrong horse", LEGACY[kind]) == (False, None)
    right, better = passwords.verify(PASSWORD, LEGACY[kind])
    assert right
    assert better is not None
    assert passwords.scheme(better) == "argon2"
    assert passwords.verify(PASSWORD, better) == (True, None)


def test_hex_may_be_in_capitals(passwords: Passwords) -> None:
    assert passwords.verify(PASSWORD, LEGACY["hex_sha256"].upper())[0]


@pytest.mark.parametrize("yesterday", [{"time_cost": 2}, {"memory_kib": 16}, {"memory_kib": 80}])
def test_a_hash_of_another_cost_is_renewed(passwords: Passwords, yesterday: dict[str, int]) -> None:
    costs = {"time_cost": 1, "memory_kib": 8, "parallelism": 1} | yesterday
    right, better = passwords.verify(PASSWORD, Passwords(PasswordSettings(**costs)).hash(PASSWORD))
    assert right
    assert better is not None
    assert better.startswith("$argon2id$v=19$m=8,t=1,p=1$")


@pytest.mark.parametrize(
    "stored", ["x", "!", "$argon2id$v=19$m=8,t=1", "$2b$04$short", "$6$", "\0", PASSWORD]
)
def test_a_damaged_hash_fits_no_password(passwords: Passwords, stored: str) -> None:
    assert passwords.verify(PASSWORD, stored) == (False, None)


@pytest.mark.parametrize("password", ["nul\0in it", "half a \ud800 pair"])
def test_a_password_that_cannot_be_hashed_is_wrong(passwords: Passwords, password: str) -> None:
    assert passwords.verify(password, passwords.hash(PASSWORD)) == (False, None)
    assert passwords.verify(password, LEGACY["bcrypt"]) == (False, None)


@pytest.mark.parametrize(
    ("stored", "checked"),
    [
        (None, ["argon2"]),
        (Passwords(CHEAP).hash(PASSWORD), ["argon2"]),
        (LEGACY["hex_sha1"], ["hex_sha1", "argon2"]),
        ("x", [None, "argon2"]),
    ],
    ids=["no account", "of today", "cheap", "damaged"],
)
def test_every_wrong_password_costs_one_hash_of_today(
    stored: str | None, checked: list[str | None]
) -> None:
    passwords = Recording()
    passwords.verify("wrong horse", stored)
    assert passwords.checked == checked


def test_the_queue_is_short_and_then_says_try_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatserver.accounts.passwords._QUEUE_LENGTH", 0)
    passwords = Passwords(CHEAP, slots=1)
    with passwords._slot("here"), pytest.raises(CommandError) as raised:
        passwords.verify(PASSWORD, None, "here")
    assert raised.value.code == "try_later"
    assert raised.value.retry_after == 5


def test_what_is_raised_before_the_hash_leaves_nothing_hashed() -> None:
    passwords = Recording()
    with pytest.raises(ConnectionError):
        passwords.verify(PASSWORD, LEGACY["md5_crypt"], "here", raising(ConnectionError()))
    assert passwords.checked == []


DEAR = [
    "$6$rounds=999999999$salt$" + "a" * 86,
    "$6$rounds=1000001$salt$" + "a" * 86,
    "$5$rounds=999999999$salt$" + "a" * 43,
    LEGACY["bcrypt"].replace("$04$", "$31$"),
    LEGACY["bcrypt"].replace("$2b$04$", "$2a$14$"),
    "$argon2id$v=19$m=65536,t=999999,p=4$c29tZXNhbHRzb21l$" + "a" * 43,
    "$argon2id$v=19$m=67108864,t=1,p=4$c29tZXNhbHRzb21l$" + "a" * 43,
    "$argon2i$v=19$m=8192,t=1,p=1024$c29tZXNhbHRzb21l$" + "a" * 43,
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21l$" + "a" * 100_000,
]


@pytest.mark.parametrize("stored", DEAR, ids=map(str, range(len(DEAR))))
def test_a_hash_that_costs_too_much_is_wrong_without_being_computed(stored: str) -> None:
    passwords = Recording()
    assert passwords.too_dear(stored)
    assert passwords.verify(PASSWORD, stored) == (False, None)
    assert passwords.checked == ["argon2"]  # the dummy, so that it takes as long


@pytest.mark.parametrize(
    "stored",
    [
        *LEGACY.values(),
        "$6$rounds=656000$salt$" + "a" * 86,
        LEGACY["bcrypt"].replace("$04$", "$13$"),
        "$argon2id$v=19$m=1048576,t=4,p=8$c29tZXNhbHRzb21l$" + "a" * 43,
        "damaged",
    ],
    ids=[*LEGACY, "passlib", "bcrypt 13", "argon2 1 GiB", "damaged"],
)
def test_what_tools_make_is_not_too_dear(passwords: Passwords, stored: str) -> None:
    assert not passwords.too_dear(stored)


def test_the_operators_own_cost_is_never_too_dear() -> None:
    passwords = Passwords(PasswordSettings(time_cost=100, memory_kib=65536))
    assert not passwords.too_dear("$argon2id$v=19$m=65536,t=100,p=4$c29tZXNhbHRzb21l$" + "a" * 43)


def test_only_so_many_hashes_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(CHEAP, slots=2)
    lock, both = threading.Lock(), threading.Barrier(2)
    running, most = 0, 0

    def check(_: str, __: str) -> tuple[bool, None]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(DEADLINE)  # two do run at once
        with lock:
            running -= 1
        return False, None

    monkeypatch.setattr(passwords, "_check", check)
    all_at_once(*(partial(passwords.verify, "", "x" * 9, str(at)) for at in range(4)))
    assert most == 2


def test_warming_up_leaves_nothing_to_be_made_at_the_first_login() -> None:
    passwords = Passwords(CHEAP)
    assert "_dummy" not in vars(passwords)
    passwords.warm_up()
    assert "_dummy" in vars(passwords)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("12345678", None),
        ("pässwörter", None),
        ("with a space", None),
        ("1234567", "A password needs at least 8 characters."),
        ("", "A password needs at least 8 characters."),
        ("x" * MAX_PASSWORD_BYTES, None),
        ("x" * (MAX_PASSWORD_BYTES + 1), "A password may have at most 128 bytes."),
        ("ü" * 64, None),
        ("ü" * 65, "A password may have at most 128 bytes."),
        ("tab\tinside", "A password may not hold control characters."),
        ("12345678\n", "A password may not hold control characters."),
        ("1234567\ud800", "A password may not hold control characters."),
    ],
)
def test_what_a_password_may_be(passwords: Passwords, password: str, problem: str | None) -> None:
    assert passwords.problem_with(password) == problem
    assert too_long(password) == (problem is not None and "at most" in problem)


@pytest.mark.parametrize("cut", ["$argon2id$v=19$m", "$argon2id$x", "$6$x", "$2b$12$x", "x", ""])
def test_what_cannot_be_verified(passwords: Passwords, cut: str) -> None:
    assert not passwords.can_verify(cut)
