"""The two ways a request can end early. Everything else that is raised is a bug."""

from chatwire.protocol import Code
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


class Disconnected(Exception):
    """The other end is gone; `reason` is for the log. Raised by the stream and nowhere else."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
