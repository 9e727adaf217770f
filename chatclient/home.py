"""The folder where a person's settings and the keys of servers are: the platform's own place."""

from pathlib import Path

from chatwire.sections import SettingsError


def config_folder() -> Path:
    """Return the folder. Raises SettingsError for a user without a home."""
    from platformdirs import user_config_path  # noqa: PLC0415

    try:
        folder = user_config_path("chat", appauthor=False)
    except RuntimeError:  # no HOME, and an account that the system does not know
        folder = Path()
    if not folder.is_absolute():
        raise SettingsError("There is no home folder to look for your settings in: set HOME.")
    return folder
