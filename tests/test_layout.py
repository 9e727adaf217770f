"""The architecture, as a table, and the imports that have to keep to it.

Every file stands on a floor and imports only from lower ones. A new file needs a place here.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("chatwire", "chatserver", "chatclient")

SERVER = """
# what both sides agree on
chatwire: .
chatwire: names text framing loopback events rooms sections
chatwire: replies
chatwire: protocol
chatwire: room_wording usage
chatwire: wording
# what the machine beneath offers, and what every part knows
chatserver: . control errors settings speech | chatserver.system: . allocator files processors
chatserver.system: folderlock
# one client's bytes
chatserver.net: . addresses certificate flusher outbox proxies proxyheader ratelimit stream webpush
chatserver.net: authority http local outward server tls
chatserver.net: websocket
# who may log in
chatserver.accounts: . file lockout queueing
chatserver.accounts: passwords
chatserver.accounts: authentication changes legacy
# what happens, and what follows from it: pure, and below the disk, which keeps a state; what the
# order does with it stands above the sessions
chatserver.order: .
chatserver.order: items outcome records
chatserver.order: state
chatserver.order.rules: .
chatserver.order.rules: common
chatserver.order.rules: rooms standing upkeep
chatserver.order.rules: accounts devices talk
chatserver.order: apply
# what is on disk
chatserver.storage: . tables
chatserver.storage: past rows schema
chatserver.storage: migration
chatserver.storage: store
chatserver.storage: snapshot
chatserver.storage: backup
# reading and finding what was said
chatserver.search: . words
chatserver.search: query
chatserver.search: parts
chatserver.search: index
chatserver.search: events
chatserver.search: archive
# who is here
chatserver.sessions: . connection
chatserver.sessions: session
chatserver.sessions: directory
chatserver.sessions: rooms
# the order, from there to the outboxes, and how long it is kept
chatserver.order: clock pending
chatserver.order: alerts order presence replay
chatserver.order: delivery
chatserver.order: local log registrar retention
chatserver.order: devices
# the parts that commands and threads work with
chatserver: services
# what people can ask for
chatserver.commands: registry
chatserver.commands: context
chatserver.commands: arguments dispatcher parts
chatserver.commands: access changes devices past people rooms standing talk unread upkeep
chatserver.commands: .
chatserver.commands: __main__
# how they say it
chatserver.dialects: . dialect
chatserver.dialects: choice lines
chatserver.dialects: json text
chatserver.dialects: web
# what the threads do
chatserver.serving: . account_watch accounts_keeper assets browser control housekeeper push
chatserver.serving: trust
chatserver.serving: pages
chatserver.serving: handler
# the only file that chooses the parts
chatserver: app
# the command line
chatserver.cli: . progress
chatserver.cli: main
chatserver.cli: control
chatserver.cli: accounts archive ca devices rooms | chatserver: __main__
"""
"""A floor is a line, the lowest first: packages, and their files; `.` is the package itself."""

CLIENT = """
# what every part of the client knows
chatclient: . ended errors home
# what people type, how it is meant, and how what happens reads
chatclient.talk: . colours parts request roster
chatclient.talk: conversation
chatclient.talk: attention paging outgoing recent unread writers
chatclient.talk: commandline ignored
chatclient.talk: aim nobody transcript
chatclient.talk: lines
# one link
chatclient.link: . ahead backlog backoff seen trust
chatclient.link: inbox transport
chatclient.link: tls writer
chatclient.link: opening reader
chatclient.link: connection
# many links
chatclient.link: mailbox replay requests
chatclient.link: keeper
chatclient.link: oneshot resume
# where to connect to, as whom, and what somebody has set
chatclient.setup: . echo entrance inputlines settings
chatclient.setup: destination
chatclient.setup: credentials
# what only a screen needs
chatclient.screen: . completion emoji inputhistory output statusline suspend tabcycle
chatclient.screen: alerts keys wrap
chatclient.screen: display
# what somebody has before them
chatclient.faces: . follow hook upkeep
chatclient.faces: dialogue summons
chatclient.faces: jsonlines plain terminal
# the command line, and bots, which have the same options and endings
chatclient.cli: . exits options | chatclient: handlers schedule
chatclient: bot | chatclient.cli: connect open send tail
chatclient: __main__
"""


def modules_on(floor: str) -> Iterator[str]:
    """Yield the modules that a line of the tables names."""
    for part in floor.split(" | "):
        package, _, names = part.partition(":")
        yield from (package if name == "." else f"{package}.{name}" for name in names.split())


FLOORS = [line for line in (SERVER + CLIENT).splitlines() if line and line[0] != "#"]
FLOOR = {module: number for number, floor in enumerate(FLOORS) for module in modules_on(floor)}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


@cache
def tree_at(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def tree_of(module: str) -> ast.Module:
    return tree_at(SOURCES[module])


def imports(module: str, sources: Mapping[str, Path] = SOURCES) -> Iterator[str]:
    """Yield everything that `module` imports, wherever in the file."""
    for node in ast.walk(tree_at(sources[module])):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = node.module or ""
            inside = [f"{base}.{each.name}" for each in node.names]
            found = [each for each in inside if each in sources]
            yield from found
            if len(found) < len(inside):
                yield base


def modules_of(package: str) -> list[str]:
    return [module for module in SOURCES if module.split(".")[0] == package]


def test_every_file_has_a_floor_and_no_floor_is_haunted() -> None:
    assert set(SOURCES) == set(FLOOR)


@pytest.mark.parametrize("module", sorted(FLOOR))
def test_a_file_imports_only_from_lower_floors(module: str) -> None:
    wrong = [
        imported
        for imported in imports(module)
        if imported in FLOOR and FLOOR[imported] >= FLOOR[module]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("chatwire", ("chatserver", "chatclient")),
        ("chatclient", ("chatserver",)),
        ("chatserver", ("chatclient",)),
    ],
)
def test_the_two_sides_share_nothing_but_the_wire(package: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        (module, imported)
        for module in modules_of(package)
        for imported in imports(module)
        if imported.split(".")[0] in forbidden
    ]
    assert wrong == []


def test_only_the_command_line_names_the_client() -> None:
    naming = {
        module
        for module in modules_of("chatserver")
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Constant) and str(node.value).startswith("chatclient.")
    }
    assert naming == {"chatserver.cli.main"}


@pytest.mark.parametrize("module", modules_of("chatwire"))
def test_the_wire_has_no_io_no_threads_and_no_clock(module: str) -> None:
    forbidden = {"asyncio", "io", "os", "pathlib", "select", "socket", "ssl", "threading", "time"}
    assert not forbidden & {imported.split(".")[0] for imported in imports(module)}
    calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
    assert not {ast.unparse(call.func) for call in calls} & {"open", "print", "datetime.now"}


def test_only_the_store_and_what_stands_on_it_speak_sql() -> None:
    databases = {module for module in SOURCES if "sqlite3" in imports(module)}
    assert databases == {
        "chatserver.storage.migration",
        "chatserver.storage.past",
        "chatserver.storage.rows",
        "chatserver.storage.schema",
        "chatserver.storage.store",
        "chatserver.storage.snapshot",
        "chatserver.search.parts",
        "chatserver.search.index",
        "chatserver.storage.backup",
    }


def test_only_net_has_sockets() -> None:
    sockets = {module for module in modules_of("chatserver") if "socket" in imports(module)}
    outside = {module for module in sockets if not module.startswith("chatserver.net.")}
    assert outside <= {"chatserver.net.certificate"}  # which asks for the host's name


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_every_file_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(tree_of(module))


# -- what follows from an item depends on items alone: no clock, socket, thread, file or setting --


ALLOWED = {
    *("bisect", "collections", "dataclasses", "datetime", "enum", "functools", "math"),
    *("msgspec", "re", "string", "types", "typing", "unicodedata", "__future__"),
}
"""All that may be imported from elsewhere; a list of what may not would miss something. A date may
be written, but not asked for: see IMPURE."""

IMPURE = {"now", "utcnow", "today", "open", "input", "print", "__import__", "exec", "eval"}


def reached_from(start: str, sources: Mapping[str, Path]) -> set[str]:
    """Return a module and all of ours that it imports, but for the settings, on whatever way."""
    todo, seen = [start], set[str]()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += [each for each in imports(module, sources) if _is_followed(each, sources)]
    return seen


def _is_followed(module: str, sources: Mapping[str, Path]) -> bool:
    return module in sources and module != "chatserver.settings"


def impurities(start: str, sources: Mapping[str, Path] = SOURCES) -> set[str]:
    """Return what a module, or anything of ours that it imports, reaches beside items."""
    found = set[str]()
    for module in reached_from(start, sources):
        for imported in imports(module, sources):
            if not _is_followed(imported, sources) and imported.split(".")[0] not in ALLOWED:
                found.add(f"{module}: {imported}")
        for node in ast.walk(tree_at(sources[module])):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if name in IMPURE:
                found.add(f"{module}: {name}")
    return found


def test_what_follows_depends_on_nothing_but_items() -> None:
    """In `apply`, and so in the rules, the state and the items, which it imports."""
    rules = {module for module in SOURCES if module.startswith("chatserver.order.rules.")}
    assert rules <= reached_from("chatserver.order.apply", SOURCES)
    assert impurities("chatserver.order.apply") == set()


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
    files = {
        "apply": "from chatserver.order.near import f\n",
        "near": line,
        "far": "from time import monotonic",
    }
    sources = dict(SOURCES)
    for name, content in files.items():
        sources[f"chatserver.order.{name}"] = path = tmp_path / f"{name}.py"
        path.write_text(content)
    assert impurities("chatserver.order.apply", sources)


# -- locks --


GUARDS = re.compile(
    r"threading\.(Lock|RLock|Condition|(Bounded)?Semaphore|Event|Barrier)|queue\.\w*Queue"
)


def guards_in(node: ast.AST, owner: str = "") -> Iterator[str]:
    """Yield every lock, event and queue that is made below `node`, as `Class.name`."""
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.ClassDef) else owner
        if isinstance(child, ast.Assign | ast.AnnAssign) and child.value is not None:
            made = [each for each in ast.walk(child.value) if isinstance(each, ast.Call)]
            if any(GUARDS.fullmatch(ast.unparse(each.func)) for each in made):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                yield from (f"{inside}.{ast.unparse(to).removeprefix('self.')}" for to in targets)
        yield from guards_in(child, inside)


def test_every_lock_is_listed() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = guide.partition("## Threads and locks")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    listed = {each for row in rows for each in re.findall(r"`(\w+\.\w+)`", row)}
    assert listed - {"user_pass.txt"} == {
        guard
        for package in ("chatserver", "chatclient")
        for module in modules_of(package)
        for guard in guards_in(tree_of(module))
    }


def test_all_locks_are_made_where_they_can_be_found() -> None:
    """By the name of the module; another way would hide them from the list."""
    hidden = ("from threading import", "from queue import")
    assert [
        m for m, path in SOURCES.items() if any(h in path.read_text("utf-8") for h in hidden)
    ] == []


def listed_in_setup() -> list[str]:
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "packages":
            listed: list[str] = ast.literal_eval(node.value)
            return listed
    raise AssertionError("setup.py lists no packages")


def test_setup_lists_every_package() -> None:
    there = [name_of(path) for path in SOURCES.values() if path.name == "__init__.py"]
    assert sorted(listed_in_setup()) == sorted(there)


def test_config_is_a_folder_and_no_package(tmp_path: Path) -> None:
    assert not list((ROOT / "config").rglob("*.py"))
    find = "import importlib.util; print(importlib.util.find_spec('config'))"
    assert subprocess.check_output([sys.executable, "-c", find], cwd=tmp_path) == b"None\n"
