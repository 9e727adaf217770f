"""What has to happen by the clock: deadlines, pings, read positions, retention, the end of
certificates. One thread."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from chatserver.errors import CommandError
from chatserver.net.stream import nothing
from chatserver.order.retention import Retention
from chatserver.services import Services
from chatserver.sessions.connection import Connection
from chatserver.system.allocator import give_back
from chatwire.events import Ping
from chatwire.wording import duration

_log = logging.getLogger(__name__)

_PAUSE_A_CLIENT: Final = 0.001
"""So that 8,000 clients, whom it takes 30 ms to look at, are looked at every 9 s."""

_GIVE_BACK_SECONDS: Final = 5.0
_DEVICES_SECONDS: Final = 600.0
_HOUR_SECONDS: Final = 3600.0


class Housekeeper:
    """The housekeeper thread. It only ends connections, and asks the log thread to write."""

    def __init__(
        self,
        services: Services,
        connections: Callable[[], tuple[Connection, ...]],
        retention: Retention,
        interval: float = 1.0,
        hourly: Callable[[], None] = nothing,
    ) -> None:
        """It looks at everybody every `interval` seconds, and less often when they are many;
        `hourly` is called once an hour."""
        self._services = services
        self._connections = connections
        self._retention = retention
        self._interval = interval
        self._stopped = threading.Event()
        self._give_back_at = 0.0
        self._devices_at = 0.0
        self._hourly = hourly
        self._hourly_at = 0.0
        self._present = 0  # how many clients there were at the last look
        self._clients = 0  # the most there were since memory was given back
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread; the clock is noted before anybody can say anything."""
        self._retention.tick()
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        self._thread.join()

    # -- the housekeeper thread only --

    def _run(self) -> None:
        while not self._stopped.wait(self._interval + self._present * _PAUSE_A_CLIENT):
            try:
                self._tick(time.monotonic())
            except CommandError as error:
                if error.code == "shutting_down":
                    return
                _log.warning("housekeeping had to stop; it goes on: %s", error.text)
            except Exception:
                _log.exception("housekeeping failed; it goes on")

    def _tick(self, now: float) -> None:
        connections = self._connections()
        self._present = len(connections)
        for connection in connections:
            self._check_deadlines(connection, now)
        self._note_reads()
        self._give_back(len(connections), now)
        self._retention.tick()
        if now >= self._devices_at:
            self._devices_at = now + _DEVICES_SECONDS
            self._services.devices.sweep()
        if now >= self._hourly_at:
            self._hourly_at = now + _HOUR_SECONDS
            self._hourly()

    def _check_deadlines(self, connection: Connection, now: float) -> None:
        settings = self._services.settings
        if not connection.logged_in:
            deadline = settings.login.deadline_seconds
            waited = not connection.checking and now - connection.waiting_since > deadline
            if deadline and waited:
                connection.end("login_timeout", f"No login within {duration(int(deadline))}.")
            return
        idle = settings.session.idle_timeout
        if idle and connection.attended and now - connection.last_command > idle:
            connection.end(
                "idle_timeout", f"Logged out after {duration(int(idle))} without a command."
            )
            return
        self._check_alive(connection, now, settings.session.ping_seconds)

    def _check_alive(self, connection: Connection, now: float, patience: float) -> None:
        blocked = connection.outbox.blocked_since
        if patience and blocked is not None and now - blocked > patience:
            connection.end("too_slow", "Cut off: this connection has stopped reading.")
            return
        since = connection.listening_since  # while we do not listen, silence says nothing
        if patience and since is not None and connection.renderer.traits.can_ping:
            asked = connection.pinged_at
            if asked > since and now - asked > patience:
                connection.end("too_slow", "Cut off: no answer to a ping.")
            elif asked <= since and now - since > patience:
                connection.pinged_at = now
                connection.push(Ping())
                connection.drain()

    def _give_back(self, clients: int, now: float) -> None:
        """Give the system back what clients that have gone took."""
        self._clients = max(clients, self._clients)
        if clients < self._clients and now >= self._give_back_at:
            self._clients = clients
            self._give_back_at = now + _GIVE_BACK_SECONDS
            give_back()

    def _note_reads(self) -> None:
        services = self._services
        for session in services.directory.sessions():
            read = session.read
            if read > session.noted:
                session.noted = read
                services.order.append(session.acked(services.clock.now(), read))
