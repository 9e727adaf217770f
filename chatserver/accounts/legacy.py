"""Old account files: `name hash` or `name:hash` a line, hashes as hex SHA or crypt wrote them."""

import re
from collections.abc import Iterable

from chatserver.accounts.file import Account, is_comment, split_line
from chatserver.accounts.passwords import Passwords
from chatwire.names import NAME_RULE, RESERVED_RULE, fold, is_name, is_reserved


def read_old_accounts(
    lines: Iterable[str], passwords: Passwords
) -> tuple[list[Account], list[str]]:
    """Return the accounts in `lines`, and a sentence with its number for every bad line.

    Empty lines and comments (#) are neither. The first of two lines with one name counts.
    """
    accounts: dict[str, Account] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        if is_comment(line):
            continue
        # Without a colon, which the server's own file has, white space separates.
        name, hashed = split_line(
            line if ":" in line else re.sub(r"(?<=\S)\s+", ":", line, count=1)
        )
        problem = _problem(name, hashed, passwords)
        if problem is None and fold(name) in accounts:
            problem = f"the name {name} stands in an earlier line"
        if problem is None:
            accounts[fold(name)] = Account(name, hashed)
        else:
            problems.append(f"Line {number} is refused: {problem}.")
    return list(accounts.values()), problems


def _problem(name: str, hashed: str, passwords: Passwords) -> str | None:
    if not is_name(name):
        return NAME_RULE
    if is_reserved(name):
        return RESERVED_RULE
    if not hashed:
        return "there is no hash after the name"
    if not hashed.isprintable() or " " in hashed or passwords.scheme(hashed) is None:
        return "its hash is of no known kind (hex SHA-1, SHA-256, SHA-512, or crypt)"
    if passwords.too_dear(hashed):
        return "checking its hash would take too long; give the account a new password"
    return None
