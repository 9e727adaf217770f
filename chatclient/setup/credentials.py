"""Name and password: from a person at a terminal, the environment, the keyring, or the input.

Never from the command line, where every process of the machine could read them.
"""

import getpass
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Final

from chatclient.errors import ChatError, Refused
from chatclient.link.trust import Ask
from chatclient.setup.destination import Destination
from chatclient.setup.echo import Echo, drop_typed_ahead
from chatclient.setup.entrance import AnotherName, Credentials, refusal_line
from chatwire.names import NAME_RULE, fold, is_name
from chatwire.text import clean

PASSWORD_VARIABLE: Final = "CHAT_PASSWORD"  # noqa: S105 - its name


_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False}


class NoPassword(ChatError):
    """There is nothing to log in with: no name, no password, or no keyring to look in."""


class AskedCredentials:
    """Asks a person. What is asked goes to standard error, so that output can go to a file."""

    def __init__(
        self, user: str | None, read_line: Callable[[], str], password: str | None = None
    ) -> None:
        """What is known is not asked for; `read_line` returns a typed line or raises EOFError."""
        self._user = user
        self._given = user is not None
        self._password = password
        self._read_line = read_line
        self._echo = Echo()
        self._refused = False

    def name(self) -> str:
        """Return the name, and ask for it while there is none.

        After a refusal it is the same: what people do then is to type the password once more, and
        that must not be shown, sent and logged as a name.
        """
        while self._user is None:
            tell("Name: ", end="")
            typed = self._read_line().strip()
            if is_name(typed):
                self._user = typed
            elif typed:
                tell(f"That cannot be a name: {NAME_RULE}.")
        return self._user

    def password(self, name: str) -> str:
        """Ask for the password, and show nothing of what is typed until the server has answered.

        What was typed before the question is dropped: nobody had been asked for it. Enter alone
        asks again; after a refusal it raises AnotherName, unless the name was given.
        """
        password, self._password = self._password, None
        other = self._refused and not self._given
        hint = " (Enter alone: another name)" if other else ""
        while not password:
            self._echo.off()
            try:
                password = getpass.getpass(f"Password for {name}{hint}: ")
            except BaseException:
                self._echo.on()
                raise
            if not password and other:
                self._echo.on()
                self._user, self._refused = None, False
                raise AnotherName
        return password

    def answered(self) -> None:
        """Show again what is typed."""
        self._echo.on()

    def refused(self, refusal: Refused) -> bool:
        """Say why, and try again: the server counts, and ends it when it is enough."""
        self._refused = True
        tell(refusal_line(refusal))
        return True

    def accepted(self, name: str, password: str) -> None:
        """Keep nothing."""


class GivenCredentials:
    """Takes what was given and asks nobody, so a wrong password is final."""

    def __init__(
        self, user: str | None, password: str | None, read_line: Callable[[], str]
    ) -> None:
        """What is None is the next line that `read_line` returns."""
        self._user = user
        self._password = password
        self._read_line = read_line

    def name(self) -> str:
        """Return the name; raises EOFError when the input ended before it."""
        return self._read_line().strip() if self._user is None else self._user

    def password(self, name: str) -> str:  # noqa: ARG002
        """Return the password; raises EOFError when the input ended before it."""
        return self._read_line() if self._password is None else self._password

    def answered(self) -> None:
        """Do nothing: nothing was hidden."""

    def refused(self, refusal: Refused) -> bool:  # noqa: ARG002
        """Give up."""
        return False

    def accepted(self, name: str, password: str) -> None:
        """Keep nothing."""


class KeyringCredentials:
    """Takes the password from the system's keyring; what it lacks, a person is asked for once."""

    def __init__(self, asked: AskedCredentials | None, user: str | None, service: str) -> None:
        """`asked` is None where there is nobody to ask; `service` is the server in the keyring."""
        self._asked = asked
        self._user = user
        self._service = service
        self._looked = False
        self._typed = False

    def name(self) -> str:
        """Return the name, or ask for it."""
        if self._asked is not None:
            return self._asked.name()
        if self._user is None:
            raise NoPassword("There is no name to log in with: pass --user, or set CHAT_USER.")
        return self._user

    def password(self, name: str) -> str:
        """Return the password from the keyring, or ask for it. Raises NoPassword."""
        if not self._looked:
            self._looked = True
            try:
                found = self._look_up(name)
            except NoPassword as error:
                if self._asked is None:
                    raise
                tell(error.text)  # and ask: whoever sits here knows the password
                return self._asked.password(name)
            if found:
                return found
        if self._asked is None:
            raise NoPassword(
                f"The keyring has no password for {name}: log in once with chat connect at a"
                " terminal, which puts it there."
            )
        self._typed = True
        return self._asked.password(name)

    def _look_up(self, name: str) -> str | None:
        keyring = _keyring()
        try:
            found: str | None = keyring.get_password(self._service, fold(name))
        except Exception as error:  # each system's keyring has errors of its own
            raise NoPassword(
                f"The keyring cannot be read ({_first_line(error)}): unlock it, set"
                f' {PASSWORD_VARIABLE}, or choose password = "ask" for this server.'
            ) from error
        return found

    def answered(self) -> None:
        """Show again what is typed, if somebody was asked."""
        if self._asked is not None:
            self._asked.answered()

    def refused(self, refusal: Refused) -> bool:
        """Ask, if there is somebody."""
        return self._asked is not None and self._asked.refused(refusal)

    def accepted(self, name: str, password: str) -> None:
        """Put a password that was typed, and was right, into the keyring."""
        if not self._typed:
            return
        try:
            _keyring().set_password(self._service, fold(name), password)
        except Exception as error:  # as above; whoever is in does not have to leave for that
            tell(f"The password could not be put into the keyring ({_first_line(error)}).")
        else:
            tell("The password is in the keyring now.")


def find_credentials(
    destination: Destination, environ: Mapping[str, str], read_line: Callable[[], str] | None
) -> Credentials:
    """Return where name and password come from: the environment, then the keyring, then a person.

    `read_line` reads what is typed, or what a script writes in a person's place; None where the
    input is for something else. Raises NoPassword.
    """
    user, password = destination.user, environ.get(PASSWORD_VARIABLE)
    if user is None and read_line is None:
        raise NoPassword("There is no name to log in with: pass --user, or set CHAT_USER.")
    if user is not None and password is not None:
        return GivenCredentials(user, password, _end)
    asked = AskedCredentials(user, read_line or _end, password) if is_person() else None
    if destination.keyring and password is None:
        service = f"chat {destination.host}:{destination.port}"
        return KeyringCredentials(asked, user, service)
    if asked is not None:
        return asked
    if read_line is None:
        raise NoPassword(
            f"There is no password for {user}: set {PASSWORD_VARIABLE}, or choose"
            ' password = "keyring" for this server.'
        )
    return GivenCredentials(user, password, read_line)


def question_of_trust(read_line: Callable[[], str]) -> Ask | None:
    """Return what asks a person whether to trust a server; None where there is nobody to ask."""

    def ask(question: str) -> bool:
        drop_typed_ahead()  # an answer to nothing
        tell(question, end="")
        while (answer := read_line().strip().lower()) not in _ANSWERS:
            tell("Please type yes or no: ", end="")
        return _ANSWERS[answer]

    return ask if is_person() else None


def is_person() -> bool:
    """Tell whether there is somebody who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def tell(text: str, end: str = "\n") -> None:
    """Write a line for the person, not for whatever reads standard output.

    Whatever it was made of, a server's words or a file's, it does not steer the screen.
    """
    if sys.stderr is not None:  # started without one
        sys.stderr.write(clean(text) + end)
        sys.stderr.flush()


def _keyring() -> ModuleType:
    """Return the library, which is optional and slow to import."""
    try:
        import keyring  # noqa: PLC0415
    except ImportError as error:
        raise NoPassword(
            'The setting password = "keyring" needs a library that is not installed: run'
            " pip install 'commonroom[keyring]'."
        ) from error
    module: ModuleType = keyring
    return module


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _end() -> str:
    raise EOFError
