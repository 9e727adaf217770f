"""Every view around the talk: nothing that axe-core finds, nothing wider than the screen, and keys
alone are enough."""

from importlib import resources

import pytest
from e2e.process import ServerProcess
from playwright.sync_api import Page

from .visit import OpenVisit, Visit

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_RUN = """async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    const where = (each) => each.nodes.map((node) => node.html.slice(0, 200)).join(" ");
    return violations.map((each) => `${each.id}: ${where(each)}`);
}"""
_WIDER = """() => {
    const all = "html, #side, #side .talks, #panel, #talk, dialog[open], dialog[open] *";
    const scrolls = (e) => {
        const free = ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
        return (free || e === document.documentElement) && e.scrollWidth > e.clientWidth;
    };
    return [...document.querySelectorAll(all)].filter(scrolls)
        .map((e) => e.outerHTML.slice(0, 120));
}"""
_FOUND = "/message|found/.test(document.querySelector('#panel form ~ [role=status]').textContent)"
_LONG = "a-name-that-is-as-long-as-it-gets"[:32]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds in a page."""
    if page.evaluate("!window.axe"):
        page.evaluate(AXE)
    return list(page.evaluate(_RUN))


def _is_fine(tab: Visit, view: str) -> None:
    tab.page.wait_for_function("document.getAnimations().length === 0")
    assert (view, violations(tab.page)) == (view, [])
    assert (view, tab.page.evaluate(_WIDER)) == (view, [])


def _perform(tab: Visit, what: str) -> None:
    tab.js(
        "const base = document.querySelector('script[type=module]').src;"
        "const { perform } = await import(base.replace('main.js', 'commands.js')); perform(given);",
        what,
    )


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        (320, "dark"),
        pytest.param(1280, "dark", marks=pytest.mark.soak),
        pytest.param(320, "light", marks=pytest.mark.soak),
    ],
)
def test_every_view_can_be_used_by_everybody(
    visit: OpenVisit, server: ServerProcess, width: int, scheme: str
) -> None:
    ann, bob = server.accounts("ann", "bob")
    room = f"{_LONG[: 30 - len(ann)]}{ann}"
    tab = visit(server, viewport={"width": width, "height": 700}, color_scheme=scheme)
    _is_fine(tab, "login")
    with server.json(bob) as other:
        other.ask("create", room=room)
        other.ask(
            "topic", room=room, topic="what it is about, at such a length that it fits nowhere " * 3
        )
        other.ask("create", room=f"asked-{bob}", access="closed")
        other.ask("invite", room=f"asked-{bob}", name=ann)
        other.tell(ann, "wide" * 60)
        other.tell([ann, server.account(_LONG[:28])], "hello")
        tab.login(ann)
        _is_fine(tab, "list")
        tab.js("await chat.actions.join(given)", room)
        tab.open(f"#{room}")
        other.ask("role", room=room, name=ann, role="owner")
        other.ask("send", room=room, text=f"@{ann}")
        tab.page.click("#details")
        tab.page.locator("#panel .people li").nth(1).wait_for()
        _is_fine(tab, "details")
        tab.page.click(f"#panel .people button:has-text('{bob}')")
        tab.page.locator("#panel select").wait_for()
        _is_fine(tab, "person")
        _perform(tab, "account")
        tab.page.locator("#panel h2:text('Status')").wait_for()
        _is_fine(tab, "account")
        for view in ("keys", "new", "find", "make"):
            _perform(tab, view)
            tab.page.locator("dialog[open]").wait_for()
            _is_fine(tab, view)
            tab.page.keyboard.press("Escape")
            tab.page.locator("dialog[open]").wait_for(state="detached")
        tab.page.keyboard.press("Control+k")
        tab.page.keyboard.type("o")
        _is_fine(tab, "palette")
        tab.page.keyboard.press("Escape")
        tab.js("chat.main.go('/s?q=wide*')")
        tab.until(_FOUND)
        _is_fine(tab, "search")


def test_everything_is_reached_by_tab_and_arrows(visit: OpenVisit, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.tell(ann, "hello")
        tab = visit(server)
        keys = tab.page.keyboard
        tab.until("document.activeElement.id === 'login-name'")
        keys.type(ann)
        keys.press("Tab")
        keys.type("correct horse")
        keys.press("Enter")
        tab.online()
        tab.page.locator(f"#side a:has-text('{bob}')").wait_for()
        reached = []
        for _ in range(8):
            keys.press("Tab")
            reached.append(
                tab.page.evaluate(
                    "document.activeElement.ariaLabel ?? document.activeElement.className"
                    " ?? document.activeElement.tagName"
                )
            )
        assert reached[:2] == ["Filter conversations", "Find rooms"]
        assert "New conversation" in reached
        assert "me" in reached
        tab.page.focus("#side input")
        keys.press("ArrowDown")
        while bob not in tab.page.evaluate("document.activeElement.textContent"):
            keys.press("ArrowDown")
        keys.press("Enter")
        tab.until("chat.store.store.open === given", bob)
