"""The files of the page as they are sent."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from chatserver.serving.assets import FOLDER, Assets

SCRIPTS = sorted(FOLDER.glob("*.js"))
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\]|\\.)*\])+/')
_IN_TEXT = re.compile(r"\$\{[^}`]*`")
_IMPORTED = re.compile(r'^(?:import|export)\b[^;"]*"\./([\w.]+)"', re.M)
_ASSETS = Assets()


def test_what_is_for_readers_of_the_sources_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(
        "// why\n/**\n * What it does.\n */\nfunction f() {\n  // here\n\n"
        '  return "a // b" + "/* c */"; // stays\n}\n  /* over */\nf();\n'
        "/** @type {{a: string}} */ let a;\n  /** @type {any} */ let b; // b\n/* c */\n"
    )
    (tmp_path / "b.js").write_text(
        'const a = /["/] [ ,]+ \\/ x/.test(`a ? ${b} : c`); // why, "so\n'
        "const b = { c: (1 + +d) / 2, e: x => f ? 'g , h' : i } /* j */\nk()\n"
    )
    (tmp_path / "a.css").write_text(
        "/* tokens\n   of all */\na > b, a :has(> c) {\n  color: red;\n  d: 1 + 2;\n}\n"
        'e::f { content: "g , h: i" }\n'
    )
    (tmp_path / "index.html").write_text("<p>\n  // not a comment\n</p>\n")
    assets = Assets(tmp_path)
    sent = {
        each.name: asset.data for each in tmp_path.iterdir() if (asset := assets.get(each.name))
    }
    assert sent == {
        "a.js": b'function f(){return "a // b" + "/* c */";}\nf();let a;let b;',
        "b.js": b'const a=/["/] [ ,]+ \\/ x/.test(`a ? ${b} : c`);'
        b"const b={c:(1 + +d)/ 2,e:x=>f?'g , h':i}/*j*/\nk()\n",
        "a.css": b'a>b,a :has(>c){color:red;d:1 + 2}e::f{content:"g , h: i"}',
        "index.html": b"<p>\n  // not a comment\n</p>\n",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_no_text_goes_over_several_lines_or_has_one_in_it(script: Path) -> None:
    """What looks like code in it would lose its spaces."""
    for line in script.read_text().splitlines():
        if line.lstrip().startswith(("//", "/*", "*")):
            continue
        assert _TEXT.sub("", line).count("`") % 2 == 0, line
        assert not _IN_TEXT.search(line), line


def _packed(names: Iterable[str]) -> int:
    found = [asset for name in names if (asset := _ASSETS.get(name))]
    return sum(len(asset.packed or asset.data) for asset in found)


def _first(script: str, found: set[str]) -> set[str]:
    """Return what a browser loads to run a script."""
    found.add(script)
    for name in _IMPORTED.findall((FOLDER / script).read_text()):
        if name not in found:
            _first(name, found)
    return found


def test_the_page_is_light() -> None:
    """In bytes, as they go over the wire: what was measured, and a little more."""
    names = [each.name for each in FOLDER.iterdir() if not each.name.startswith(("sw.", "trust."))]
    assert len(names) <= 25
    assert _packed(names) <= 70_900


def test_the_first_view_is_light() -> None:
    """What is loaded until one sees the conversations and can write."""
    names = _first("main.js", {"index.html", "style.css"})
    assert "panel.js" not in names
    assert _packed(names) <= 42_200
    preloaded = re.findall(r'modulepreload" href="{{base}}/(.*?)"', _page())
    assert {*preloaded, "index.html", "style.css"} == names


def _page() -> str:
    return (FOLDER / "index.html").read_text()
