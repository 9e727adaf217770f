"""Being told of messages: the title, the badge, a sound, notifications, and what outlives it."""

import base64
import hashlib
import json
import shutil
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from e2e.conftest import StartServer
from e2e.process import ServerProcess

from .visit import OpenVisit, Visit, url_of

_ELSEWHERE = "document.hasFocus = () => false; dispatchEvent(new Event('blur'))"
"""Headless pages are all looked at at once: this one is no longer."""

_RECORD = """
window.heard = [];
const made = (what) => (...more) => { heard.push([what, ...more]); };
ServiceWorkerRegistration.prototype.showNotification = async function (title, options) {
    heard.push(["note", title, options.body, options.tag]);
};
AudioContext.prototype.createOscillator = new Proxy(AudioContext.prototype.createOscillator, {
    apply(real, self, given) { heard.push(["tone"]); return Reflect.apply(real, self, given); },
});
// In a private window Chromium itself says in the console that it refuses this.
PushManager.prototype.subscribe = async () => { throw new Error("there is no push service"); };
"""

_KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-"
    "AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


def _allowed(visit: OpenVisit, server: ServerProcess, new_context: Any, name: str) -> Visit:
    """Return a page that may notify, and has been told to by a click, and is not looked at."""
    context = new_context(service_workers="allow")
    context.grant_permissions(["notifications"], origin=url_of(server.place))
    context.add_init_script(_RECORD)
    tab = visit(server, name, context=context)
    tab.js("chat.main.panel('account')")
    box = tab.page.get_by_label("Notifications")
    box.wait_for()
    assert not box.is_checked()
    box.check()
    tab.js("chat.main.panel(null)")
    tab.js("await navigator.serviceWorker.ready")
    tab.js(_ELSEWHERE)
    return tab


def _notes(tab: Visit) -> list[list[str]]:
    return [each[1:] for each in tab.js("return heard") if each[0] == "note"]


def test_the_title_and_the_badge_count_what_calls(server: ServerProcess, visit: OpenVisit) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server, ann)
    icon = "return document.querySelector('link[rel=icon]').href.slice(0, 5)"
    tab.eventually("return document.title", "chat")
    plain = tab.js(icon)
    with server.json(bob) as other:
        other.request("broadcast", text="to nobody in particular")
        other.request("send", to=[ann], text="one")
        other.request("send", to=[ann], text="two")
        other.request("broadcast", text=f"@{ann} look")
        tab.eventually("return document.title", "(3) chat")
        assert tab.js(icon) == "data:" != plain
        tab.js("chat.actions.notify(given, 'none')", bob)
        tab.eventually("return document.title", "(1) chat")
        tab.js("chat.actions.notify('#lobby', 'all')")
        tab.eventually("return document.title", "(2) chat")
    tab.js("await chat.actions.markRead('#lobby')")
    tab.eventually("return document.title", "chat")
    assert tab.js(icon) == plain
    tab.open(bob)
    tab.eventually("return document.title.replace(/^[(]\\\\d+[)] /, '')", f"{bob} · chat")


def test_a_notification_tells_of_what_is_for_one(
    server: ServerProcess, visit: OpenVisit, new_context: Any
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = _allowed(visit, server, new_context, ann)
    with server.json(bob) as other:
        other.request("broadcast", text="to nobody in particular")
        other.request("broadcast", text=f"@{ann} <b>look</b>")
        other.request("send", to=[ann], text="x" * 300)
        tab.until("heard.filter(([what]) => what === 'note').length >= 2")
        assert _notes(tab) == [
            [f"{bob} · #lobby", f"@{ann} <b>look</b>", "#lobby"],
            [bob, "x" * 200, bob],
        ]
        assert ["tone"] in tab.js("return heard")


@pytest.mark.parametrize("why", ["busy", "none", "switched off", "another tab"])
def test_nothing_is_told_where_it_should_not(
    server: ServerProcess, visit: OpenVisit, new_context: Any, why: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = _allowed(visit, server, new_context, ann)
    if why == "busy":
        tab.js("chat.store.store.me = {...chat.store.store.me, busy: true}")
    elif why == "none":
        tab.js("chat.actions.notify(given, 'none')", bob)
    elif why == "switched off":
        tab.js("localStorage.setItem('chat.notify', 'off')")
    else:
        visit(server, context=tab.context).online()
    with server.json(bob) as other:
        other.request("send", to=[ann], text="not this")
        tab.until("conversation(given)?.messages.length === 1", bob)
        if why == "busy":
            tab.js("chat.store.store.me = {...chat.store.store.me, busy: false}")
        elif why == "none":
            tab.js("chat.actions.notify(given, 'all')", bob)
        elif why == "switched off":
            tab.js("localStorage.setItem('chat.notify', 'on')")
        else:
            tab.context.pages[-1].close()
            tab.js(
                "const focused = ({name}) => name === 'chat:focus';"
                "while ((await navigator.locks.query()).held.some(focused));"
            )
        other.request("send", to=[ann], text="but this")
        tab.until("heard.some(([what]) => what === 'note')")
    assert [each[1] for each in _notes(tab)] == ["but this"]


def test_of_two_tabs_one_tells(server: ServerProcess, visit: OpenVisit, new_context: Any) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = _allowed(visit, server, new_context, ann)
    second = visit(server, context=tab.context).online()
    second.js(_ELSEWHERE)
    with server.json(bob) as other:
        for text in ("one", "two"):
            other.request("send", to=[ann], text=text)
        for each in (tab, second):
            each.until("conversation(given)?.messages.length === 2", bob)
        tab.until("true")
    notes = [*_notes(tab), *_notes(second)]
    assert sorted(each[1] for each in notes) == ["one", "two"]


def test_the_page_starts_without_a_server(start_server: StartServer, visit: OpenVisit) -> None:
    server = start_server()
    ann, bob = server.add("ann"), server.add("bob")
    tab = visit(server, ann, service_workers="allow")
    with server.json(bob) as other:
        other.request("send", to=[ann], text="before")
    tab.until("conversation(given)?.messages.length === 1", bob)
    tab.js("await navigator.serviceWorker.ready; await chat.db.flush()")
    assert tab.js("return (await caches.keys()).length") == 1
    server.stop()
    tab.offline()
    tab.go(f"/u/{bob}")
    tab.page.locator("#list .text", has_text="before").wait_for()
    tab.say("written meanwhile")
    assert tab.js("return chat.outbox.unsent()") == 1


def test_a_push_service_is_told_to_the_server(
    server: ServerProcess, visit: OpenVisit, new_context: Any
) -> None:
    ann, bob = server.accounts("ann", "bob")
    context = new_context(service_workers="allow")
    context.add_init_script(
        f"const keys = {json.dumps(_KEYS)};"
        """
        window.asked = [];
        PushManager.prototype.getSubscription = async () => window.subscribed ?? null;
        PushManager.prototype.subscribe = async (options) => (window.subscribed = {
            options: {},
            key: options.applicationServerKey,
            toJSON: () => ({endpoint: "https://push.example/1", expirationTime: null, keys}),
            unsubscribe: async () => (window.subscribed = null),
        });
        const real = window.fetch;
        window.fetch = async (url, options) => {
            const answer = await real(url, options);
            if (url === "/api/push") asked.push([options?.method ?? "GET", answer.status]);
            return answer;
        };
        """
    )
    context.grant_permissions(["notifications"], origin=url_of(server.place))
    tab = visit(server, ann, context=context)
    tab.js("await navigator.serviceWorker.ready; chat.main.panel('account')")
    assert tab.js("return asked") == []
    box = tab.page.get_by_label("Notifications")
    box.check()
    tab.until("asked.length === 2")
    assert tab.js("return asked") == [["GET", 200], ["PUT", 204]]
    assert tab.js("return subscribed.key.length") == 87
    tab.js("chat.store.conversation(given); chat.actions.notify(given, 'none')", bob)
    tab.until("asked.length === 4")  # that one is quiet now
    tab.page.get_by_label("Notifications").uncheck()
    tab.until("asked.length === 5 && subscribed === null")
    assert tab.js("return asked.at(-1)") == ["DELETE", 204]


_PUSH = """(data) => new Promise((done) => {
    const event = new PushEvent("push", {data: JSON.stringify(data)});
    Object.defineProperty(event, "waitUntil", {value: done});
    dispatchEvent(event);
})"""

_CLICK = """(path) => {
    const notification = {close() {}, data: {path}};
    dispatchEvent(Object.assign(new Event("notificationclick"), {notification, waitUntil() {}}));
}"""


def test_a_push_is_shown_and_leads_to_its_conversation(
    server: ServerProcess, visit: OpenVisit, new_context: Any
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server, ann, context=new_context(service_workers="allow"))
    tab.js("await navigator.serviceWorker.ready")
    (worker,) = tab.context.service_workers
    worker.evaluate(
        """self.shown = [];
        registration.showNotification = async (...more) => { shown.push(more); };
        Object.defineProperty(WindowClient.prototype, "focused", {get: () => self.seen});"""
    )
    worker.evaluate("self.seen = true")
    worker.evaluate(_PUSH, {"from": bob, "place": bob, "text": "not while one looks"})
    worker.evaluate("self.seen = false")
    for place, text in ((bob, "hi"), (f"{bob},carol", ""), ("#lobby", "x")):
        worker.evaluate(_PUSH, {"from": bob, "place": place, "text": text})
    shown = worker.evaluate("self.shown")
    assert [(title, each["body"], each["tag"], each["data"]["path"]) for title, each in shown] == [
        (bob, "hi", bob, f"/u/{bob}"),
        (f"{bob} · {bob}, carol", "A new message", f"{bob},carol", f"/u/{bob},carol"),
        (f"{bob} · #lobby", "x", "#lobby", "/r/lobby"),
    ]
    worker.evaluate(_CLICK, f"/u/{bob}")
    tab.until("location.pathname === given", f"/u/{bob}")
    tab.eventually("return document.title", f"{bob} · chat")


_ASKED = (
    "performance.getEntriesByType('resource').some((each) => each.initiatorType === 'fetch' && "
)
_ASKED += "each.name.endsWith('/notify.js'))"


def test_no_word_of_it_where_the_certificate_is_not_trusted(
    server: ServerProcess, new_context: Any
) -> None:
    """To ask for a service worker there would be an error in the console."""
    (ann,) = server.accounts("ann")
    url = url_of(server.place).replace("http:", "https:")
    tab = Visit(new_context(service_workers="allow", ignore_https_errors=True), url).login(ann)
    tab.until(_ASKED)
    tab.js("await new Promise((done) => setTimeout(done, 500))")  # more than it waits itself
    assert tab.js("return (await navigator.serviceWorker.getRegistrations()).length") == 0
    assert tab.noises == []


def test_a_service_worker_where_the_certificate_is_trusted(
    server: ServerProcess, browser: Any
) -> None:
    (ann,) = server.accounts("ann")
    pem = (server.data / "tls" / "certificate.pem").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known = base64.b64encode(hashlib.sha256(der).digest()).decode()
    trusting = f"--ignore-certificate-errors-spki-list={known}"
    url = url_of(server.place).replace("http:", "https:")
    path = shutil.which("chromium")  # None: Playwright's own
    kind = browser.browser_type
    with kind.launch(executable_path=path, args=["--no-sandbox", trusting]) as other:
        tab = Visit(other.new_context(), url).login(ann)
        tab.js("await navigator.serviceWorker.ready")
        assert tab.noises == []
