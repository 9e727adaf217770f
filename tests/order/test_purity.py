"""What follows from an item depends on items alone: no clock, socket, thread, file or setting."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PURE = ("items", "outcome", "state", "apply")

ALLOWED = {
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "math",
    "msgspec",
    "re",
    "string",
}
ALLOWED |= {"types", "typing", "unicodedata", "__future__"}
"""All that may be imported from elsewhere; a list of what may not would miss something. A date may
be written, but not asked for: see CLOCKS."""

OURS = ("chatserver", "chatwire")
IMPURE = {"chatserver.settings"}
CLOCKS = {"now", "utcnow", "today"}
CALLS = {"open", "input", "print", "__import__", "exec", "eval"}


def impurities(name: str, root: Path = ROOT) -> set[str]:
    """Return what a module, or anything of ours that it imports, reaches beside items."""
    todo, seen, found = [name], set[str](), set[str]()
    while todo:
        module = todo.pop()
        path = next((each for each in _files(root, module) if each.exists()), None)
        if module in seen or path is None:
            continue
        seen.add(module)
        tree = ast.parse(path.read_text("utf-8"))
        for imported in _imports(tree):
            top = imported.split(".")[0]
            if top not in OURS:
                if top not in ALLOWED:
                    found.add(f"{module}: {imported}")
            elif any(imported == each or imported.startswith(f"{each}.") for each in IMPURE):
                found.add(f"{module}: {imported}")
            else:
                todo.append(imported)
        found |= {
            f"{module}: {node.func.id}()"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in CALLS
        }
        found |= {
            f"{module}: .{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS
        }
    return found


def _files(root: Path, module: str) -> tuple[Path, ...]:
    base = root / module.replace(".", "/")
    return base.with_suffix(".py"), base / "__init__.py"


def _imports(tree: ast.AST) -> Iterator[str]:
    """Return the modules imported anywhere; of `from a import b` also `a.b`, which may be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports here name the whole module"
            yield node.module or ""
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("module", PURE)
def test_what_follows_depends_on_nothing_but_items(module: str) -> None:
    assert (ROOT / "chatserver/order" / f"{module}.py").exists()
    assert impurities(f"chatserver.order.{module}") == set()


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "import threading",
        "from socket import socket",
        "from pathlib import Path",
        "from chatserver.settings import Settings",
        "from chatserver import settings",
        "from chatserver.order import far",
        "def f():\n    import os",
        "open('x')",
        "from datetime import datetime; datetime.now()",
    ],
)
def test_anything_else_is_found(tmp_path: Path, line: str) -> None:
    """In the module itself, or in one that it imports."""
    order = tmp_path / "chatserver/order"
    order.mkdir(parents=True)
    (order / "far.py").write_text("from time import monotonic\n")
    (order / "near.py").write_text(line + "\n")
    (order / "apply.py").write_text("from chatserver.order.near import f\n")
    assert impurities("chatserver.order.apply", tmp_path)
