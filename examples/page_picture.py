"""`make docs`: the picture of the page in the README, of a real browser at a real server.

Takes the file to write. Needs a Chromium: the system's, or Playwright's own.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from chatclient.link.connection import Connection
from chatwire.replies import SendReply
from examples.throwaway import running_server

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_SIZE: Final = (1200, 720)


def main(file: str) -> None:
    """Fill a server with a conversation and write what alice's browser shows of it to `file`."""
    with tempfile.TemporaryDirectory(prefix="chat-picture-") as folder:
        names = ("alice", "bob", "carol", "dave")
        with (
            running_server(Path(folder), names) as ((host, port), passwords),
            Connection.open(host, port) as bob,
            Connection.open(host, port) as carol,
            Connection.open(host, port) as dave,
            sync_playwright() as playwright,
        ):
            for name, connection in (("bob", bob), ("carol", carol), ("dave", dave)):
                connection.login(name, passwords[name])
            _make_room(bob, carol, dave)
            found = next(filter(None, map(shutil.which, _BROWSERS)), None)
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            alice = Connection.open(host, port)
            alice.login("alice", passwords["alice"])
            alice.request("join", room="release")
            alice.close()
            context = browser.new_context(
                viewport={"width": _SIZE[0], "height": _SIZE[1]}, locale="en-GB"
            )
            page = context.new_page()
            page.goto(f"http://{host}:{port}/r/release")
            page.fill("#login input[autocomplete=username]", "alice")
            page.fill("#login input[type=password]", passwords["alice"])
            page.keyboard.press("Enter")
            _talk(page, bob, carol, dave)
            page.screenshot(path=file)
            browser.close()


def _make_room(bob: Connection, *others: Connection) -> None:
    bob.request("create", room="release")
    bob.request("topic", room="release", topic="What goes out, and when")
    for each in others:
        each.request("join", room="release")


def _talk(page: Page, bob: Connection, carol: Connection, dave: Connection) -> None:
    page.wait_for_selector("text=What goes out, and when")
    said = bob.request("send", room="release", text="Good morning! The new build is on *staging*.")
    assert isinstance(said, SendReply)
    slow = "Two tests are slow, none is red:\n```\nstorage 41 s\nsearch  38 s\n```"
    carol.request("send", room="release", text=slow)
    dave.request("react", target=said.seq, reaction="🎉")
    carol.request("react", target=said.seq, reaction="🎉")
    page.wait_for_selector("text=search  38 s")
    _type(page, "On it. **Tagging at noon**, bob?")
    page.wait_for_selector("text=Tagging at noon")
    bob.request(
        "send", room="release", text="@alice yes, after lunch: https://example.org/build/482"
    )
    bob.send("alice", "by the way: soup or salad?")
    dave.broadcast("The printer works again.")
    page.wait_for_selector("text=after lunch")
    page.wait_for_timeout(1500)  # for the moment after which what is looked at is read
    page.locator("#composer textarea").fill("half a line, and it stays wh")


def _type(page: Page, line: str) -> None:
    box = page.locator("#composer textarea")
    box.fill(line)
    box.press("Enter")


if __name__ == "__main__":
    main(sys.argv[1])
