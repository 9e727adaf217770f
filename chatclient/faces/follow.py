"""Taking what comes from a client that resumes, and telling the server what was shown."""

import math
from collections.abc import Iterator

from chatclient.link.resume import LinkState, ResumingClient
from chatclient.setup.credentials import tell
from chatwire.protocol import Event, Message


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
    """Tell the server that the messages among these events have been shown."""
    upto = max((each.seq for each in shown if isinstance(each, Message)), default=0)
    if upto:
        client.ack(upto)


def tell_of_link(link: LinkState) -> None:
    """Tell on standard error that the link is lost, and when it is tried again."""
    if link.state == "waiting":
        tell(f"{link.reason} Trying again in {math.ceil(link.seconds)} s.")
