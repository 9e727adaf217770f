"""What `chat serve` and the commands beside it say over the socket in the data folder.

One JSON line each: the server says `Hello`, the command one request, the server one reply, and the
connection is over. A command that finds another version in `Hello` asks for nothing. What more
there is to be asked later is a struct here and its action in `chatserver.app`.
"""

from typing import Final, Literal, TypeAlias

import msgspec

SOCKET: Final = "control"
"""The socket's name in the data folder."""

VERSION: Final = 2

MOST_BYTES: Final = 4 << 20
"""The longest line, in bytes: some thousand accounts."""

MOST_ACCOUNTS: Final = 5_000
"""So many, with the longest names and hashes, are below MOST_BYTES."""

REPLY_SECONDS: Final = 90.0
"""How long a command waits for the reply: longer than the server takes to say that it cannot."""


ServerRole: TypeAlias = Literal["admin", "member"]


class Hello(msgspec.Struct, frozen=True, tag_field="reply", tag="hello"):
    """The server is there and listens. It comes before anything is asked: what a server that does
    not answer was never sent, it cannot do later."""

    version: int = VERSION


class NewAccount(msgspec.Struct, frozen=True):
    """A name and the hash of its password: no password is ever sent."""

    name: str
    hash: str


class AddAccounts(msgspec.Struct, frozen=True, tag_field="op", tag="add"):
    """Add accounts, but for those whose name is taken; as admins of the server, or not."""

    accounts: tuple[NewAccount, ...]
    admin: bool = False


class ChangePassword(msgspec.Struct, frozen=True, tag_field="op", tag="change"):
    """Give an account another hash."""

    name: str
    hash: str


class DeleteAccounts(msgspec.Struct, frozen=True, tag_field="op", tag="delete"):
    """Delete accounts."""

    names: tuple[str, ...]


class GiveRole(msgspec.Struct, frozen=True, tag_field="op", tag="role"):
    """Make an account an admin of the server, or a member again."""

    name: str
    role: ServerRole


class EndDevices(msgspec.Struct, frozen=True, tag_field="op", tag="devices"):
    """Log one device of an account out, or all of them."""

    name: str
    device: int | None = None


Request = AddAccounts | ChangePassword | DeleteAccounts | GiveRole | EndDevices


class Added(msgspec.Struct, frozen=True, tag_field="reply", tag="added"):
    """What became of AddAccounts; `taken` are the names that are another account's."""

    names: tuple[str, ...]
    taken: tuple[str, ...] = ()


class Changed(msgspec.Struct, frozen=True, tag_field="reply", tag="changed"):
    """The password is another one; an account that was `disabled` still is."""

    name: str
    disabled: bool = False


class Deleted(msgspec.Struct, frozen=True, tag_field="reply", tag="deleted"):
    """They are gone, and so are their sessions."""

    names: tuple[str, ...]


class RoleGiven(msgspec.Struct, frozen=True, tag_field="reply", tag="role-given"):
    """The account has that role now."""

    name: str


class DevicesEnded(msgspec.Struct, frozen=True, tag_field="reply", tag="devices-ended"):
    """So many devices were logged out, and their sessions are over."""

    ended: int


class Refused(msgspec.Struct, frozen=True, tag_field="reply", tag="refused"):
    """Nothing was done; `text` says why in one sentence."""

    text: str


Reply = Added | Changed | Deleted | RoleGiven | DevicesEnded | Refused

_encode = msgspec.json.Encoder().encode
decode_request: Final = msgspec.json.Decoder(Request).decode
"""Raises msgspec.DecodeError."""

decode_reply: Final = msgspec.json.Decoder(Hello | Reply).decode
"""Raises msgspec.DecodeError."""


def line(said: Hello | Request | Reply) -> bytes:
    """Return what is said as a line, with its end."""
    return _encode(said) + b"\n"
