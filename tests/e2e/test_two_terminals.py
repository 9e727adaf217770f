"""One account at two terminals, inside TLS, in a room: what is done at one is seen at the other."""

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals on Windows", allow_module_level=True)

from client.screen import NO_HURRY, Screen

from .client import PASSWORD, Place
from .process import ServerProcess
from .proxy import CuttingProxy
from .test_trust import fingerprint_of

NEVER = 2**40
"""Bytes after which a link is cut by itself."""


@pytest.mark.parametrize("proxy", [NEVER], indirect=True)
def test_a_room_at_two_terminals_and_a_lost_link(
    server: ServerProcess, proxy: CuttingProxy, tmp_path: Path
) -> None:
    alice, bob = server.accounts("alice", "bob")
    pem = (server.data / "tls" / "certificate.pem").read_bytes()
    environ = {
        "CHAT_PASSWORD": PASSWORD,
        "CHAT_FINGERPRINT": fingerprint_of(pem),
        "XDG_CONFIG_HOME": str(tmp_path),
    }

    def terminal(place: Place, change: str = "") -> Screen:
        screen = stack.enter_context(closing(Screen(100, 40, environ, change, alice, place=place)))
        screen.wait_for_line(">")
        screen.wait_for_status("TLS")
        return screen

    with ExitStack() as stack:
        author = stack.enter_context(server.json(bob))
        member = stack.enter_context(server.json(alice))
        author.ask("create", room="ops")
        member.ask("join", room="ops")
        member.close()
        desk, phone = terminal(("127.0.0.1", proxy.port), NO_HURRY), terminal(server.place)

        # Read at one, it waits at neither.
        author.ask("send", room="ops", text="the first")
        for each in (desk, phone):
            each.wait_for_status("#ops 1")
        desk.say("talk #ops", "#ops>")
        for each in (desk, phone):
            each.wait(lambda each=each: "#ops 1" not in each.status)  # type: ignore[misc]

        # Said, corrected, reacted to and taken back at one, it is so at the other.
        phone.say("talk #ops", "#ops>")
        phone.say("teh second")
        desk.wait_for(f"{alice} → #ops: teh second")
        author.expect(event="typing", room="ops", **{"from": alice})
        author.send("typing", room="ops")
        for each in (desk, phone):
            each.wait_for_status(f"{bob} is typing")
        phone.say("/edit the second")
        desk.wait_for(f"{alice} corrected in #ops: the second")
        phone.say("/react 👍")
        desk.wait_for(f"{alice} reacted with 👍 in #ops. ({bob}: the first)")
        desk.say("/react -👍")
        phone.wait_for(f"{alice} took 👍 back in #ops.")

        # What happened while the link of one was lost comes with the next.
        proxy.cut()
        desk.wait_for_status("not connected")
        phone.say("/delete")
        phone.wait_for("Deleted.")
        author.ask("send", room="ops", text="the third")
        phone.wait_for("the third")
        phone.say("the fourth")
        phone.wait_for(f"{alice} → #ops: the fourth")
        desk.say("the fifth")
        desk.wait_for_status("1 not sent yet")
        desk.wait_for_line("#ops>")
        desk.type("\r")
        phone.wait_for(f"{alice} → #ops: the fifth")
        desk.wait(lambda: "not sent" not in desk.status and "#ops 1" not in desk.status)
        assert f"{alice} deleted a message in #ops." in desk.text
        author.expect(event="message", text="the fifth")

        for each in (desk, phone):
            each.wait_for_line("#ops>")
            for said in ("teh second", "the third", "the fourth", "the fifth"):
                lines = [line for line in each.scrolled if line.endswith(f"→ #ops: {said}")]
                assert len(lines) == 1, each.scrolled
