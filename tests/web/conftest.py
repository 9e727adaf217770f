"""A browser for the tests: Debian's Chromium, or Playwright's own, or none, and then a reason."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from e2e.conftest import (
    StartServer,
    _left_running,
    _no_fault_is_logged,
    start_server,
)
from e2e.process import ServerProcess, environment
from playwright.sync_api import Browser, BrowserContext, Error, Playwright, sync_playwright

from .visit import OpenVisit, Visit, url_of

__all__ = ["StartServer", "_left_running", "_no_fault_is_logged", "server", "start_server"]

_UNWANTED = (
    # A process for the frame of each window, and one kept ready for a next page: with them a test
    # takes twice as much of a processor.
    *("WebUIOmniboxPopup", "SpareRendererForSitePerProcess"),
    # What Playwright itself leaves out: of two such lists the browser takes the last.
    *("HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "DestroyProfileOnBrowserClose"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "AvoidCorsURLLoaderRestartOnRedirect"),
    *("ThirdPartyStoragePartitioning", "PaintHolding", "OptimizationHints", "MediaRouter"),
    *("NetworkTimeServiceQuerying", "PreconnectToSearch", "LensOverlay", "AimEnabled"),
)
_OPTIONS = ("--no-sandbox", "--disable-gpu", f"--disable-features={','.join(_UNWANTED)}")
_SYSTEM = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def _launched(playwright: Playwright) -> Browser:
    found = next(filter(None, map(shutil.which, _SYSTEM)), None)
    try:
        return playwright.chromium.launch(executable_path=found, args=list(_OPTIONS))
    except Error as error:
        if found is not None:
            raise
        pytest.skip(f"there is no Chromium: {str(error).splitlines()[0]}")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the folder, as the page needs none that is set in a way of its own; a test has
    accounts and rooms of its own there."""
    data = tmp_path_factory.mktemp("server") / "data"
    found = ServerProcess(data, "--data", str(data), env=environment())
    yield found
    found.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser; it ends with the tests of this folder, as its event loop must not be there for
    others."""
    with sync_playwright() as playwright:
        found = _launched(playwright)
        yield found
        found.close()


@pytest.fixture
def new_context(
    browser: Browser,
) -> Iterator[Callable[..., BrowserContext]]:
    """Make browsers of other people, or on other devices: with cookies and stores of their own.

    To install a service worker takes as long as to load the page: `service_workers="allow"` is for
    the tests of it."""
    made: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        usual = {"locale": "en-GB", "reduced_motion": "reduce", "service_workers": "block"}
        made.append(browser.new_context(**usual | options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def visit(new_context: Callable[..., BrowserContext]) -> Iterator[OpenVisit]:
    """Open the page: `visit(server, "ann")` is logged in already. It fails a test in which anything
    stood in the console of any tab."""
    visits: list[Visit] = []

    def open_(
        at: ServerProcess | tuple[str, int],
        name: str = "",
        path: str = "/",
        context: BrowserContext | None = None,
        **options: object,
    ) -> Visit:
        place = at.place if isinstance(at, ServerProcess) else at
        visits.append(Visit(context or new_context(**options), url_of(place), path, name))
        return visits[-1].online() if name else visits[-1]

    yield open_
    noises = [noise for each in visits for noise in each.noises]
    assert not noises, "\n".join(noises)


@pytest.fixture
def page_of(visit: OpenVisit, server: ServerProcess) -> Callable[[str], Visit]:
    """Open the page of the folder's server as somebody: `page_of("ann001")`."""
    return lambda name: visit(server, name)
