"""Taking what comes from a client that resumes, and telling the server what was shown."""

import math
import threading
from collections.abc import Callable, Iterator

from msgspec import UNSET, structs

from chatclient.link.ahead import Ahead
from chatclient.link.keeper import LinkState
from chatclient.link.resume import ResumingClient
from chatclient.setup.credentials import tell
from chatclient.setup.entrance import Entry
from chatwire.events import Event, Numbered


def follow(
    client: ResumingClient,
    entry: Entry,
    show: Callable[[list[Event]], None],
    take_input: Callable[[], None],
    ahead: Ahead,
) -> None:
    """Show the welcome, and what comes until the client is closed, which `take_input` does.

    `take_input` runs in a thread of its own, the *typist*. Raises what ended the client, and what
    `show` raises.
    """
    typist = threading.Thread(target=take_input, name="chat-typist", daemon=True)
    try:
        show([structs.replace(entry.welcome, re=UNSET)])  # nobody here asked for it
        client.watch = tell_of_link
        client.start(entry.connection, entry.welcome)
        typist.start()
        for batch in batches(client):
            show(batch)
            acknowledge(client, batch)  # first: the last answer is the typist's leave
            ahead.settle(batch)
    except BaseException:
        client.abandon()  # whoever interrupts does not wait for the server's goodbye
        raise
    finally:
        ahead.end()
        client.close()


def batches(client: ResumingClient) -> Iterator[list[Event]]:
    """Yield events as they come, some at a time, until the client is closed.

    Raises the error that ended the client.
    """
    while True:
        batch = client.next_events(1.0)  # Windows sees a Ctrl-C in between only
        if batch:
            yield batch
        elif client.closing:
            return


def acknowledge(client: ResumingClient, shown: list[Event]) -> None:
    """Tell the server that the messages and changes among these events have been shown."""
    upto = max((each.seq for each in shown if isinstance(each, Numbered)), default=0)
    if upto:
        client.ack(upto)


def tell_of_link(link: LinkState) -> None:
    """Tell on standard error that the link is lost, and when it is tried again."""
    if link.state == "waiting":
        tell(f"{link.reason} Trying again in {math.ceil(link.seconds)} s.")
