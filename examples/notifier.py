"""A bot that passes on what a build says: each line of its input, or JSON from a webhook.

make 2>&1 | CHAT_USER=builds CHAT_PASSWORD=… python -m examples.notifier --to alice
CHAT_USER=builds CHAT_PASSWORD=… python -m examples.notifier --listen 8119
curl -H 'Content-Type: application/json' -d '{"text":"It built."}' http://127.0.0.1:8119

Without --to it tells the room; a POST may have a "to" of its own (a name or a list of names), and a
"key": what is posted again with the same key is said once. The webhook listens on this machine
only. 204 means stored.
"""

import argparse
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import msgspec
from msgspec import Struct

from chatclient.bot import Bot
from chatclient.errors import ChatError, Refused
from chatclient.setup.inputlines import InputLines
from chatwire.replies import Reply

_MOST_BYTES: Final = 65536
_READ_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 30.0
_NAMES: Final = ("127.0.0.1", "localhost")


class Notice(Struct, forbid_unknown_fields=True):
    """What somebody posts."""

    text: str
    to: str | list[str] | None = None
    key: str | None = None


class Notifier:
    """Says things through a bot, from any thread but the bot's own."""

    def __init__(self, bot: Bot, to: list[str]) -> None:
        """`to` is who is told; nobody: the room."""
        self._bot = bot
        self._to = to

    def tell(self, notice: Notice) -> "Future[Reply]":
        """Say it, and return the Future of the server's answer."""
        to = self._to if notice.to is None else notice.to
        if to:
            return self._bot.send(to, notice.text, key=notice.key)
        return self._bot.broadcast(notice.text, key=notice.key)

    def tell_lines(self, lines: Iterable[str]) -> None:
        """Say each line that is not empty, one at a time, so that a fast build has to wait."""
        for line in lines:
            if line.strip():
                try:
                    self.tell(Notice(line.rstrip())).result()
                except Refused:
                    continue  # the bot has logged why
                except ChatError:
                    return


class Webhook(ThreadingHTTPServer):
    """Takes POSTs from this machine. `port` 0 takes a free one."""

    daemon_threads = True

    def __init__(self, notifier: Notifier, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Hook)
        self.notifier = notifier
        self.names = [f"{name}:{self.server_port}" for name in _NAMES]
        if self.server_port == 80:
            self.names += _NAMES

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of somebody who hung up."""


class _Hook(BaseHTTPRequestHandler):
    timeout = _READ_SECONDS
    server: Webhook

    def do_POST(self) -> None:
        """Pass a notice on, and answer when it is stored."""
        # A page in a browser may have had its own name lead here; then that is what it asks for.
        if self.headers.get("Host", "").lower() not in self.server.names:
            self._answer(421, "Ask for 127.0.0.1 or localhost.")
            return
        # A page in a browser may not send this type to us without asking first, which we refuse.
        if self.headers.get_content_type() != "application/json":
            self._answer(415, "Send application/json.")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length[:9]) > _MOST_BYTES or len(length) > 9:
            self._answer(413, f"Send at most {_MOST_BYTES} bytes, and a Content-Length.")
            return
        try:
            notice = msgspec.json.decode(self.rfile.read(int(length)), type=Notice)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            self._answer(400, f"Not a notice: {error}.")
            return
        try:
            self.server.notifier.tell(notice).result(_ANSWER_SECONDS)
        except Refused as error:
            self._answer(422, error.text)
        except (ChatError, TimeoutError):
            self._answer(503, "It is not stored yet: post it again with the same key.")
        else:
            self._answer(204, "")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing of each POST."""

    def _answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode() if text else b""
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def pass_on(bot: Bot, notifier: Notifier, lines: Iterable[str]) -> None:
    """Have a bot pass lines on once it has logged in, and stop behind the last."""

    def work() -> None:
        try:
            notifier.tell_lines(lines)
        finally:
            bot.stop()

    bot.start(lambda _: threading.Thread(target=work, name="chat-lines", daemon=True).start())


def listen(bot: Bot, notifier: Notifier, port: int) -> Webhook:
    """Have a bot serve a webhook once it has logged in, and return that."""
    hook = Webhook(notifier, port)
    serve = threading.Thread(target=hook.serve_forever, name="chat-webhook", daemon=True)
    bot.start(lambda _: serve.start())
    return hook


def main() -> None:
    """Be the program."""
    parser = argparse.ArgumentParser(description="Pass on what a build says.")
    parser.add_argument("--to", action="append", default=[], metavar="USER")
    parser.add_argument("--listen", type=int, metavar="PORT")
    options = parser.parse_args()
    bot = Bot()
    notifier = Notifier(bot, options.to)
    if options.listen is None:
        pass_on(bot, notifier, InputLines.standard())
    else:
        try:
            hook = listen(bot, notifier, options.listen)
        except (OSError, OverflowError) as error:
            sys.exit(f"Port {options.listen} cannot be used ({error}): choose another.")
        print(f"Listening on http://127.0.0.1:{hook.server_port}", flush=True)
    bot.main()


if __name__ == "__main__":
    main()
