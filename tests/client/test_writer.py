"""Lines go out whole, or the link is over; and the reader does not wait for its turn."""

import threading
from typing import cast

import pytest

from chatclient.link.transport import Transport
from chatclient.link.writer import Writer

from .fake import DEADLINE


class Pipe:
    """All that a writer wants of a transport; `entered` and `go_on` are about who sends."""

    quiet_seconds = 0.01

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.shut_down = False
        self.entered, self.go_on = threading.Event(), threading.Event()

    def send(self, data: bytes, *, patient: bool = True) -> None:
        self.entered.set()
        if b"interrupt" in data:
            raise KeyboardInterrupt
        assert self.go_on.wait(DEADLINE) or not patient
        self.sent.append(data)

    def shut(self) -> None:
        self.shut_down = True


def test_an_interrupt_in_a_line_ends_the_link() -> None:
    pipe = Pipe()
    with pytest.raises(KeyboardInterrupt):
        Writer(cast("Transport", pipe)).send({"op": "interrupt"})
    assert pipe.shut_down


def test_the_reader_leaves_its_line_out_where_another_is_on_its_way() -> None:
    pipe = Pipe()
    writer = Writer(cast("Transport", pipe))
    sender = threading.Thread(target=writer.send, args=({"op": "who"},), daemon=True)
    sender.start()
    assert pipe.entered.wait(DEADLINE)
    writer.say({"op": "pong"})
    pipe.go_on.set()
    sender.join(DEADLINE)
    writer.say({"op": "pong"})
    assert pipe.sent == [b'{"op":"who"}\n', b'{"op":"pong"}\n']
