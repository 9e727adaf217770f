"""A link that is cut at every byte: nothing is lost, doubled or out of order."""

from contextlib import suppress

import pytest

from chatclient.errors import Refused
from chatclient.link.connection import Connection
from chatclient.link.resume import ResumingClient
from chatwire.protocol import Message, SendReply

from .client import PASSWORD
from .process import ServerProcess
from .proxy import STEP, CuttingProxy

DEADLINE = 20.0


def resuming(proxy: CuttingProxy, name: str) -> ResumingClient:
    return ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port, timeout=DEADLINE),
        name,
        PASSWORD,
        pause=0.002,
        longest_pause=0.01,
    )


def start(client: ResumingClient) -> None:
    """The first connection is the program's own to try again."""
    while True:
        with suppress(Exception):
            client.start()
            return


@pytest.mark.parametrize(
    ("proxy", "cuts"),
    [
        pytest.param(STEP, 100, id="normal"),
        pytest.param(1, 900, id="soak", marks=(pytest.mark.soak, pytest.mark.timeout(300))),
    ],
    indirect=["proxy"],
)
def test_nothing_is_lost_doubled_or_out_of_order(
    server: ServerProcess, proxy: CuttingProxy, cuts: int
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob):  # bob's room begins here
        pass
    sender, receiver = resuming(proxy, ann), resuming(proxy, bob)
    start(receiver)
    start(sender)
    heard: list[str] = []
    spoken = []
    try:
        number = 0
        while proxy.cuts < cuts:
            number += 1
            spoken.append(f"message {number}")
            future = sender.submit("send", to=[bob], text=spoken[-1])
            while len(heard) < number:
                event = receiver.next_event(DEADLINE)
                assert event is not None, f"lost after {heard[-1:]}"
                if isinstance(event, Message):
                    heard.append(event.text)
                    receiver.ack(event.seq)
            assert isinstance(future.result(DEADLINE), SendReply)
        proxy.heal()
        assert heard == spoken
        assert sender.next_event(0.05) is None or not isinstance(sender.next_event(0.05), Message)
    finally:
        proxy.heal()
        sender.close()
        receiver.close()


def test_what_is_refused_is_not_sent_for_ever(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    with resuming(proxy, server.account("ann")) as client:
        client.start()
        with pytest.raises(Refused):
            client.submit("send", to=["nobody.of.that.name"], text="hi").result(DEADLINE)


def test_a_wrong_password_ends_it(server: ServerProcess, proxy: CuttingProxy) -> None:
    proxy.heal()
    client = ResumingClient(
        lambda: Connection.open("127.0.0.1", proxy.port), server.account("ann"), "wrong password"
    )
    with pytest.raises(Refused):
        client.start()
