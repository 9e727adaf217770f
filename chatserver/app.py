"""The server put together: the only file that chooses the parts, starts and stops them."""

import errno
import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from chatserver.accounts.authentication import Authenticator
from chatserver.accounts.changes import AccountChanges
from chatserver.accounts.file import FILE_NAME as ACCOUNTS_FILE
from chatserver.accounts.file import Accounts
from chatserver.accounts.lockout import Lockout
from chatserver.accounts.passwords import Passwords
from chatserver.commands import all_commands
from chatserver.commands.registry import Registry
from chatserver.control import (
    SOCKET,
    AddAccounts,
    ChangePassword,
    DeleteAccounts,
    EndDevices,
    GiveRole,
)
from chatserver.dialects.choice import Choice, Offer
from chatserver.dialects.json import JsonDialect, is_json
from chatserver.dialects.text import TextDialect
from chatserver.dialects.web import WebDialect
from chatserver.errors import CommandError
from chatserver.net.authority import AUTHORITY_NAME, renew
from chatserver.net.certificate import CERTIFICATE_NAME, ensure_certificate, fingerprint
from chatserver.net.flusher import Flusher
from chatserver.net.http import is_http
from chatserver.net.ratelimit import SlidingWindows, TokenBuckets
from chatserver.net.server import ChatTCPServer
from chatserver.net.tls import TlsContexts
from chatserver.order.alerts import Alert, Alerts
from chatserver.order.clock import Clock
from chatserver.order.delivery import Delivery
from chatserver.order.devices import Devices
from chatserver.order.items import Started
from chatserver.order.local import LocalOrder
from chatserver.order.log import Log
from chatserver.order.presence import Presence
from chatserver.order.registrar import Registrar
from chatserver.order.replay import Replay
from chatserver.order.retention import Retention
from chatserver.search.archive import Archive
from chatserver.search.index import FILE_NAME as SEARCH_FILE
from chatserver.search.index import SearchIndex
from chatserver.services import Services
from chatserver.serving.account_watch import AccountWatch
from chatserver.serving.accounts_keeper import AccountsKeeper
from chatserver.serving.assets import Assets
from chatserver.serving.control import Control
from chatserver.serving.handler import ClientHandler
from chatserver.serving.housekeeper import Housekeeper
from chatserver.serving.pages import Pages
from chatserver.serving.push import Push
from chatserver.sessions.directory import UserDirectory
from chatserver.sessions.rooms import Rooms
from chatserver.settings import Settings
from chatserver.storage.schema import StoreError
from chatserver.storage.store import FILE_NAME as STORE_FILE
from chatserver.storage.store import Store
from chatserver.system.files import tighten
from chatserver.system.folderlock import FolderInUse, lock_for_server
from chatserver.system.processors import roaming
from chatwire.events import Bye
from chatwire.loopback import is_loopback
from chatwire.protocol import encode

_log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 4.0
_GUESSES: Final = 20
"""How many taken names of rooms somebody may find in a day: each may be that of a closed one."""

_DAY: Final = 86_400.0
"""Seconds."""

_FULL_LINE: Final = encode(Bye(code="server_full", text="The server is full; try again later."))


class StartError(Exception):
    """The server cannot start; the text is one sentence for the operator."""


def dialects(registry: Registry, settings: Settings) -> Choice:
    """Return what is spoken on the port: json or HTTP, where that comes first, else text."""
    limit, characters = settings.message.max_line_bytes, settings.message.max_characters
    offers = [Offer(is_json, lambda: JsonDialect(registry, limit, characters))]
    if settings.web.enabled:
        offers.append(Offer(is_http, lambda: WebDialect(registry, limit, characters), "http/1.1"))
    return Choice(tuple(offers), otherwise=lambda: TextDialect(limit))


class ChatServer:
    """One server on one data folder. Raises StartError when it cannot be set up.

    `start` returns once it listens. `stop` may be called once, from a thread that is none of the
    server's own.
    """

    def __init__(
        self,
        settings: Settings,
        data: Path,
        dialects: Callable[[Registry, Settings], Choice] = dialects,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """`progress` is told how much of bringing an older database up is done, and of how much."""
        self.settings = settings
        self._progress = progress
        self._dialects = dialects
        self._push: Push | None = None
        self.data = data
        self._lock = _lock_folder(data)
        try:
            for sentence in tighten(data):
                _log.warning("%s", sentence)
            self._assemble()
            tighten(data)  # what is new, and whoever made it
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def place(self) -> str:
        """Where it listens, as `HOST:PORT`; every address is 0.0.0.0."""
        host = self.settings.server.host or "0.0.0.0"  # noqa: S104 - only shown
        return f"[{host}]:{self._server.port}" if ":" in host else f"{host}:{self._server.port}"

    @property
    def page(self) -> str:
        """Where a browser finds the page: on this machine without TLS, where it listens there."""
        host, port = self.settings.server.host, self._server.port
        near, far = f"http://localhost:{port}/", f"https://{platform.node()}:{port}/"
        if not host:
            return f"{near} here, {far} elsewhere"
        if host == "localhost" or is_loopback(host):
            return near
        return f"https://{f'[{host}]' if ':' in host else host}:{port}/"

    def start(self) -> None:
        """Start every thread, the acceptor last."""
        self._order.start()
        now, alive = self._clock.now(), self._store.alive()
        seen_at = now if alive is None else int(alive * 1000)
        self._order.append(Started(at=now, seen_at=seen_at))
        self._index.start()
        self._flusher.start()
        if self._push is not None:
            self._push.start()
        self._housekeeper.start()
        self._account_watch.start()
        if self._control is not None:
            self._control.start()
        self._server.start()
        # Not waited for: a first login that comes sooner is only a little slower.
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """Say goodbye to everybody, put everything on disk and let go of everything."""
        self._server.stop()
        if self._control is not None:
            self._control.stop()
        self._account_watch.stop()
        self._housekeeper.stop()
        self._presence.silent = True
        self._handler.stop()
        if not self._server.wait_until_empty(_STOP_SECONDS):
            _log.warning("some clients did not go in time")
        self._replay.stop(_STOP_SECONDS)
        if self._push is not None:
            self._push.stop()
        self._order.stop()
        self._log.finish()
        self._flusher.stop()
        self._index.stop()
        self._store.close()
        os.close(self._lock)

    def _alert(self, alert: Alert) -> None:
        if self._push is not None:
            self._push.post(alert)

    def _warm_up(self) -> None:
        """Do what takes long and need not be done before anybody can come."""
        with suppress(CommandError):  # short of memory just now: the first login will be slower
            self._passwords.warm_up()
        with roaming():
            whole = self._store.check_whole()
        if not whole:
            _log.error("%s is damaged: stop the server and restore a backup", self._store.path)

    def _assemble(self) -> None:
        settings = self.settings
        login = settings.login
        try:
            self._store = Store(
                self.data / STORE_FILE, settings.history.synchronous, self._progress
            )
        except StoreError as error:
            raise StartError(str(error)) from error
        try:
            self.accounts = Accounts(self.data / ACCOUNTS_FILE)
            self._passwords = Passwords(settings.passwords)
            self._index = SearchIndex(self.data / SEARCH_FILE, self._store)
            self._clock = Clock()
            state = self._store.load()
            self._clock.begin(state.at)
            directory = UserDirectory(state)
            self._replay = Replay(self._store, settings.history.replay_limit)
            self._presence = Presence(
                directory, settings.session.presence_notices_up_to, self._replay.start
            )
            pushes = settings.web.enabled and settings.web.push
            alert = Alerts(directory, self._alert).follow if pushes else None
            delivery = Delivery(directory, self._presence, alert)
            self._log = Log(self._store, directory, delivery, self._index.forget)
            self._order = LocalOrder(self._log)
            if pushes:
                self._push = Push(self.data, settings.web, self._order, self._clock)
            self._flusher = Flusher()
            registrar = Registrar(self.accounts, directory, self._order, self._clock)
            services = Services(
                settings=settings,
                accounts=self.accounts,
                authenticator=Authenticator(
                    self.accounts,
                    self._passwords,
                    Lockout(login.attempts, login.block_seconds),
                    Lockout(login.address_failures or sys.maxsize, login.address_block_seconds),
                    TokenBuckets(login.logins_per_minute / 60, login.logins_per_minute),
                ),
                directory=directory,
                clock=self._clock,
                order=self._order,
                registrar=registrar,
                devices=Devices(self.accounts, directory, self._order, registrar, self._clock),
                archive=Archive(self._store, self._index, settings.session.outbox_bytes // 4),
                replay=self._replay,
                rooms=Rooms(directory, lobby=settings.rooms.lobby),
                guesses=SlidingWindows(_GUESSES, _DAY),
                rates=TokenBuckets(settings.session.rate_per_second, settings.session.rate_burst),
            )
            registry = all_commands()
            choice = self._dialects(registry, settings)
            authority = None if settings.tls.certificate else self.data / "tls" / AUTHORITY_NAME
            self._handler = ClientHandler(
                services,
                registry,
                choice,
                self._flusher,
                self._tls_contexts(choice.protocols),
                Pages(services, self._store.identity, Assets(), authority, self._push),
            )
            self._account_watch = AccountWatch(services)
            self._housekeeper = Housekeeper(
                services,
                self._handler.connections,
                Retention(
                    self._store,
                    self._index,
                    self._order,
                    settings.history.retention_days,
                    self._clock,
                ),
                hourly=self._renew_certificate,
            )
            self._server = self._listen()
            self._read_accounts()
            self._control = self._open_control(services)
        except BaseException:
            self._store.close()
            raise

    def _open_control(self, services: Services) -> Control | None:
        """Return the socket for commands. Without one, chat goes on all the same."""
        keeper = AccountsKeeper(services.registrar, services.devices)
        changes = AccountChanges(self.accounts, keeper)
        try:
            return Control(
                self.data,
                {
                    AddAccounts: changes.add,
                    ChangePassword: changes.change_password,
                    DeleteAccounts: changes.delete,
                    GiveRole: changes.give_role,
                    EndDevices: changes.end_devices,
                },
            )
        except OSError as error:
            _log.warning(
                "the socket %s cannot be made (%s): accounts can be changed by commands only"
                " while the server is stopped",
                self.data / SOCKET,
                error.strerror or error,
            )
            return None

    def _read_accounts(self) -> None:
        """Name damaged lines now, and not at the first login."""
        try:
            self.accounts.all()
        except OSError as error:
            raise StartError(f"Cannot read {self.accounts.path}: {error.strerror}.") from error

    def _tls_contexts(self, protocols: tuple[str, ...]) -> TlsContexts:
        """Return the operator's certificate, or the server's own, made at the first start."""
        tls = self.settings.tls
        if bool(tls.certificate) != bool(tls.key):
            raise StartError("[tls] certificate and key belong together: set both or neither.")
        try:
            if tls.certificate:
                self.certificate, key = Path(tls.certificate), Path(tls.key)
            else:
                self._renew_certificate()
                self.certificate, key = ensure_certificate(self.data / "tls")
            return TlsContexts(self.certificate, key, protocols)
        except OSError as error:
            where = tls.certificate or self.data / "tls"
            reason = error.strerror or error
            raise StartError(f"The TLS certificate in {where} cannot be used: {reason}.") from error

    def _renew_certificate(self) -> None:
        """Have the authority, where there is one, sign a new certificate before the old one ends;
        the next connection gets it. By the housekeeper, and at the start."""
        if self.settings.tls.certificate:
            return
        folder = self.data / "tls"
        try:
            if renew(folder):
                seen = fingerprint(folder / CERTIFICATE_NAME)
                _log.info("the authority has signed a new certificate, fingerprint %s", seen)
        except (OSError, ValueError) as error:
            _log.warning("the certificate in %s cannot be renewed: %s", folder, error)

    def _listen(self) -> ChatTCPServer:
        server = self.settings.server
        try:
            return ChatTCPServer(
                server.host,
                server.port,
                self._handler,
                max_clients=server.max_clients,
                max_per_address=server.max_clients_per_address,
                full_line=_FULL_LINE,
            )
        except OSError as error:
            place = f"{server.host or '*'}:{server.port}"
            if error.errno == errno.EADDRINUSE:
                reason = "the port is in use; choose another with --port or stop the other program"
            else:
                reason = error.strerror or str(error)
            raise StartError(f"Cannot listen on {place}: {reason}.") from error


def _lock_folder(data: Path) -> int:
    """Make the data folder and take its lock, which the system gives back if we are killed."""
    try:
        return lock_for_server(data)
    except FolderInUse as error:
        other = "A chat command" if error.by_commands else "Another server"
        raise StartError(
            f"{other} is using the data folder {data}; stop it or name another with --data."
        ) from error
    except OSError as error:
        raise StartError(f"Cannot write to the data folder {data}: {error.strerror}.") from error
