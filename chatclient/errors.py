"""Everything that can go wrong between a client and its server, each with a sentence for people."""


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
