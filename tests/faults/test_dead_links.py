"""A machine that vanishes without a word: it is found out soon, and nothing said to it is lost.

The machines are network namespaces with a cable between them, see `e2e.machines`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from e2e.client import SCALE, JsonClient, TextClient, eventually
from e2e.machines import Cable, ip, there
from e2e.process import ServerProcess

from .conftest import StartFar
from .secure import TlsJsonClient, TlsTextClient, trusting


@pytest.fixture
def far(cable: Cable, start_far: StartFar) -> Iterator[ServerProcess]:
    """A server on the other machine that soon notices who has vanished, and tells nobody."""
    ip("-n", cable.server, "link", "set", "lo", "up")
    yield start_far(
        server_allow_plaintext=True,
        session_ping_seconds=1.0 * SCALE,
        session_presence_notices_up_to=1,
    )
    ip("-n", cable.client, "link", "set", "cable", "up")


KINDS: dict[str, Callable[[ServerProcess], JsonClient | TextClient]] = {
    "json": lambda server: JsonClient(server.place),
    "json in TLS": lambda server: TlsJsonClient(server.place, trusting()),
    "text": lambda server: TextClient(server.place),
    "text in TLS": lambda server: TlsTextClient(server.place, trusting()),
}


def test_who_vanishes_is_noticed_and_shown_later_what_did_not_arrive(
    far: ServerProcess, cable: Cable
) -> None:
    names = {kind: far.account("away") for kind in KINDS}
    silent = far.account("silent")
    with ExitStack() as stack:

        def connect(kind: str) -> JsonClient | TextClient:
            return stack.enter_context(there(cable.client, lambda: KINDS[kind](far)))

        sender = stack.enter_context(there(cable.server, lambda: JsonClient(far.place)))
        sender.login(far.account("bob"))
        connect("text").login(silent)  # to whom nothing is sent
        for kind, name in names.items():
            client = connect(kind)
            client.login(name)
            sender.tell(name, "this arrives")
            if isinstance(client, JsonClient):
                client.send("ack", upto=client.expect(text="this arrives")["seq"])
                client.ask("ping")
            else:
                client.expect("this arrives\n")
                client.ask("status")  # so that its system has said what has arrived
        ip("-n", cable.client, "link", "set", "cable", "down")
        for name in names.values():
            assert sender.tell(name, "this does not")["delivered"] == [name]
        eventually(lambda: sender.ask("who")["users"] == [] and sender.ask("ping"))
        ip("-n", cable.client, "link", "set", "cable", "up")
        for kind, name in names.items():
            client = connect(kind)
            client.login(name)
            if isinstance(client, JsonClient):
                assert client.heard() == ["this does not"]
            else:
                missed = client.expect("this does not\n")
                assert "this arrives" not in missed


def test_link_that_comes_back_in_time_is_the_same_link(far: ServerProcess, cable: Cable) -> None:
    bob = far.account("bob")
    with (
        there(cable.server, lambda: JsonClient(far.place)) as sender,
        there(cable.client, lambda: TextClient(far.place)) as person,
    ):
        sender.login(far.account("ann"))
        person.login(bob)
        ip("-n", cable.client, "link", "set", "cable", "down")
        sender.tell(bob, "late")
        ip("-n", cable.client, "link", "set", "cable", "up")
        person.expect("late\n")
        person.send("logout")
        person.to_end()
    with there(cable.client, lambda: TextClient(far.place)) as person:
        person.login(bob)
        assert not any("late" in each for each in person.fence())
