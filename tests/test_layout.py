"""The architecture, as a table, and the imports that have to keep to it.

Every file stands on a floor and imports only from lower ones. A new file needs a place here.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("chatwire", "chatserver", "chatclient")

FLOORS: tuple[tuple[str, ...], ...] = (
    # what both sides agree on
    ("chatwire",),
    (
        "chatwire.names",
        "chatwire.text",
        "chatwire.framing",
        "chatwire.loopback",
        "chatwire.protocol",
        "chatwire.sections",
    ),
    ("chatwire.usage",),
    ("chatwire.wording",),
    # what the machine beneath offers, and what every part knows
    (
        "chatserver",
        "chatserver.control",
        "chatserver.errors",
        "chatserver.settings",
        "chatserver.speech",
        "chatserver.system",
        "chatserver.system.allocator",
        "chatserver.system.files",
        "chatserver.system.processors",
    ),
    ("chatserver.system.folderlock",),
    # one client's bytes
    (
        "chatserver.net",
        "chatserver.net.addresses",
        "chatserver.net.certificate",
        "chatserver.net.flusher",
        "chatserver.net.outbox",
        "chatserver.net.ratelimit",
        "chatserver.net.stream",
    ),
    (
        "chatserver.net.local",
        "chatserver.net.server",
        "chatserver.net.tls",
    ),
    # who may log in
    (
        "chatserver.accounts",
        "chatserver.accounts.file",
        "chatserver.accounts.lockout",
        "chatserver.accounts.queueing",
    ),
    ("chatserver.accounts.passwords",),
    (
        "chatserver.accounts.authentication",
        "chatserver.accounts.changes",
        "chatserver.accounts.legacy",
    ),
    # what happens, and what follows from it: pure, and below the disk, which keeps a state; what
    # the order does with it stands above the sessions
    ("chatserver.order",),
    ("chatserver.order.items", "chatserver.order.outcome", "chatserver.order.state"),
    ("chatserver.order.apply",),
    # what is on disk
    ("chatserver.storage", "chatserver.storage.tables"),
    ("chatserver.storage.past", "chatserver.storage.rows", "chatserver.storage.schema"),
    ("chatserver.storage.migration",),
    ("chatserver.storage.store",),
    ("chatserver.storage.snapshot",),
    ("chatserver.storage.backup",),
    # reading and finding what was said
    (
        "chatserver.search",
        "chatserver.search.words",
    ),
    ("chatserver.search.query",),
    ("chatserver.search.parts",),
    ("chatserver.search.index",),
    ("chatserver.search.archive",),
    # who is here
    (
        "chatserver.sessions",
        "chatserver.sessions.connection",
    ),
    ("chatserver.sessions.session",),
    ("chatserver.sessions.directory",),
    # the order, from there to the outboxes, and how long it is kept
    ("chatserver.order.clock", "chatserver.order.pending"),
    ("chatserver.order.order", "chatserver.order.presence", "chatserver.order.replay"),
    ("chatserver.order.delivery",),
    (
        "chatserver.order.local",
        "chatserver.order.log",
        "chatserver.order.registrar",
        "chatserver.order.retention",
    ),
    # the parts that commands and threads work with
    ("chatserver.services",),
    # what people can ask for
    ("chatserver.commands.registry",),
    ("chatserver.commands.context",),
    (
        "chatserver.commands.access",
        "chatserver.commands.arguments",
        "chatserver.commands.dispatcher",
        "chatserver.commands.past",
        "chatserver.commands.people",
        "chatserver.commands.standing",
        "chatserver.commands.talk",
        "chatserver.commands.upkeep",
    ),
    ("chatserver.commands",),
    ("chatserver.commands.__main__",),
    # how they say it
    ("chatserver.dialects", "chatserver.dialects.dialect"),
    ("chatserver.dialects.choice", "chatserver.dialects.lines"),
    ("chatserver.dialects.json", "chatserver.dialects.text"),
    # what the threads do
    (
        "chatserver.serving",
        "chatserver.serving.handler",
        "chatserver.serving.housekeeper",
        "chatserver.serving.account_watch",
        "chatserver.serving.accounts_keeper",
        "chatserver.serving.control",
    ),
    # the only file that chooses the parts
    ("chatserver.app",),
    # the command line
    ("chatserver.cli", "chatserver.cli.progress"),
    ("chatserver.cli.main",),
    ("chatserver.cli.control",),
    ("chatserver.cli.accounts", "chatserver.cli.archive", "chatserver.__main__"),
)

CLIENT_FLOORS: tuple[tuple[str, ...], ...] = (
    # what every part of the client knows
    ("chatclient", "chatclient.ended", "chatclient.errors", "chatclient.home"),
    # what people type, how it is meant, and how what happens reads
    (
        "chatclient.talk",
        "chatclient.talk.colours",
        "chatclient.talk.mention",
        "chatclient.talk.request",
        "chatclient.talk.roster",
    ),
    ("chatclient.talk.conversation", "chatclient.talk.outgoing", "chatclient.talk.paging"),
    ("chatclient.talk.commandline",),
    ("chatclient.talk.nobody", "chatclient.talk.transcript"),
    ("chatclient.talk.lines",),
    # one link
    (
        "chatclient.link",
        "chatclient.link.ahead",
        "chatclient.link.backlog",
        "chatclient.link.backoff",
        "chatclient.link.seen",
        "chatclient.link.trust",
    ),
    ("chatclient.link.inbox", "chatclient.link.transport"),
    ("chatclient.link.tls", "chatclient.link.writer"),
    ("chatclient.link.opening", "chatclient.link.reader"),
    ("chatclient.link.connection",),
    # many links
    ("chatclient.link.mailbox", "chatclient.link.replay", "chatclient.link.requests"),
    ("chatclient.link.keeper",),
    ("chatclient.link.oneshot", "chatclient.link.resume"),
    # where to connect to, as whom, and what somebody has set
    (
        "chatclient.setup",
        "chatclient.setup.echo",
        "chatclient.setup.entrance",
        "chatclient.setup.inputlines",
        "chatclient.setup.settings",
    ),
    ("chatclient.setup.destination",),
    ("chatclient.setup.credentials",),
    # what only a screen needs
    (
        "chatclient.screen",
        "chatclient.screen.completion",
        "chatclient.screen.emoji",
        "chatclient.screen.output",
        "chatclient.screen.statusline",
        "chatclient.screen.suspend",
        "chatclient.screen.tabcycle",
    ),
    ("chatclient.screen.keys",),
    ("chatclient.screen.display",),
    # what somebody has before them
    ("chatclient.faces", "chatclient.faces.dialogue", "chatclient.faces.follow"),
    ("chatclient.faces.jsonlines", "chatclient.faces.plain", "chatclient.faces.terminal"),
    # the command line, and bots, which have the same options and endings
    ("chatclient.cli", "chatclient.cli.exits", "chatclient.cli.options", "chatclient.schedule"),
    ("chatclient.bot", "chatclient.cli.connect", "chatclient.cli.send", "chatclient.cli.tail"),
    ("chatclient.__main__",),
)

FLOOR = {module: number for number, floor in enumerate(FLOORS + CLIENT_FLOORS) for module in floor}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"))


def imports(module: str) -> Iterator[str]:
    """Yield everything that `module` imports, wherever in the file."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = node.module or ""
            inside = [f"{base}.{each.name}" for each in node.names]
            found = [each for each in inside if each in SOURCES]
            yield from found
            if len(found) < len(inside):
                yield base


def of_package(module: str, package: str) -> bool:
    return module.split(".", maxsplit=1)[0] == package


def modules_of(package: str) -> list[str]:
    return [module for module in SOURCES if of_package(module, package)]


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
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib.util; print(importlib.util.find_spec('config'))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "None\n"
