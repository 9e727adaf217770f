"""Somebody at a terminal on another machine, inside TLS: what they see when the link ends or dies.

The machines are network namespaces with a cable between them, see `e2e.machines`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest
from e2e.client import PASSWORD, SCALE
from e2e.machines import Cable, ip
from e2e.test_trust import fingerprint_of

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals on Windows", allow_module_level=True)

from client.screen import Screen

from .conftest import StartFar

SOON = f"""
import chatclient.link.connection, chatclient.screen.statusline
chatclient.link.connection.Connection.open.__func__.__kwdefaults__["quiet_seconds"] = {SCALE!r}
chatclient.screen.statusline._NO_ANSWER_SECONDS = {SCALE!r}
"""
"""A change to a client that asks its silent server sooner than after 15 s, and says so sooner."""

At = Callable[..., AbstractContextManager[Screen]]


@pytest.fixture
def at(cable: Cable, start_far: StartFar) -> At:
    """`at(session_idle_timeout=1)`: a server on one machine, and on the other somebody in it."""

    @contextmanager
    def screen(**settings: object) -> Iterator[Screen]:
        far = start_far(**settings)
        pem = (far.data / "tls" / "certificate.pem").read_bytes()
        environ = {"CHAT_PASSWORD": PASSWORD, "CHAT_FINGERPRINT": fingerprint_of(pem)}
        name = far.account("alice")
        with closing(
            Screen(100, 24, environ, SOON, name, place=far.place, machine=cable.client)
        ) as made:
            made.wait_for("Welcome")
            yield made

    return screen


def test_whoever_is_logged_out_for_idleness_has_left(at: At) -> None:
    with at(session_idle_timeout=1.0) as screen:
        assert screen.end() == 3
        assert "without a command" in screen.text
        assert not screen.is_raw
        assert screen.echoes


def test_a_cable_that_is_cut_is_seen(at: At, cable: Cable) -> None:
    with at() as screen:
        screen.wait_for_status("TLS")
        ip("-n", cable.client, "link", "set", "cable", "down")
        try:
            screen.wait_for_status("no answer for ")
            screen.wait_for_status("not connected")
        finally:
            ip("-n", cable.client, "link", "set", "cable", "up")
        screen.type("\r")
        screen.wait_for("Connected again.")
