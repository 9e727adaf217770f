"""The parts of a server that commands and threads work with."""

from dataclasses import dataclass

from chatserver.accounts.authentication import Authenticator
from chatserver.accounts.file import Accounts
from chatserver.net.ratelimit import SlidingWindows, TokenBuckets
from chatserver.order.clock import Clock
from chatserver.order.devices import Devices
from chatserver.order.order import Order
from chatserver.order.registrar import Registrar
from chatserver.order.replay import Replay
from chatserver.search.archive import Archive
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.rooms import Rooms
from chatserver.settings import Settings


@dataclass(frozen=True)
class Services:
    """The parts of one server. Each is safe from any thread."""

    settings: Settings
    accounts: Accounts
    authenticator: Authenticator
    directory: UserDirectory
    clock: Clock
    order: Order
    registrar: Registrar
    devices: Devices
    replay: Replay
    archive: Archive
    rooms: Rooms
    guesses: SlidingWindows
    """How many taken names of rooms each account may find, by its number."""
    rates: TokenBuckets
    """How fast each account may ask, by its folded name."""
