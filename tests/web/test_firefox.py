"""The page in Firefox, spoken to by WebDriver BiDi: that it starts, logs in, and says something.

Playwright refuses Debian's Firefox; what is tested in full is tested in Chromium.
"""

import itertools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from e2e.client import PASSWORD, PATIENCE, eventually
from e2e.process import ServerProcess, environment
from websockets.sync.client import ClientConnection, connect

from .visit import url_of

_FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_START_SECONDS = 60.0


class Firefox:
    """One tab. `noises` are errors in its console."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._numbers = itertools.count(1)
        self.noises: list[str] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._tab = self.ask("browsingContext.create", type="tab")["context"]

    def ask(self, method: str, **params: object) -> Any:
        """Have something done and return the result."""
        number = next(self._numbers)
        self._link.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._link.recv(PATIENCE))
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.noises.append(said["params"]["text"])
            if said.get("id") == number:
                assert said["type"] == "success", said
                return said["result"]

    def go(self, url: str) -> None:
        """Load a page."""
        self.ask("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def js(self, expression: str) -> Any:
        """Return what an expression is in the page, or the promise of it."""
        found = self.ask(
            "script.evaluate",
            expression=expression,
            target={"context": self._tab},
            awaitPromise=True,
        )
        assert found["type"] == "success", found
        return found["result"].get("value")

    def eventually(self, expression: str) -> None:
        """Wait until an expression is true."""
        eventually(lambda: self.js(expression))

    def type(self, where: str, text: str) -> None:
        """Type into a field, as keys do."""
        self.js(f"document.querySelector({json.dumps(where)}).focus()")
        keys = [{"type": kind, "value": each} for each in text for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keys", "actions": keys}
        self.ask("input.performActions", context=self._tab, actions=[source])


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    if _FIREFOX is None:
        pytest.skip("there is no Firefox")
    profile = tmp_path / "profile"
    profile.mkdir()
    process = subprocess.Popen(
        [_FIREFOX, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", profile],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment() | {"HOME": str(tmp_path)},
    )
    try:
        with connect(f"{_address(process)}/session", open_timeout=PATIENCE, max_size=None) as link:
            yield Firefox(link)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _address(process: "subprocess.Popen[str]") -> str:
    deadline = time.monotonic() + _START_SECONDS
    assert process.stderr is not None
    for line in process.stderr:
        if found := _LISTENS.search(line):
            return found[1]
        assert time.monotonic() < deadline
    raise AssertionError("Firefox ended")


def test_one_logs_in_and_talks(server: ServerProcess, firefox: Firefox) -> None:
    ann, bob = server.accounts("ann", "bob")
    firefox.go(f"{url_of(server.place)}/u/{bob}")
    firefox.eventually("!!document.querySelector('#login:not([hidden]) form')")
    firefox.type("#login input[autocomplete=username]", ann)
    firefox.type("#login input[type=password]", PASSWORD + "\ue007")
    firefox.eventually("!!document.querySelector('#app:not([hidden]) #composer textarea')")
    with server.json(bob) as reader:
        firefox.type("#composer textarea", "from **Firefox** 🦊\ue007")
        assert reader.texts(1) == ["from **Firefox** 🦊"]
        reader.request("send", to=[ann], text="heard")
        firefox.eventually("document.querySelector('#list').textContent.includes('heard')")
    firefox.eventually("!!document.querySelector('#list strong')")
    assert firefox.noises == []
