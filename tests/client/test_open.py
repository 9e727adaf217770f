"""`chat open`: where the page of a server is."""

import webbrowser

import pytest
from click.testing import CliRunner

from chatclient.cli.open import open_, page_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4119/"),
        ("localhost", "http://localhost:4119/"),
        ("::1", "http://[::1]:4119/"),
        ("chat.example", "https://chat.example:4119/"),
        ("2001:db8::1", "https://[2001:db8::1]:4119/"),
        ("192.0.2.1", "https://192.0.2.1:4119/"),
    ],
)
def test_on_this_machine_without_tls_and_elsewhere_with_it(host: str, url: str) -> None:
    assert page_url(host, 4119) == url


@pytest.mark.parametrize("broken", [False, True])
def test_it_is_opened_and_where_there_is_no_browser_shown(
    monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    opened: list[str] = []

    def open_it(url: str) -> bool:
        opened.append(url)
        if broken:
            raise webbrowser.Error
        return True

    monkeypatch.setattr(webbrowser, "open", open_it)
    done = CliRunner().invoke(open_, ["chat.example:5000"])
    assert (done.exit_code, done.output) == (0, "https://chat.example:5000/\n")
    assert opened == ["https://chat.example:5000/"]
