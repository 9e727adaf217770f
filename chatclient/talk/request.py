"""A command ready to be sent."""

from dataclasses import dataclass

from chatwire.usage import Value


@dataclass(frozen=True, slots=True)
class Request:
    """`op` as the server calls it, and `fields` as they go on the wire; `numbered`: messages in the
    answer are to be shown with their numbers."""

    op: str
    fields: dict[str, Value]
    numbered: bool = False
