"""The files of the page as they are sent."""

import re
from pathlib import Path

import pytest

from chatserver.serving.assets import FOLDER, Assets

SCRIPTS = sorted(FOLDER.glob("*.js"))
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\]|\\.)*\])+/')


def test_what_is_for_readers_of_the_sources_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(
        "// why\n/**\n * What it does.\n */\nfunction f() {\n  // here\n\n"
        '  return "a // b" + "/* c */"; // stays\n}\n  /* over */\nf();\n'
        "/** @type {{a: string}} */ let a;\n  /** @type {any} */ let b; // b\n/* c */\n"
    )
    (tmp_path / "a.css").write_text("/* tokens\n   of all */\na {\n  color: red;\n}\n")
    (tmp_path / "index.html").write_text("<p>\n  // not a comment\n</p>\n")
    assets = Assets(tmp_path)
    sent = {
        each.name: asset.data for each in tmp_path.iterdir() if (asset := assets.get(each.name))
    }
    assert sent == {
        "a.js": b'function f() {\nreturn "a // b" + "/* c */"; // stays\n}\nf();\n'
        b"let a;\nlet b; // b\n",
        "a.css": b"a {\ncolor: red;\n}\n",
        "index.html": b"<p>\n  // not a comment\n</p>\n",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_no_text_goes_over_several_lines(script: Path) -> None:
    """Its indentation would be lost, and what looks like a comment in it."""
    asset = Assets().get(script.name)
    assert asset is not None
    for line in asset.data.decode().splitlines():
        assert _TEXT.sub("", line).count("`") % 2 == 0, line


def test_the_page_is_light() -> None:
    """In bytes, as they go over the wire: what was measured, and a little more."""
    assets = Assets()
    packed = [
        len(asset.packed or asset.data)
        for each in FOLDER.iterdir()
        if (asset := assets.get(each.name)) and not each.name.startswith(("sw.", "trust."))
    ]
    assert len(packed) <= 25
    assert sum(packed) <= 77_000
