"""The settings in docs/client.md are those there are, with their defaults."""

import re
from pathlib import Path

import msgspec

from chatclient.setup.settings import ClientSettings, NamedServer, load_settings

GUIDE = Path(__file__).parent.parent.parent / "docs" / "client.md"


def test_the_file_in_the_guide_has_every_setting_with_its_default(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    file = tmp_path / "client.toml"
    file.write_text(found[1].replace("5F:8A:…", "AB" * 32), "utf-8")
    settings = load_settings({"CHAT_CLIENT_CONFIG": str(file)})
    assert settings.client == ClientSettings().client
    defaults = {each.name: each.default for each in msgspec.structs.fields(NamedServer)}
    home = msgspec.structs.asdict(settings.servers["home"])
    assert set(home) == set(defaults)
    for key in ("port", "plaintext", "password"):
        assert home[key] == defaults[key]
    for section in (ClientSettings().client, settings.servers["home"]):
        assert all(f"\n{key} = " in found[1] for key in msgspec.structs.asdict(section))
