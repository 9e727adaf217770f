"""The client for programs: requests come in and events go out as JSON, one object a line.

They are those of the wire; logging in, answering pings, coming back after a lost link and
acknowledging what has been written out are done here.

Threads: the main thread writes events. A daemon, the *typist*, reads requests and sends them, a few
ahead of their answers. Each line is written whole under `_writing`. `_asked` guards which of our
numbers stands for which of the program's ids.
"""

import threading
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec
from msgspec import UNSET, UnsetType

from chatclient.faces.follow import follow
from chatclient.link.ahead import Ahead
from chatclient.link.connection import UNANSWERED
from chatclient.link.resume import ResumingClient
from chatclient.setup.entrance import Entry
from chatclient.setup.inputlines import InputLines
from chatclient.talk.commandline import LOGOUT
from chatclient.talk.lines import json_line
from chatwire.events import Code, Error, Event
from chatwire.replies import Reply

_DONE_HERE: Final = ("ack", "pong")


class JsonLines:
    """One session of JSON lines. `run` in the main thread returns when it is over."""

    def __init__(
        self, entry: Entry, client: ResumingClient, lines: InputLines, out: BinaryIO
    ) -> None:
        """Take over the connection of `entry`, and let `client` keep it; events go to `out`."""
        self._entry = entry
        self._client = client
        self._lines = lines
        self._out = out
        self._writing = threading.Lock()
        self._asked = threading.Condition()
        self._ids: dict[int, int | UnsetType] = {}
        self._ahead = Ahead()

    def run(self) -> None:
        """Work until the end of the input, a `logout`, or the end of the client.

        Raises what ended the client, ChatError when a line of the input has no end, and
        BrokenPipeError when nobody reads the output any more.
        """
        follow(self._client, self._entry, self._show, self._type, self._ahead)
        self._lines.check()

    def _show(self, events: list[Event]) -> None:
        self._write([self._as_asked(event) for event in events])

    def _as_asked(self, event: Event) -> Event:
        """Return an event; an answer with the id that the program asked with."""
        if not isinstance(event, Reply | Error) or event.re is UNSET:
            return event
        number = event.re
        with self._asked:  # the answer may be faster than the thread that asked
            self._asked.wait_for(lambda: number in self._ids)
            return msgspec.structs.replace(event, re=self._ids.pop(number))

    def _write(self, events: list[Event]) -> None:
        with self._writing:
            self._out.write(b"".join(map(json_line, events)))
            self._out.flush()

    # The typist

    def _type(self) -> None:
        try:
            self._take_lines()
            self._ahead.wait_for_all()
        except OSError:
            pass  # the output is gone: the main thread meets that too, or has ended
        finally:
            self._client.close()  # or the main thread would wait for ever

    def _take_lines(self) -> None:
        for line in self._lines:
            if not line.strip():
                continue
            try:
                request = parse_request(line)
            except BadRequest as error:
                self._write([Error(re=error.id, code=error.code, text=str(error))])
                continue
            if request.op == LOGOUT:
                self._ahead.wait_for_all()
                self._write([Reply(op=LOGOUT, re=request.id)])
                return
            if request.op in _DONE_HERE:
                continue
            if request.op in UNANSWERED:
                self._client.tell(request.op, **request.fields)
            else:
                self._ahead.begin()
                number = self._client.post(request.op, **request.fields)
                with self._asked:
                    self._ids[number] = request.id
                    self._asked.notify_all()


@dataclass(frozen=True, slots=True)
class ProgramRequest:
    """A request as a program wrote it; `id` comes back with the answer."""

    op: str
    id: int | UnsetType
    fields: dict[str, object]


class BadRequest(ValueError):
    """A line that cannot be sent; the text says what is wrong with it."""

    def __init__(self, text: str, code: Code = "bad_request", id: int | UnsetType = UNSET) -> None:  # noqa: A002
        super().__init__(text)
        self.code = code
        self.id = id


def parse_request(line: str) -> ProgramRequest:
    """Return the request in a line. Raises BadRequest."""
    try:
        content = msgspec.json.decode(line.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("The line is not UTF-8.", "invalid_utf8") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"The line is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadRequest('A request is an object, such as {"op":"who"}.')
    number, op = content.pop("id", UNSET), content.pop("op", None)
    if number is not UNSET and type(number) is not int:
        raise BadRequest("id must be an integer.")
    if not isinstance(op, str):
        raise BadRequest('A request has an "op", such as {"op":"who"}.', id=number)
    return ProgramRequest(op, number, content)
