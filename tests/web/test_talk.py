"""The talk: the list of messages, what can be done with one, and the box into which one writes."""

from collections.abc import Callable
from typing import Any

from e2e.client import JsonClient
from e2e.process import ServerProcess
from playwright.sync_api import Locator, expect

from .visit import OpenVisit, Visit

PageOf = Callable[[str], Visit]

_FILL = """
    const {conversation, messageOf, touch} = chat.store;
    const c = conversation(given.key);
    const at = Date.parse("2026-01-05T08:00:00Z");
    const rows = [...Array(given.count).keys()].map((number) => messageOf({
        seq: 1e6 + number * 3, at: new Date(at + number * 60e3).toISOString(),
        from: ["bob", "carol"][(number >> 2) % 2],
        text: `number ${number} ` + "and more ".repeat(number * 7 % 40),
        reply_to: number % 50 ? 0 : 1e6, reactions: number % 9 ? {} : {"👍": ["bob"]},
    }));
    c.tail.list.splice(0, Infinity, ...rows);
    c.tail.start = true;
    touch(`messages:${c.key}`);
"""
"""Puts many messages into the page, as if they had come."""

_SCROLL = """
    const box = document.querySelector("#list .scroll");
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    let most = 0, worst = 0, steps = 0;
    const left = () => box.scrollHeight - box.scrollTop - box.clientHeight;
    const ends = () => given.step < 0 ? box.scrollTop < 1 : left() < 1;
    const bottom = (e) => e.getBoundingClientRect().bottom;
    for (let still = 0; still < 8 && steps < 3000; steps++) {
        const middle = bottom(box) - box.clientHeight / 2;
        const row = [...box.querySelectorAll(".message")].find((e) => bottom(e) > middle);
        const before = bottom(row);
        const from = box.scrollTop;
        box.scrollTop += given.step;
        const moved = box.scrollTop - from;
        await frame();
        if (row.isConnected) worst = Math.max(worst, Math.abs(bottom(row) - before + moved));
        most = Math.max(most, box.querySelectorAll(".message").length);
        still = ends() ? still + 1 : 0;
    }
    const first = box.querySelector(".message .text").textContent.slice(0, 9);
    return {most, worst, first};
"""
"""Scrolls to an end; how many rows there were at most, and how far a row was moved but by that."""


def _last(tab: Visit) -> Locator:
    return tab.page.locator("#list .message").last


def _row(tab: Visit, text: str) -> Locator:
    return tab.page.locator("#list .message", has=tab.page.locator(".text", has_text=text))


def _box(tab: Visit) -> Locator:
    return tab.page.locator("#composer textarea")


def _tell(client: JsonClient, to: str, *texts: str) -> list[int]:
    return [client.request("send", to=[to], text=text)["seq"] for text in texts]


def test_many_messages_are_a_window_in_which_nothing_jumps(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.js(_FILL, {"key": bob, "count": 450})
    tab.until("document.querySelectorAll('#list .message').length > 50")
    tab.page.locator("#list").dispatch_event("wheel")
    up: dict[str, Any] = tab.js(_SCROLL, {"step": -1500})
    assert up["most"] <= 300
    assert up["worst"] < 1
    assert up["first"] == "number 0 "
    down: dict[str, Any] = tab.js(_SCROLL, {"step": 1500})
    assert down["most"] <= 300
    assert down["worst"] < 1
    expect(_last(tab)).to_contain_text("number 449")
    expect(tab.page.locator("#list .newest")).to_be_hidden()


def test_the_past_is_loaded_as_one_scrolls_to_it_and_a_quote_goes_there(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        first, *_ = _tell(other, ann, *(f"number {number}" for number in range(150)))
        other.request("send", to=[ann], text="the answer", reply_to=first)
    tab = page_of(ann)
    tab.js("for (const c of chat.store.store.conversations.values()) chat.store.empty(c)")
    tab.open(bob)
    expect(_last(tab)).to_contain_text("the answer")
    assert len(tab.texts(bob)) < 150
    tab.page.locator("#list .quote").click()
    lit = tab.page.locator("#list .message.lit")
    expect(lit).to_contain_text("number 0")
    expect(lit).to_be_in_viewport()
    expect(lit).to_be_focused()
    expect(tab.page.locator("#list .top")).to_contain_text(f"This is where {bob} begins.")
    tab.js(_SCROLL, {"step": 900})
    expect(_last(tab)).to_contain_text("the answer")
    tab.page.locator("#list").dispatch_event("wheel")
    assert tab.js(_SCROLL, {"step": -900})["worst"] < 1
    assert len(tab.texts(bob)) == 151


def test_while_scrolled_up_what_comes_is_counted_and_moves_nothing(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    with server.json(bob) as other:
        _tell(other, ann, *(f"number {number}" for number in range(40)))
        tab.open(bob)
        expect(_last(tab)).to_contain_text("number 39")
        tab.page.keyboard.press("Escape")  # read, and at the newest
        tab.until("conversation(given).unread === 0", bob)
        tab.js("document.querySelector('#list .scroll').scrollTop = 100")
        button = tab.page.locator("#list .newest")
        expect(button).to_have_text("Newest")
        top = _row(tab, "number 9").bounding_box()
        _tell(other, ann, "one more", "and one")
        expect(button).to_have_text("2 new messages")
        assert _row(tab, "number 9").bounding_box() == top
        button.click()
        expect(_row(tab, "and one")).to_be_in_viewport()
        expect(button).to_be_hidden()
        tab.until("conversation(given).unread === 0", bob)
        _tell(other, ann, "at the end")
        expect(_row(tab, "at the end")).to_be_in_viewport()
        tab.js("document.querySelector('#list .scroll').scrollTop = 100")
        expect(button).to_have_text("Newest")
        tab.say("what one says oneself is seen")
        expect(_row(tab, "oneself is seen")).to_be_in_viewport()


def test_one_begins_at_what_is_new_and_the_line_stays(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob, carol = server.accounts("ann", "bob", "carol")
    with server.json(bob) as other:
        *_, seq = _tell(other, ann, *(f"read {number}" for number in range(30)))
        with server.json(ann) as reader:
            reader.request("read", **{"with": bob, "upto": seq})
        _tell(other, ann, *(f"new {number}" for number in range(60)))
        tab = page_of(ann)
        tab.until("conversation(given).unread === 60", bob)
        tab.open(bob)
        line = tab.page.locator("#list .new")
        expect(line).to_be_in_viewport()
        expect(_row(tab, "read 29")).to_be_in_viewport()
        expect(tab.page.locator(".new + .message")).to_contain_text("new 0")
        tab.page.locator("#list .newest").click()
        tab.until("conversation(given).unread === 0", bob)
        expect(line).to_be_attached()
        tab.open(carol)
        tab.open(bob)
        expect(_last(tab)).to_contain_text("new 59")
        expect(line).not_to_be_attached()


def test_a_sender_is_named_once_within_five_minutes_and_days_are_apart(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    rows = [("08:00", "bob"), ("08:04", "bob"), ("08:20", "bob"), ("08:21", "carol")]
    made = """
        const rows = given.rows.map(([at, from], seq) => chat.store.messageOf({
            seq: seq + 1, at: at.length > 5 ? at : `2026-01-05T${at}:00`, from, text: `at ${at}`}));
        chat.store.conversation(given.key).tail.list.push(...rows);
        chat.store.touch(`messages:${given.key}`);
    """
    tab.js(made, {"key": bob, "rows": [*rows, ("2026-01-07T08:00:00", "carol")]})
    expect(tab.page.locator("#list .message .name")).to_have_text(["bob", "bob", "carol", "carol"])
    expect(tab.page.locator("#list .day")).to_have_text(["Monday 5 January", "Wednesday 7 January"])


def test_a_message_is_answered_changed_and_taken_away_by_keyboard(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    with server.json(bob) as other:
        (seq,) = _tell(other, ann, "a question")
        tab.open(bob)
        _row(tab, "a question").focus()
        keys = tab.page.keyboard
        keys.press("r")
        expect(_box(tab)).to_be_focused()
        expect(tab.page.locator(".mode")).to_contain_text("a question")
        keys.type("an anwser")
        keys.press("Enter")
        expect(_last(tab).locator(".quote")).to_contain_text("a question")
        assert other.expect(event="message")["reply_to"] == seq
        keys.type("half a thought")
        _last(tab).focus()
        keys.press("e")
        assert tab.box == "an anwser"
        _box(tab).fill("an answer")
        keys.press("Enter")
        expect(_last(tab)).to_contain_text("an answer edited")
        assert other.expect(event="edited")["text"] == "an answer"
        assert tab.box == "half a thought"
        _row(tab, "a question").focus()
        keys.press("+")
        expect(tab.page.locator(".picker input")).to_be_focused()
        keys.type("rocket")
        keys.press("Enter")
        chip = _row(tab, "a question").locator(".reaction").first
        expect(chip).to_have_attribute("aria-pressed", "true")
        expect(chip).to_have_attribute("title", "🚀 you")
        expect(_row(tab, "a question")).to_be_focused()
        assert other.expect(event="reacted")["reaction"] == "🚀"
        other.request("react", target=seq, reaction="🚀")
        expect(chip).to_have_text("🚀2")
        chip.click()
        expect(chip).to_have_attribute("title", f"🚀 {bob}")
        _row(tab, "an answer").focus()
        keys.press("d")
        tab.page.locator("dialog button.primary").click()
        expect(_last(tab)).to_contain_text("This message was deleted.")
        keys.press("ArrowUp")
        expect(_row(tab, "a question")).to_be_focused()


def test_the_box_keeps_what_was_written_beside_an_edit_and_esc_leaves_it(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.say("first")
    expect(_last(tab)).not_to_have_class("waiting")
    _box(tab).press("ArrowUp")
    tab.until("document.querySelector('#composer textarea').value === 'first'")
    _box(tab).press("Escape")
    assert tab.box == ""
    tab.write("a draft")
    _box(tab).press("ArrowUp")  # moves the cursor, as it is not empty
    assert tab.box == "a draft"
    _box(tab).press("Home")
    _box(tab).press("Shift+Enter")
    assert tab.box == "\na draft"


def test_names_and_emoji_are_completed(server: ServerProcess, page_of: PageOf) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.page.keyboard.type(f"hi @{bob[:-1]}")
    expect(tab.page.locator("#choices [role=option]").first).to_have_text(f"@{bob}")
    tab.page.keyboard.press("Tab")
    assert tab.box == f"hi @{bob} "
    tab.page.keyboard.type(":tad")
    expect(tab.page.locator("#choices [role=option]").first).to_be_visible()
    tab.page.keyboard.press("ArrowDown")
    expect(_box(tab)).to_have_attribute("aria-activedescendant", "choice0")
    tab.page.keyboard.press("Enter")
    assert tab.box == f"hi @{bob} 🎉 "
    tab.page.keyboard.type(":eyes: :no_such: 10:30")
    assert tab.box == f"hi @{bob} 🎉 👀 :no_such: 10:30"
    tab.page.keyboard.press("Enter")
    tab.until("conversation(given).messages.length === 1", bob)
    assert tab.texts(bob) == [f"hi @{bob} 🎉 👀 :no_such: 10:30"]


def test_what_cannot_go_as_it_is_stays_in_the_box(server: ServerProcess, page_of: PageOf) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.write("😀" * 4001)
    note = tab.page.locator("#composer .note")
    expect(note).to_have_text("1 character too many")
    _box(tab).press("Enter")
    assert tab.box == "😀" * 4001
    tab.write("😀" * 3999)
    expect(note).to_have_text("1 character left")
    tab.write("/no-such-thing at all")
    _box(tab).press("Enter")
    expect(tab.page.locator(".answer.bad")).to_contain_text("no-such-thing")
    assert tab.box == "/no-such-thing at all"
    tab.write("/who")
    _box(tab).press("Enter")
    expect(tab.page.locator(".answer:not(.bad)")).to_be_visible()
    assert tab.box == ""
    _box(tab).press("Escape")
    expect(tab.page.locator(".answer")).to_be_hidden()
    tab.say("//etc")
    tab.until("conversation(given).messages.length === 1", bob)
    assert tab.texts(bob) == ["/etc"]


def test_the_box_is_emptied_only_when_the_text_is_safe(
    server: ServerProcess, page_of: PageOf
) -> None:
    """What is typed between Enter and that is neither sent with it nor lost."""
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    typed = """
        const box = document.querySelector("#composer textarea");
        const put = (text) => { box.value = text; box.dispatchEvent(new Event("input")); };
        put("first");
        box.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}));
        const at_once = box.value;
        put("first and more");
        return at_once;
    """
    assert tab.js(typed) == "first"
    tab.until("document.querySelector('#composer textarea').value === ' and more'")
    tab.until("conversation(given).messages.length === 1", bob)
    assert tab.texts(bob) == ["first"]
    assert tab.js("return conversation(given).draft.text", bob) == " and more"


def test_what_waits_and_what_failed_can_be_seen_and_taken_back(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    tab.open(bob)
    tab.js("chat.wire.stop()")
    tab.say("waits")
    expect(_last(tab)).to_contain_text("Waiting for a connection")
    tab.js(
        "const [first] = conversation(given).waiting;"
        "const error = {text: 'Not so.'};"
        "conversation(given).waiting = [{...first, state: 'failed', error}];"
        "chat.store.touch(`messages:${given}`)",
        bob,
    )
    expect(_last(tab)).to_contain_text("Not so.")
    tab.write("a draft")
    tab.page.get_by_role("button", name="Edit", exact=True).click()
    tab.until("document.querySelector('#composer textarea').value === 'a draft\\nwaits'")
    tab.until("conversation(given).waiting.length === 0", bob)
    expect(tab.page.locator("#list .message")).to_have_count(0)


def test_nothing_is_wider_than_the_window(server: ServerProcess, page_of: PageOf) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    with server.json(bob) as other:
        texts = [
            "x" * 1000,
            "```\n" + "y" * 500 + "\n```",
            "https://x.y/" + "z" * 500,
            "> " + "q" * 300,
        ]
        *_, seq = _tell(other, ann, *texts, "<b>not bold</b><img src=x onerror=alert(1)>")
        other.request("send", to=[ann], text="long", reply_to=seq - 2)
        for emoji in "👍🎉👀✅🚀🔥💯🙏👏🤔😍😢😡🐛🌈☕🍕⚡":
            other.request("react", target=seq, reaction=emoji)
        tab.open(bob)
        expect(_last(tab)).to_contain_text("long")
        expect(_row(tab, "not bold").locator("b, img")).to_have_count(0)
        wide = """
            const wide = (e) => e.getBoundingClientRect().right > innerWidth;
            return [...document.querySelectorAll("#talk, #talk *")].filter((e) =>
                e.offsetParent && !e.closest(".hide-visually") && wide(e)).map((e) => e.outerHTML);
        """
        for width in (1280, 800, 375, 320):
            tab.page.set_viewport_size({"width": width, "height": 700})
            tab.until("innerWidth === given", width)
            assert (width, tab.js(wide)) == (width, [])
            assert tab.js("return document.documentElement.scrollWidth") == width


def test_a_long_press_offers_what_can_be_done(server: ServerProcess, visit: OpenVisit) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server, ann, viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True)
    with server.json(bob) as other:
        _tell(other, ann, "hello")
        tab.open(bob)
        at = _row(tab, "hello").bounding_box()
        assert at is not None
        touch = {
            "pointerType": "touch",
            "clientX": at["x"] + 20,
            "clientY": at["y"] + 20,
            "bubbles": True,
        }
        _row(tab, "hello").dispatch_event("pointerdown", touch)
        sheet = tab.page.locator("dialog.sheet")
        sheet.get_by_role("button", name="👍").click()
        expect(_row(tab, "hello").locator(".reaction").first).to_have_text("👍1")
        expect(sheet).not_to_be_attached()


def test_what_others_say_is_said_to_who_cannot_see_it(
    server: ServerProcess, page_of: PageOf
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = page_of(ann)
    with server.json(bob) as other:
        _tell(other, ann, "before")
        tab.open(bob)
        expect(_last(tab)).to_contain_text("before")
        live = tab.page.locator("#list [aria-live=polite]")
        expect(live).to_have_text("")
        _tell(other, ann, "**one**", "two")
        expect(live).to_have_text(f"2 new messages. {bob}: two")
