"""Somebody at the page: what a person does there, and what the page then holds."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

from e2e.client import PASSWORD, PATIENCE, eventually
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page

_MODULES = ("store", "outbox", "wire", "past", "actions", "main", "db")
"""Whose exports scripts of the tests reach as `chat.store` and so on."""

_REACH = """async (names) => {
    const base = document.querySelector("script[type=module]").src;
    const found = await Promise.all(names.map((name) => import(new URL(`${name}.js`, base))));
    window.chat = Object.fromEntries(names.map((name, at) => [name, found[at]]));
    window.conversation = (key) => chat.store.store.conversations.get(key);
}"""

_BROKEN = re.compile(
    r"^WebSocket connection to .* failed"
    r"|^An unknown error occurred when fetching the script[.]$"  # of a service worker
    r"|^Failed to load resource: (net::ERR_|the server responded with a status of (401|429|503))"
)
"""What the browser itself notes about a link that is broken, or a login that is refused."""

_BLOCKED = "Service Worker registration blocked by Playwright"


def url_of(place: tuple[str, int]) -> str:
    """Return where the page of a server is."""
    return "http://{}:{}".format(*place)


class Visit:
    """A tab. `noises` is what stood in its console, where nothing should ever stand."""

    def __init__(self, context: BrowserContext, url: str, path: str = "/", name: str = "") -> None:
        """Open it at a path. Given a name, its browser has that account's cookie before."""
        self.context = context
        self.url = url
        self.noises: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", self._heard)
        self.page.on(
            "pageerror", lambda error: self.noises.append(f"{error.name}: {error.message}")
        )
        if name:
            self._has_session(name)
        self.go(path)
        if name:  # as the page notes it behind the form
            self.js("localStorage.setItem('chat:account', given)", name.lower())

    def go(self, path: str) -> None:
        """Load the page at a path, and wait until it shows the login or the conversations."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("#login:not([hidden]) form, #app:not([hidden])")
        self.page.evaluate(_REACH, list(_MODULES))

    def login(self, name: str, password: str = PASSWORD) -> Self:
        """Log in at the form, and wait for the link."""
        self.page.fill("#login input[autocomplete=username]", name)
        self.page.fill("#login input[type=password]", password)
        self.page.click("#login form button:not([type=button])")
        return self.online()

    def online(self) -> Self:
        """Wait for the link, and for what is asked for at its beginning."""
        self.until(
            "chat.main.whole && chat.store.store.link === 'online'"
            " && chat.store.store.rooms.size > 0"
        )
        return self

    def offline(self) -> Self:
        """Wait until the page knows that there is no link."""
        self.until("chat.store.store.link !== 'online'")
        return self

    def js(self, script: str, given: object = None) -> Any:
        """Run a script in the page, which finds what it is given as `given`; return its result."""
        return self.page.evaluate(f"async (given) => {{ {script} }}", given)

    def until(self, condition: str, given: object = None) -> None:
        """Wait until an expression of the page is true."""
        self.page.wait_for_function(f"(given) => {condition}", arg=given, polling=20)

    def eventually(self, script: str, wanted: object) -> None:
        """Wait until a script returns what is wanted."""
        seen: list[object] = []

        def same() -> bool:
            seen[:] = [self.js(script)]
            return seen[0] == wanted

        try:
            eventually(same)
        except AssertionError:
            raise AssertionError(f"{script}: {seen[0]!r}, not {wanted!r}") from None

    def open(self, key: str) -> None:
        """Go to a conversation."""
        self.js("chat.main.goTo(given)", key)
        self.until("document.querySelector('#composer textarea')?.offsetParent")

    def write(self, text: str) -> None:
        """Type into the box, without Enter."""
        self.page.locator("#composer textarea").fill(text)

    def say(self, text: str) -> None:
        """Type into the box and press Enter; wait until the box is free again."""
        self.write(text)
        self.page.locator("#composer textarea").press("Enter")
        self.until("document.querySelector('#composer textarea').value === ''")

    @property
    def box(self) -> str:
        """What stands in the box."""
        return str(self.page.locator("#composer textarea").input_value())

    def texts(self, key: str) -> list[str]:
        """What was said in a conversation, as the page has it."""
        found = self.js(
            "return conversation(given)?.messages.filter((m) => m.kind !== 'change')"
            ".map((m) => m.text) ?? []",
            key,
        )
        return list(found)

    def shown(self) -> list[str]:
        """The texts of the rows that are on the page."""
        return self.page.locator("#list .text").all_inner_texts()

    def crash(self) -> None:
        """Kill the tab, as a system without memory does: no script of it runs any more."""
        with suppress(Error):
            self.page.goto("chrome://crash", timeout=2000)
        self.page.close()

    def hurry(self) -> None:
        """Have the page connect now, as when the machine has a network again."""
        self.js("dispatchEvent(new Event('online'))")

    def _has_session(self, name: str) -> None:
        answer = self.context.request.post(
            f"{self.url}/api/login",
            data={"name": name, "password": PASSWORD},
            headers={"Origin": self.url},
        )
        assert answer.status == 204, answer.text()

    def _heard(self, message: ConsoleMessage) -> None:
        if _BROKEN.match(message.text) or message.text == _BLOCKED:
            return
        if message.type in {"error", "warning"}:
            self.noises.append(f"{message.type}: {message.text} ({message.location})")


OpenVisit = Callable[..., Visit]
