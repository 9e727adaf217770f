"""Servers to attack, made as in e2e."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from e2e.machines import HOST, Cable, cable, on
from e2e.process import ServerProcess, environment

from .target import Target

__all__ = ["cable"]

Start = Callable[..., Target]
StartFar = Callable[..., ServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers: `start(login_attempts=2)`; all of a test on one data folder unless told so."""
    with ExitStack() as started:

        def start(*options: str, data: Path | None = None, **settings: object) -> Target:
            server = Target(tmp_path / "data" if data is None else data, *options, **settings)
            started.callback(server.stop)
            return server

        yield start


@pytest.fixture
def start_far(cable: Cable, tmp_path: Path) -> Iterator[StartFar]:
    """Start a server on the other machine: `start_far(session_idle_timeout=1)`."""
    with ExitStack() as started:

        def start_far(**settings: object) -> ServerProcess:
            data, env = tmp_path / "data", environment(server_host=HOST, **settings)
            with on(cable.server):
                server = ServerProcess(data, "--data", str(data), env=env)
            started.callback(server.stop)
            return server

        yield start_far


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """One server for the module, with its SETTINGS."""
    settings = getattr(request.module, "SETTINGS", {})
    server = Target(tmp_path_factory.mktemp("server") / "data", **settings)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_fault_is_logged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blame the test that caused it for a traceback in a server's log.

    One that is expected to fail may log why.
    """
    Target.forgiven = request.node.get_closest_marker("xfail") is not None
    yield
    for each in tuple(Target.running):
        each.check()
