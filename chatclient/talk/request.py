"""A command ready to be sent."""

from dataclasses import dataclass

from chatwire.usage import Value


@dataclass(frozen=True, slots=True)
class Request:
    """`op` as the server calls it, and `fields` as they go on the wire."""

    op: str
    fields: dict[str, Value]
