"""What is sent and not taken: what is put off goes on, what is refused stands aside."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from e2e.conftest import StartServer
from e2e.process import ServerProcess
from playwright.sync_api import WebSocketRoute

from .visit import OpenVisit, Visit


def _answer(tab: Visit, answers: list[dict[str, Any]]) -> None:
    """Answer the next messages like this instead of giving them to the server."""

    def route(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def asked(text: str | bytes) -> None:
            request = json.loads(text)
            if request["op"] == "send" and answers:
                socket.send(json.dumps({"event": "error", "re": request["id"], **answers.pop(0)}))
            else:
                server.send(text)

        socket.on_message(asked)

    tab.page.route_web_socket("**/ws", route)
    tab.go("/")
    tab.online()


@pytest.mark.parametrize("code", ["storage_full", "internal"])
def test_what_cannot_be_taken_now_is_sent_later(
    server: ServerProcess, page_of: Callable[[str], Visit], code: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    answers: list[dict[str, Any]] = [
        {"code": code, "text": "Later.", "retry_after": 0.1},
        {"code": code, "text": "Later.", "retry_after": 0.1},
    ]
    _answer(tab, answers)
    tab.open(bob)
    for text in ("one", "two", "three"):
        tab.say(text)
    tab.eventually("return chat.outbox.unsent()", 0)
    assert not answers
    assert tab.texts(bob) == ["one", "two", "three"]


@pytest.mark.parametrize("code", ["no_such_user", "muted"])
def test_what_is_refused_is_shown_and_stops_no_other(
    server: ServerProcess, page_of: Callable[[str], Visit], code: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    _answer(tab, [{"code": code, "text": "Not like this."}] * 2)
    tab.open(bob)
    for text in ("one", "two", "three"):
        tab.say(text)
    tab.until("conversation(given).messages.length === 1", bob)
    assert tab.texts(bob) == ["three"]
    waiting = "return conversation(given).waiting.map((each) => [each.text, each.error?.text])"
    refused = [["one", "Not like this."], ["two", "Not like this."]]
    assert tab.js(waiting, bob) == refused
    assert "Not like this." in tab.page.locator("#list").inner_text()
    tab.go(f"/u/{bob}")  # and is there after a reload
    tab.online()
    assert tab.js(waiting, bob) == refused
    tab.js("await chat.outbox.retry(conversation(given).waiting[0].localKey)", bob)
    tab.until("conversation(given).messages.length === 2", bob)
    assert tab.texts(bob) == ["three", "one"]
    text = tab.js("return chat.outbox.discard(conversation(given).waiting[0].localKey)", bob)
    assert text == "two"
    assert tab.js("return chat.outbox.unsent() + (await chat.db.outbox()).length") == 0


def test_what_is_too_long_never_costs_the_link(start_server: StartServer, visit: OpenVisit) -> None:
    server = start_server(message_max_characters=100)
    server.add("ann"), server.add("bob")
    tab = visit(server, "ann")
    tab.open("bob")
    tab.js(
        "chat.outbox.send('bob', 'x'.repeat(200_000)); chat.outbox.send('bob', '😀'.repeat(100))"
    )
    tab.until("conversation('bob').messages.length === 1")
    assert tab.texts("bob") == ["😀" * 100]
    assert tab.js("return conversation('bob').waiting[0].error.code") == "text_too_long"


def test_a_browser_that_keeps_nothing_else_keeps_drafts_and_what_is_unsent(
    server: ServerProcess, visit: OpenVisit
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server)
    tab.page.add_init_script("Object.defineProperty(window, 'indexedDB', {value: undefined})")
    tab.go("/")
    tab.login(ann)
    assert "only drafts" in tab.page.locator("#toasts").inner_text()
    tab.open(bob)
    tab.say("sent")
    tab.eventually("return chat.outbox.unsent()", 0)
    tab.js("chat.wire.stop(); await chat.outbox.send(given, 'unsent')", bob)
    tab.js("chat.outbox.saveDraft(given, {text: 'a draft'}); chat.outbox.writeDrafts()", bob)
    tab.go(f"/u/{bob}")
    tab.online()
    assert tab.box == "a draft"
    tab.eventually("return chat.outbox.unsent()", 0)
    tab.eventually(f"return conversation('{bob}').messages.map((m) => m.text)", ["sent", "unsent"])
