"""Old account files: which lines are taken over, and what is said of the others."""

import pytest

from chatserver.accounts.file import Account
from chatserver.accounts.legacy import read_old_accounts
from chatserver.accounts.passwords import Passwords
from chatwire.names import NAME_RULE

from .fakes import CHEAP
from .test_passwords import LEGACY

SHA1 = LEGACY["hex_sha1"]
NO_KIND = "its hash is of no known kind (hex SHA-1, SHA-256, SHA-512, or crypt)"


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(CHEAP)


@pytest.mark.parametrize(
    ("line", "hashed"),
    [
        *((f"alice:{each}", each) for each in (*LEGACY.values(), Passwords(CHEAP).hash("horse"))),
        (f"alice {SHA1}", SHA1),
        (f"alice\t{SHA1}", SHA1),
        (f"alice : {SHA1}", SHA1),
        (f"  alice:  {SHA1}  ", SHA1),
        (f"alice   {SHA1}\r", SHA1),
    ],
    ids=[*LEGACY, "today", "space", "tab", "colon in spaces", "many spaces", "carriage return"],
)
def test_every_kind_of_hash_is_taken_over_behind_a_colon_or_white_space(
    passwords: Passwords, line: str, hashed: str
) -> None:
    assert read_old_accounts([line], passwords) == ([Account("alice", hashed)], [])


@pytest.mark.parametrize("line", ["", "   ", "# alice:x", "  # comment"])
def test_empty_lines_and_comments_are_nothing(passwords: Passwords, line: str) -> None:
    assert read_old_accounts([line], passwords) == ([], [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("alice", "there is no hash after the name"),
        ("alice:", "there is no hash after the name"),
        (f":{SHA1}", NAME_RULE),
        (f"-alice:{SHA1}", NAME_RULE),
        (f"älice:{SHA1}", NAME_RULE),
        (f"{'x' * 33}:{SHA1}", NAME_RULE),
        ("alice:secret password", NO_KIND),
        ("alice:hunter2", NO_KIND),
        (f"alice:{SHA1[:-1]}", NO_KIND),
        (f"alice:{SHA1} admin", NO_KIND),
        (f"alice:!{SHA1}", NO_KIND),
        ("alice:{SHA}abc=", NO_KIND),
    ],
)
def test_a_bad_line_is_named(passwords: Passwords, line: str, problem: str) -> None:
    accounts, problems = read_old_accounts(["# one", line], passwords)
    assert accounts == []
    assert problems == [f"Line 2 is refused: {problem}."]


def test_the_first_of_two_lines_counts(passwords: Passwords) -> None:
    second = LEGACY["hex_sha256"]
    accounts, problems = read_old_accounts([f"Alice:{SHA1}", f"alice:{second}"], passwords)
    assert accounts == [Account("Alice", SHA1)]
    assert problems == ["Line 2 is refused: the name alice stands in an earlier line."]


def test_the_good_lines_are_taken_over_beside_the_bad(passwords: Passwords) -> None:
    lines = [f"alice:{SHA1}", "bob:", "???", f"carol {SHA1}"]
    accounts, problems = read_old_accounts(lines, passwords)
    assert [each.name for each in accounts] == ["alice", "carol"]
    assert len(problems) == 2
