"""Stand-in."""

from typing import Literal

import msgspec


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the client behaves."""

    bell: Literal["off", "private", "mention", "all"] = "private"
    colours: bool = True
    confirm_lines: int = 5
    notices: bool = True
