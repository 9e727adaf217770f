"""Everything that can go wrong between a client and its server, each with a sentence for people."""

from typing import Final

from msgspec import UNSET

from chatwire.events import Bye, Error
from chatwire.text import one_line

_MOST_CHARACTERS: Final = 500
"""More than any server has to say about one error."""


class ChatError(Exception):
    """Base of the errors below; `text` is one sentence that can be shown as it is.

    `code` is the server's own code (`chatwire.protocol.Code`) where it gave one, else None.
    """

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class ConnectFailed(ChatError):
    """There is no connection: nobody listens, no such host, no answer, or no chat server."""


class Untrusted(ConnectFailed):
    """There is somebody, but nothing vouches for it: trying again does not make that better."""

    def __init__(self, text: str) -> None:
        super().__init__(text, "untrusted")


class LinkLost(ChatError):
    """There was a connection and it is over: closed, broken, or ended by the server's `bye`."""


class NoAnswer(ChatError):
    """The answer to a request did not come in time; it may have been carried out all the same."""


class Refused(ChatError):
    """The server answered a request with an error; the request had no effect.

    `attempts_left` (passwords) and `retry_after` (seconds) are there with the codes that have them.
    """

    def __init__(
        self,
        text: str,
        code: str,
        *,
        attempts_left: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text, code)
        self.attempts_left = attempts_left
        self.retry_after = retry_after


def refused_by(error: Error) -> Refused:
    """Return the server's answer as the exception it is for whoever asked."""
    return Refused(
        _sentence(error.text),
        error.code,
        attempts_left=None if error.attempts_left is UNSET else error.attempts_left,
        retry_after=None if error.retry_after is UNSET else error.retry_after,
    )


def ended_by(bye: Bye) -> LinkLost:
    """Return the server's last word as the exception it is for whoever listens."""
    return LinkLost(_sentence(bye.text), bye.code)


def _sentence(text: str) -> str:
    """Return a server's words as a sentence of ours: a line, of which nothing steers a screen."""
    text = one_line(text[: 2 * _MOST_CHARACTERS])
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
