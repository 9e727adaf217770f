"""Servers for the tests: one shared by a module, and as many of its own as a test wants.

A module says with `SETTINGS` how its shared server is set; its tests use accounts of their own
(`server.account`), so that they do not meet.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from .machines import cable
from .process import ServerProcess, environment
from .proxy import STEP, CuttingProxy

__all__ = ["cable"]

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """One server for the module, with its SETTINGS."""
    settings = getattr(request.module, "SETTINGS", {})
    data = tmp_path_factory.mktemp("server") / "data"
    server = ServerProcess(data, "--data", str(data), env=environment(**settings))
    yield server
    server.stop()


@pytest.fixture
def proxy(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[CuttingProxy]:
    """A link to the module's server that is cut again and again; its parameter says how often."""
    with closing(CuttingProxy(*server.place, getattr(request, "param", STEP))) as made:
        yield made


@pytest.fixture(scope="module")
def _left_running() -> Iterator[list[ServerProcess]]:
    """The servers that tests left running. They end while other tests run, and are looked at when
    the module is done: its data folder says whose a server was."""
    left: list[ServerProcess] = []
    yield left
    with ExitStack() as stack:
        for each in left:
            stack.callback(each.stop)


@pytest.fixture
def start_server(tmp_path: Path, _left_running: list[ServerProcess]) -> Iterator[StartServer]:
    """Start servers: `start_server(login_attempts=2)`, on one data folder unless told otherwise."""
    with ExitStack() as started:

        def start(
            *options: str, data: Path | None = None, prepared: bool = True, **settings: object
        ) -> ServerProcess:
            folder = tmp_path / "data" if data is None else data
            arguments = ["--data", str(folder), *options]
            server = ServerProcess(
                folder, *arguments, env=environment(**settings), prepared=prepared
            )
            _left_running.append(server)
            started.callback(server.begin_to_stop)
            return server

        yield start


@pytest.fixture(autouse=True)
def _no_fault_is_logged() -> Iterator[None]:
    """Blame the test that caused it for a traceback in a server's log."""
    yield
    for each in tuple(ServerProcess.running):
        each.check()
