"""What a browser calls itself, in three words that a person knows."""

from typing import Final

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
"""The first that is found counts: most of them call themselves what others do, too."""


def browser(user_agent: str) -> str:
    """Return `Firefox on Linux`; what is not known is `a browser`."""
    name = next((each for sign, each in _BROWSERS if sign in user_agent), "a browser")
    system = next((each for sign, each in _SYSTEMS if sign in user_agent), "")
    return f"{name} on {system}" if system else name
