"""The two ways a request can end early. Everything else that is raised is a bug."""

from chatwire.events import Code, Error
from chatwire.text import one_line


class CommandError(Exception):
    """A request is refused; `text` is one sentence that is safe to show to whoever asked.

    `attempts_left` and `retry_after` (whole seconds) go with the codes that have them.
    """

    def __init__(
        self,
        code: Code,
        text: str,
        *,
        attempts_left: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.text = one_line(text)  # it may quote what somebody was talked into typing
        super().__init__(self.text)
        self.code: Code = code
        self.attempts_left = attempts_left
        self.retry_after = retry_after

    def event(self) -> Error:
        """Return it in its wire form, a new one each time."""
        event = Error(code=self.code, text=self.text)
        if self.attempts_left is not None:
            event.attempts_left = self.attempts_left
        if self.retry_after is not None:
            event.retry_after = self.retry_after
        return event


class Disconnected(Exception):
    """The other end is gone; `reason` is for the log. Raised by the stream and nowhere else."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
