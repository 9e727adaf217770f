"""The listening socket: a `socketserver.ThreadingTCPServer` whose defaults are mended.

One acceptor thread, one daemon thread per client. Running out of clients, threads or descriptors
turns newcomers away and never spins or ends the server.
"""

import errno
import logging
import os
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from chatserver.net.addresses import network, readable
from chatserver.net.stream import PlainStream, Stream
from chatwire.loopback import is_loopback

_log = logging.getLogger(__name__)

_VISITORS: Final = 1000
"""How many connections there may be, of an address and in all, that are not clients: of browsers
that fetch the page, and of those who have not said yet what they speak. Where more clients are
allowed than that, as many."""

_PAUSE_SECONDS: Final = 0.1
"""How long the acceptor rests when no descriptor or thread can be had; as OpenSSH does."""

_STACK_BYTES: Final = 512 * 1024
_SWITCH_SECONDS: Final = 0.005
_SWITCH_SECONDS_A_CLIENT: Final = 60e-6
"""How long a thread waits for the interpreter before it wakes up to ask for it. When thousands go
at once, all their threads wait; with Python's own 5 ms, two processors do nothing but wake them."""

_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Admit = Callable[[str], bool]
"""Make a client of a visitor, of the address given, if there is room for one more."""

Handler = Callable[[Stream, Admit], None]
"""Called in a thread of its own with the stream, and with what admits this visitor."""


class _Count:
    """How many there are of one kind, and of which address. Limits of 0 are off."""

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most = most
        self._most_of_address = most_of_address
        self.all = 0
        self._of: Counter[str] = Counter()

    def add(self, caller: str, *, alone: bool) -> bool:
        """Count one more; False when there is no room. `alone`: addresses like it have a limit."""
        most = self._most_of_address if alone else 0
        if (self._most and self.all >= self._most) or (most and self._of[caller] >= most):
            return False
        self.all += 1
        self._of[caller] += 1
        return True

    def remove(self, caller: str) -> None:
        """Count one less."""
        self.all -= 1
        self._of[caller] -= 1
        if not self._of[caller]:
            del self._of[caller]


class ChatTCPServer(socketserver.ThreadingTCPServer):
    """Accept connections and run `handler` for each in its own thread.

    An empty `host` is every address of the machine, IPv4 and IPv6.
    `full_line` is what somebody is told who cannot even have a thread. Limits of 0 are off, and
    loopback addresses have no limit of their own. Raises OSError when the address is taken.
    """

    request_queue_size = 4096
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False  # idle clients would keep server_close waiting for ever

    def __init__(
        self,
        host: str,
        port: int,
        handler: Handler,
        *,
        max_clients: int,
        max_per_address: int,
        full_line: bytes,
    ) -> None:
        self.address_family, address = _address(host, port)
        self._handler = handler
        self._full_line = full_line
        self._lock = threading.Lock()
        self._clients = _Count(max_clients, max_per_address)
        self._visitors = _Count(_larger(max_clients), _larger(max_per_address))
        self._idle = threading.Condition(self._lock)
        threading.stack_size(_STACK_BYTES)
        # A descriptor in reserve: given back when there are no more, to be able to say so.
        self._reserve: int | None = os.open(os.devnull, os.O_RDONLY)
        try:
            super().__init__(address, socketserver.BaseRequestHandler)
        except BaseException:
            os.close(self._reserve)
            raise
        self._acceptor = threading.Thread(
            target=self.serve_forever, args=(0.2,), name="acceptor", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        return int(self.socket.getsockname()[1])

    def server_bind(self) -> None:
        """Bind; an IPv6 socket for all addresses takes IPv4 clients too."""
        if self.address_family == socket.AF_INET6:
            everywhere = self.server_address[0] == "::"
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not everywhere)
        super().server_bind()

    def start(self) -> None:
        """Start accepting."""
        self._acceptor.start()

    def stop(self) -> None:
        """Stop accepting and close the listening socket; clients go on."""
        self.shutdown()
        self._acceptor.join()
        self.server_close()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait for the handlers of all clients to return; False when some are left."""
        with self._idle:
            return self._idle.wait_for(lambda: self._clients.all + self._visitors.all == 0, timeout)

    # -- acceptor thread --

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept one connection; when out of descriptors, turn it away instead."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._turn_away_one()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the handler thread, or refuse when there cannot be one."""
        visit = _Visit(readable(str(client_address[0])))
        if not self._enter(visit):
            self._refuse(request)
            return
        thread = threading.Thread(
            target=self._handle, args=(request, visit), name="handler", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # can't start new thread
            self._leave(visit)
            self._refuse(request)
            time.sleep(_PAUSE_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log what went wrong while accepting; the standard library would print it."""
        _log.exception("could not accept a connection from %s", client_address)

    def _turn_away_one(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
        try:
            connection, _ = self.socket.accept()
        except OSError:
            pass
        else:
            self._refuse(connection)
        finally:
            try:
                self._reserve = os.open(os.devnull, os.O_RDONLY)
            except OSError:
                self._reserve = None
        _log.warning("out of descriptors: turning newcomers away")
        time.sleep(_PAUSE_SECONDS)

    def _refuse(self, connection: socket.socket) -> None:
        try:
            connection.send(self._full_line, socket.MSG_DONTWAIT)
        except OSError:
            pass
        finally:
            connection.close()

    # -- handler threads --

    def _handle(self, connection: socket.socket, visit: "_Visit") -> None:
        try:
            self._handler(
                PlainStream(connection, visit.address), lambda address: self._admit(visit, address)
            )
        except Exception:
            _log.exception("the handler of a connection from %s failed", visit.address)
        finally:
            connection.close()
            self._leave(visit)

    def _enter(self, visit: "_Visit") -> bool:
        """Count a visitor in, if there is room."""
        with self._lock:
            entered = self._visitors.add(visit.caller, alone=visit.alone)
            self._adapt()
            return entered

    def _admit(self, visit: "_Visit", address: str) -> bool:
        """Make a client of a visitor, if there is room. `address` is the client's own, where it is
        a proxy that visits."""
        client = _Visit(address)
        with self._lock:
            if not self._clients.add(client.caller, alone=client.alone):
                return False
            self._visitors.remove(visit.caller)
            visit.is_client, visit.caller = True, client.caller
            return True

    def _leave(self, visit: "_Visit") -> None:
        with self._idle:
            (self._clients if visit.is_client else self._visitors).remove(visit.caller)
            self._adapt()
            self._idle.notify_all()

    def _adapt(self) -> None:
        """Have threads wait for the interpreter the longer the more there are. Lock held."""
        threads = self._clients.all + self._visitors.all
        sys.setswitchinterval(max(_SWITCH_SECONDS, threads * _SWITCH_SECONDS_A_CLIENT))


class _Visit:
    """One connection, as it is counted."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.caller = network(address)
        self.alone = not is_loopback(address)
        """Whether it counts against the limit of its address."""
        self.is_client = False


def _larger(limit: int) -> int:
    """Return how many visitors there may be where there may be so many clients."""
    return max(limit, _VISITORS) if limit else 0


def _address(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Return the family and address to bind. Raises OSError for a host that there is not."""
    if not host:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
                probe.bind(("::", 0))
        except OSError:  # a machine without IPv6
            return socket.AF_INET, ("0.0.0.0", port)  # noqa: S104 - all addresses are asked for
        return socket.AF_INET6, ("::", port)
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, address  # with the zone of a link-local one
