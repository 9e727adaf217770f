"""Settings from variables: in UTF-8 whatever the locale, and no slip goes by."""

import sys

import pytest

from chatwire.sections import SettingsError, refuse_unknown, variables

KNOWN = ["CHAT_SERVER_PORT", "CHAT_SERVER_HOST"]


@pytest.mark.parametrize(
    "name", ["CHAT_SERVER_PROT", "CHAT_SERVER_FOO", "CHAT_SEVER_PORT", "CHAT_PROT", "CHAT_PASSWROD"]
)
def test_a_slip_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: there is no such setting"):
        refuse_unknown({name: "1"}, KNOWN, ["CHAT_SERVER_"])


@pytest.mark.parametrize("name", ["CHAT_PORT", "CHAT_USER", "CHAT_MODEL", "CHAT_CLIENT_BELL", "X"])
def test_what_is_known_or_another_programs_is_not(name: str) -> None:
    refuse_unknown({name: "1"}, KNOWN, ["CHAT_SERVER_"])


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_a_variable_is_utf8_in_every_locale(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    as_python_has_it = "pässword".encode().decode(encoding, "surrogateescape")
    path = b"caf\xe9".decode(encoding, "surrogateescape")
    found = variables({"CHAT_PASSWORD": as_python_has_it, "CHAT_DATA": path})
    assert found == {"CHAT_PASSWORD": "pässword", "CHAT_DATA": path}
    with pytest.raises(SettingsError, match=r"^CHAT_USER: it is not UTF-8"):
        variables({"CHAT_USER": path})
