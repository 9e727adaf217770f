"""Two people who go on chatting while the server is attacked, and how long they wait."""

import threading
import time
from contextlib import ExitStack
from statistics import median

from e2e.client import JsonClient, eventually
from scoped import Scoped

from .amounts import SCALE
from .target import Target

ON_TIME = 2.0 * SCALE
"""Seconds: whoever chats would notice more. It is a hundred times what is usual."""

LOGIN_ON_TIME = 3.0 * SCALE


class Pair(Scoped, threading.Thread):
    """Two clients that answer each other. The test fails when a message comes late or not at all.

    `took` has the seconds that each message needed from one to the other.
    """

    def __init__(self, server: Target, *, pause: float = 0.02) -> None:
        super().__init__(name="pair")
        self.took: list[float] = []
        self._names = server.accounts("pair", "pair")
        self._server = server
        self._pause = pause
        self._ending = threading.Event()
        self._problem: BaseException | None = None
        self._clients = ExitStack()
        self._people: list[JsonClient] = []

    def begin(self) -> None:
        try:
            for name in self._names:
                self._people.append(self._clients.enter_context(self._server.json(name)))
        except BaseException:
            self._clients.close()
            raise
        self.start()

    def end(self, error: BaseException | None) -> None:
        if error is None:  # the attack may have been over before they had said anything
            eventually(lambda: len(self.took) >= 2 or self._problem is not None)
        self._ending.set()
        self.join()
        self._clients.close()
        if error is None:
            if self._problem is not None:
                raise self._problem
            assert max(self.took) < ON_TIME, f"a message took {max(self.took):.2f} s"

    def run(self) -> None:
        """Talk in turns."""
        try:
            while not self._ending.wait(self._pause):
                for speaker, listener in (self._people, self._people[::-1]):
                    text = f"{speaker.name} {len(self.took)}"
                    started = time.monotonic()
                    number = speaker.send("send", to=[listener.name], text=text)
                    listener.expect(event="message", text=text)
                    self.took.append(time.monotonic() - started)
                    assert speaker.answer(number)["event"] == "reply"
                    listener.events.clear()
        except BaseException as error:
            self._problem = error


def seconds_of_a_login(server: Target, name: str) -> float:
    """Connect, log in, leave; return how long it took to get in."""
    started = time.monotonic()
    with server.guest() as client:
        client.login(name)
        return time.monotonic() - started


def logins_are_quick(server: Target, name: str, count: int = 5) -> float:
    """Log in several times; fail when it is slow for most, and return the median in seconds."""
    middle = median(seconds_of_a_login(server, name) for _ in range(count))
    assert middle < LOGIN_ON_TIME, f"a login took {middle:.2f} s"
    return middle
