"""The commands about accounts: adduser, passwd, deluser, users and role.

They hash: a password never leaves the process that it was typed into, and the server has its slots
for hashes free for those who log in.
"""

import logging
import secrets
import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from chatserver.accounts.file import FILE_NAME, Account, Accounts
from chatserver.accounts.passwords import Passwords
from chatserver.cli.control import cannot, change
from chatserver.cli.main import data_folder, data_option, fail, settings_from
from chatserver.control import (
    MOST_ACCOUNTS,
    AddAccounts,
    Added,
    Changed,
    ChangePassword,
    DeleteAccounts,
    Deleted,
    GiveRole,
    NewAccount,
    RoleGiven,
    ServerRole,
)
from chatwire.names import NAME_RULE, RESERVED_RULE, fold, is_name, is_reserved
from chatwire.text import for_log

_SYLLABLES: Final = [first + second for first in "bdfghjklmnprstvz" for second in "aeiou"]
_GROUPS: Final = 4
_SYLLABLES_A_GROUP: Final = 3
"""Twelve of eighty syllables: 75 bits, which no guesser gets through, and it can be spoken."""


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--generate", is_flag=True, help="Make a passphrase and print it.")
@click.option("--admin", is_flag=True, help="Make it an admin, who may do all in every open room.")
@click.option(
    "--import",
    "old_file",
    type=click.Path(path_type=Path),
    help="Take over an old user_pass.txt: lines of name and hash.",
)
@data_option
def adduser(
    names: tuple[str, ...],
    password_stdin: bool,
    generate: bool,
    admin: bool,
    old_file: Path | None,
    data: Path | None,
    config: Path | None,
) -> None:
    """Add accounts. A running server knows them at once."""
    folder = data_folder(data)
    passwords = Passwords(settings_from(config).passwords)
    if old_file is not None:
        if names or password_stdin or generate or admin:
            raise click.UsageError("--import takes no names and no other option.")
        _import(folder, passwords, old_file)
        return
    _check_choice(names, password_stdin, generate)
    for name in names:
        if not is_name(name):
            fail(f"'{for_log(name)}' cannot be used: {NAME_RULE}.")
        if is_reserved(name):
            fail(f"'{name}' cannot be used: {RESERVED_RULE}.")
    accounts = Accounts(folder / FILE_NAME)
    _all(accounts)
    for name in names:  # before a password is asked for; the server looks again
        if accounts.find(name) is not None:
            _fail_taken(name)
    for name in names:
        password = _password_for(name, passwords, password_stdin, generate)
        request = AddAccounts((NewAccount(name, passwords.hash(password)),), admin)
        if change(folder, request, Added).taken:
            _fail_taken(name)
        click.echo(f"Added {name}" + (f" with the passphrase {password}" if generate else "."))


@click.command()
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--generate", is_flag=True, help="Make a passphrase and print it.")
@data_option
def passwd(
    name: str, password_stdin: bool, generate: bool, data: Path | None, config: Path | None
) -> None:
    """Change an account's password; whoever is logged in with the old one is logged out.

    An account that is disabled stays so.
    """
    folder = data_folder(data)
    accounts = Accounts(folder / FILE_NAME)
    passwords = Passwords(settings_from(config).passwords)
    _check_choice((name,), password_stdin, generate)
    account = _find(accounts, name)
    password = _password_for(account.name, passwords, password_stdin, generate)
    done = change(folder, ChangePassword(name, passwords.hash(password)), Changed)
    shown = f": the passphrase is {password}" if generate else "."
    click.echo(f"Changed the password of {done.name}{shown}")
    if done.disabled:
        click.echo(
            f"{done.name} is disabled and stays so: take away the ! before its hash"
            f" in {accounts.path} to let it in."
        )


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@data_option
def deluser(names: tuple[str, ...], data: Path | None, config: Path | None) -> None:
    """Delete accounts; whoever is logged in with one is logged out.

    What they said stays with those who read it; messages waiting for them are dropped.
    """
    settings_from(config)
    folder = data_folder(data)
    accounts = Accounts(folder / FILE_NAME)
    # A reserved name is no account any more, but its line can be taken out.
    found = [name if is_reserved(name) else _find(accounts, name).name for name in names]
    for name in change(folder, DeleteAccounts(tuple(dict.fromkeys(found))), Deleted).names:
        click.echo(f"Deleted {name}.")


@click.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["admin", "member"]))
@data_option
def role(name: str, role: ServerRole, data: Path | None, config: Path | None) -> None:
    """Make an account an admin of the server, or a member again.

    An admin may do all that an owner may in every open room, and sees that there are closed ones.
    """
    settings_from(config)
    folder = data_folder(data)
    found = _find(Accounts(folder / FILE_NAME), name).name
    done = change(folder, GiveRole(found, role), RoleGiven)
    click.echo(f"{done.name} is {'an' if role == 'admin' else 'a'} {role} now.")


@click.command()
@data_option
def users(data: Path | None, config: Path | None) -> None:
    """List the accounts, how their passwords are kept and who is an admin, and name who can never
    log in."""
    logging.disable()  # what the reading would warn of is said below
    accounts = Accounts(data_folder(data) / FILE_NAME)
    passwords = Passwords(settings_from(config).passwords)
    everybody = _all(accounts)
    if not everybody:
        click.echo("There are no accounts yet; add one with: chat adduser NAME", err=True)
    admins = _admins(accounts.path.parent)
    width = max((len(each.name) for each in everybody), default=0)
    for account in everybody:
        readable = passwords.can_verify(account.hash)
        kind = passwords.scheme(account.hash) if readable else "unreadable hash: use chat passwd"
        if passwords.too_dear(account.hash):
            kind = "too costly a hash: use chat passwd"
        kind = "disabled" if account.disabled else kind
        role = "  admin" if fold(account.name) in admins else ""
        click.echo(f"{account.name:<{width}}  {kind}{role}")
    for number, why in accounts.skipped():
        click.echo(f"chat: {accounts.path} line {number} {why}: nobody can log in.", err=True)


def _admins(folder: Path) -> set[str]:
    """Return the folded names of the admins, as far as there is a database to know them."""
    from chatserver.storage.schema import StoreError  # noqa: PLC0415
    from chatserver.storage.snapshot import admins  # noqa: PLC0415
    from chatserver.storage.store import FILE_NAME as STORE_FILE  # noqa: PLC0415

    path = folder / STORE_FILE
    try:
        return admins(path) if path.exists() else set()
    except StoreError as error:
        click.echo(f"chat: who is an admin is not known: {error}", err=True)
        return set()


def _check_choice(names: tuple[str, ...], password_stdin: bool, generate: bool) -> None:
    if not names:
        raise click.UsageError("Name the account to add.")
    if password_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other.")
    if len(names) > 1 and not generate:
        raise click.UsageError("Several names at once need --generate.")


def _all(accounts: Accounts) -> list[Account]:
    try:
        return list(accounts.all().values())
    except OSError as error:
        fail(cannot("read", accounts.path, error))


def _find(accounts: Accounts, name: str) -> Account:
    _all(accounts)
    account = accounts.find(name)
    if account is None:
        fail(f"There is no account {for_log(name)}; chat users lists them.")
    return account


def _fail_taken(name: str) -> NoReturn:
    fail(f"There is an account {name} already; chat passwd changes its password.")


def _password_for(name: str, passwords: Passwords, from_stdin: bool, generate: bool) -> str:
    if generate:
        return _passphrase()
    if from_stdin:
        try:
            password = sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            fail("The password on standard input is not UTF-8.")
    else:
        password = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True)
    problem = passwords.problem_with(password)
    if problem is not None:
        fail(problem)
    return password


def _passphrase() -> str:
    return "-".join(
        "".join(secrets.choice(_SYLLABLES) for _ in range(_SYLLABLES_A_GROUP))
        for _ in range(_GROUPS)
    )


def _import(folder: Path, passwords: Passwords, old_file: Path) -> None:
    from chatserver.accounts.legacy import read_old_accounts  # noqa: PLC0415

    try:
        lines = old_file.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        fail(f"Cannot read {old_file}: {error.strerror}.")
    found, problems = read_old_accounts(lines, passwords)
    added = 0
    for at in range(0, len(found), MOST_ACCOUNTS):
        some = tuple(NewAccount(each.name, each.hash) for each in found[at : at + MOST_ACCOUNTS])
        done = change(folder, AddAccounts(some), Added)
        added += len(done.names)
        problems += [f"{each} is refused: there is such an account already." for each in done.taken]
    for problem in problems:
        click.echo(f"chat: {problem}", err=True)
    click.echo(f"Imported {added} account{'' if added == 1 else 's'}.")
    if problems:
        sys.exit(1)
