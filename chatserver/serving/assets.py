"""The files of the page, read and compressed once, when the server starts."""

import gzip
import hashlib
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

FOLDER: Final = Path(__file__).parents[1] / "web"

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_FOR_READERS: Final = re.compile(
    rb"(?ms)^[ \t]*(?:/\*(?:(?!\*/).)*\*/[ \t]*$|//[^\n]*$|[ \t]+|$)\n?"
    rb"|/\*\* @type \{[^\n]*?\} \*/ ?"
)
"""What only those read who look at the sources of scripts and sheets: comments on lines of their
own, types, indentation, empty lines."""
_SCRIPT: Final = re.compile(
    rb'("(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`(?:[^`\\\n]|\\.)*`'
    rb"|(?<![\w)\]\"'`] )(?<![\w)\]\"'`])/(?![/*])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/)"
    rb"|[ \t]*//[^\n]*|[ \t]*([{}()\[\],;:=<>&|?!*%]+)[ \t]*"
)
"""Of a script: a text or an expression, which stays as it is; the end of a line that is a comment;
or signs, which need no space around them. A test sees to it that no text has several lines or
another one in it."""
_SHEET: Final = re.compile(rb'("[^"\n]*")|\s*([{};,>])\s*|(?<=[\w-]): ')
_ENDS: Final = re.compile(rb"(?<=[{(\[,;])\n")
"""Ends of lines of a script that end nothing."""

_BASE: Final = b"{{base}}"
_FILES: Final = b"{{files}}"
"""In the service worker: what the page is made of, but for the page itself and the worker."""
_NOT_OF_IT: Final = ("index.html", "sw.js", "trust.")


class Asset(Struct, frozen=True):
    """One file as it is sent."""

    kind: str
    data: bytes
    packed: bytes
    """The same in gzip; empty where that is no shorter."""
    tag: str
    """What changes when the data does, as an ETag. A weak one, as it is the same for both."""


class Assets:
    """What is in a folder. `base` is the path below which its files never change."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Read the folder. Raises OSError."""
        found = {each.name: _read(each) for each in sorted(folder.iterdir()) if _is_one(each)}
        whole = hashlib.sha256()
        for name, data in found.items():
            whole.update(f"{name} {len(data)}\n".encode() + data)
        self.base = f"/a/{whole.hexdigest()[:12]}"
        names = " ".join(each for each in found if not each.startswith(_NOT_OF_IT))
        filled = {
            name: data.replace(_BASE, self.base.encode()).replace(_FILES, names.encode())
            for name, data in found.items()
        }
        self._files = {
            name: asset(_KINDS[Path(name).suffix], data) for name, data in filled.items()
        }

    def get(self, name: str) -> Asset | None:
        """Return the file of that name."""
        return self._files.get(name)


def _is_one(path: Path) -> bool:
    return path.suffix in _KINDS and not path.name.startswith(".") and path.is_file()


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".js":
        data = _SCRIPT.sub(rb"\1\2", _FOR_READERS.sub(b"", data))
        return _ENDS.sub(b"", data)
    if path.suffix == ".css":
        data = _SHEET.sub(_tight, _FOR_READERS.sub(b"", data))
        return data.replace(b";}", b"}")
    return data


def _tight(found: re.Match[bytes]) -> bytes:
    return found[1] or found[2] or b":"


def asset(kind: str, data: bytes) -> Asset:
    """Return a file of a kind as it is sent."""
    packed = gzip.compress(data, 9, mtime=0)
    return Asset(
        kind=kind,
        data=data,
        packed=packed if len(packed) < len(data) else b"",
        tag=f'W/"{hashlib.sha256(data).hexdigest()[:16]}"',
    )
