"""What people write becomes nodes: nothing of it is lost, nothing of it becomes markup."""

from collections.abc import Iterator
from typing import Any

import pytest
from e2e.process import ServerProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from .visit import Visit, url_of

_TAGS = ["A", "BLOCKQUOTE", "CODE", "EM", "LI", "OL", "P", "PRE", "SPAN", "STRONG", "UL"]
_ATTRIBUTES = ["class", "dir", "href", "rel", "tabindex", "target", "value"]

_LOOK = """
    const f = window.form ??= await import(new URL("format.js",
        document.querySelector("script[type=module]").src));
    const options = {me: "ann", mentions: ["ann", "bob"], rooms: new Set(["#ops"])};
    const html = (node) => {
        const box = document.createElement("div");
        box.append(node);
        return box.innerHTML;
    };
"""
_CHECK = """
    const shown = (nodes) => nodes.map((n) => typeof n === "string" ? n : shown(n.kids)).join("");
    const wrong = (text) => {
        const tree = f.parse(text, options);
        const made = f.format(text, options);
        const all = [...made.querySelectorAll("*")];
        if (f.source(tree) !== text) return "lost: " + f.source(tree);
        if (made.textContent !== shown(tree)) return "shown: " + made.textContent;
        const odd = (name) => !given.attributes.includes(name);
        const foreign = all.find((e) => !given.tags.includes(e.tagName)
            || e.getAttributeNames().some(odd));
        if (foreign) return "markup: " + foreign.outerHTML;
        const safe = /^(https?:|mailto:|\\/r\\/)/i;
        const link = all.find((e) => e.tagName === "A" && !safe.test(e.getAttribute("href")));
        return link ? "link: " + link.outerHTML : null;
    };
    return given.texts.map((text) => [text, wrong(text)]).filter(([, why]) => why);
"""
_PARTS = [
    "*", "**", "`", "``", "```", "```js", "\n", ">", "> ", "- ", "  - ", "1. ", "12) ", " ", "a",
    "ann", "@bob", "#ops", "#none", "http://x.y/z", "HTTPS://X", "mailto:a@b.c", "(", ")", "_",
    "javascript:alert(1)", "data:text/html,x", "<b>", "</p>", "<img src=x onerror=alert(1)>",
    "&amp;", "é", "😄", "👍🏽", "مرحبا", "重点", "\t", ".", "//",
]  # fmt: skip
_TEXT = st.lists(st.sampled_from(_PARTS) | st.text(max_size=6), max_size=30).map("".join)


@pytest.fixture(scope="module")
def tab(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page, logged out: the formatter needs nobody."""
    context = request.getfixturevalue("browser").new_context()
    found = Visit(context, url_of(server.place))
    yield found
    assert not found.noises
    context.close()


def _look(tab: Visit, script: str, given: Any) -> Any:
    return tab.js(_LOOK + script, given)


@pytest.mark.parametrize("examples", [6, pytest.param(50, id="soak", marks=pytest.mark.soak)])
def test_any_text_is_kept_whole_and_is_never_markup(tab: Visit, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.lists(_TEXT, min_size=20, max_size=60))
    def check(texts: list[str]) -> None:
        known = {"texts": texts, "tags": _TAGS, "attributes": _ATTRIBUTES}
        assert _look(tab, _CHECK, known) == []

    check()


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b** *i* `c*d*`", "<strong>b</strong> <em>i</em> <code>c*d*</code>"),
        ("**a *b* c**", "<strong>a <em>b</em> c</strong>"),
        ("2*3*4 and snake*case*", "2*3*4 and snake*case*"),
        ("**open", "**open"),
        ("a * b * c", "a * b * c"),
        ("重**点**在", "重<strong>点</strong>在"),
        ("``a`b``", "<code>a`b</code>"),
        ("<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"),
        ("yes, ann", 'yes, <span class="mention mine">ann</span>'),
        ("@Bob, bobby", '<span class="mention">@Bob</span>, bobby'),
        ("#ops #none", '<a class="room" href="/r/ops">#ops</a> #none'),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_a_line(tab: Visit, text: str, html: str) -> None:
    assert _look(tab, "return html(f.format(given, options))", text) == f'<p dir="auto">{html}</p>'


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see https://x.y/a_(b).", "https://x.y/a_(b)"),
        ("(https://x.y)", "https://x.y"),
        ("**https://x.y/z**", "https://x.y/z"),
        ("mailto:ann@x.y, please", "mailto:ann@x.y"),
    ],
)
def test_a_link_ends_before_what_ends_a_sentence(tab: Visit, text: str, url: str) -> None:
    made = "const a = f.format(given).querySelector('a');"
    made += "return [a.getAttribute('href'), a.textContent, a.target, a.rel]"
    assert _look(tab, made, text) == [url, url, "_blank", "noopener noreferrer"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("a\nb\n\nc", "P"),
        ("```\n**a**\n```", "PRE"),
        ("```js\nx", "P"),
        ("a\n```\nx\n```\nb", "P PRE P"),
        ("> a\n> b\nc", "BLOCKQUOTE P P"),
        ("> > a", "BLOCKQUOTE BLOCKQUOTE P"),
        ("- a\n- b", "UL LI LI"),
        ("1. a\n2. b\nc", "OL LI LI P"),
        ("-a", "P"),
        ("1999. a", "P"),
    ],
)
def test_blocks(tab: Visit, text: str, tags: str) -> None:
    made = "return [...f.format(given).querySelectorAll('*')].map((e) => e.tagName).join(' ')"
    assert _look(tab, made, text) == tags


def test_a_list_keeps_its_numbers(tab: Visit) -> None:
    made = "return [...f.format(given).querySelectorAll('li')].map((e) => e.value)"
    assert _look(tab, made, "3. c\n7. g") == [3, 7]


@pytest.mark.parametrize(
    "part",
    ["*", "**", "`", "``", "> ", ">", "- a\n", "```\n", "http://[", "http://a)", "*a* ", "**a*",
     "(", " ", "\n", "@", "#ops ", "1. x\n", ">\n", "a", "😄", "ann "],
)  # fmt: skip
def test_hostile_texts_take_no_time_and_few_nodes(tab: Visit, part: str) -> None:
    made = """
        const text = given.repeat(Math.ceil(65536 / given.length));
        const begun = performance.now();
        const nodes = f.format(text, options).querySelectorAll("*").length;
        const time = performance.now() - begun;
        return {nodes, time, kept: f.source(f.parse(text, options)) === text};
    """
    found = _look(tab, made, part)
    assert found["kept"]
    assert found["nodes"] < 1000
    assert found["time"] < 2000  # ms; about 50 on a quiet machine


def test_only_a_few_emoji_alone_are_large(tab: Visit) -> None:
    made = "return given.map(f.emojiOnly)"
    assert _look(tab, made, ["😄", "👍🏽 🎉", "1", "a 😄", "", "😄" * 7, "#", "❤️"]) == [
        True, True, False, False, False, False, False, True,
    ]  # fmt: skip


def test_names_have_a_colour_of_their_own_whatever_their_case(tab: Visit) -> None:
    assert _look(tab, "return f.hue('Ann') === f.hue('ann')", None)
    names = [f"person{number}" for number in range(40)]
    assert len(set(_look(tab, "return given.map(f.hue)", names))) > 12
