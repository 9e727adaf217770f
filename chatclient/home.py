"""The folder where a person's settings and the keys of servers are: the platform's own place."""

import os
import tempfile
from pathlib import Path

from chatwire.sections import SettingsError


def write_own(file: Path, content: bytes) -> None:
    """Put a file of the person's own in the place of the one before, or none of it.

    Raises OSError.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # nobody else may read it
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


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
