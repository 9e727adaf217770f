"""The page /trust: constants, for any reader and screen, without a script."""

from collections.abc import Callable

from e2e.conftest import StartServer
from e2e.process import chat
from playwright.sync_api import BrowserContext

from .test_access import violations
from .visit import url_of


def test_how_to_trust_the_server_can_be_read_by_everybody_on_every_screen(
    start_server: StartServer, new_context: Callable[..., BrowserContext]
) -> None:
    server = start_server()  # its certificate becomes another one
    assert chat("ca", "--data", server.data, "chat.lan").returncode == 0
    noises: list[str] = []
    for scheme in ("light", "dark"):
        size = {"width": 320, "height": 640}
        page = new_context(color_scheme=scheme, viewport=size).new_page()
        page.on("console", lambda message: noises.append(message.text))
        page.goto(f"{url_of(server.place)}/trust")
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        assert page.evaluate("document.styleSheets[0].cssRules.length") > 5
        assert page.evaluate("document.scripts.length") == 0
        assert violations(page) == []
        assert not noises
    with page.expect_download() as download:
        page.click("text=Get the certificate")
    assert download.value.suggested_filename == "ca.crt"
