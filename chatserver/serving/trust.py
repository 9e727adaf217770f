"""The page that tells how a phone or a computer comes to trust this server: `/trust`.

It is there while there is an authority (`chat ca`), and goes out in plaintext, too. What it offers
is public. Somebody in between could change it there, and just as well behind a warning that a
person clicks away; what tells is the fingerprint, which the operator passes on in another way. So
nobody is taught to click warnings away.
"""

import hashlib
import ssl
from pathlib import Path
from typing import Final

from chatserver.net.certificate import colons, read_der
from chatserver.serving.assets import Asset, Assets, asset

_PAGE: Final = "/trust"
_BINARY: Final = "/trust/ca.crt"
"""For phones, Windows and macOS. Its SHA-256 is the fingerprint, whatever computes it."""
_TEXT: Final = "/trust/ca.pem"
"""For the systems that want PEM."""

_STYLE: Final = "/trust/style.css"
PATHS: Final = (_PAGE, _STYLE, _BINARY, _TEXT)

_KIND: Final = "application/x-x509-ca-cert"
_FINGERPRINT, _DIGITS = b"{{fingerprint}}", b"{{digits}}"


class TrustPages:
    """What stands at the PATHS. From any thread."""

    def __init__(self, authority: Path | None, assets: Assets) -> None:
        """`authority` is the file of its certificate, which may come and go; in `assets` is the
        page without the fingerprint, and its style."""
        self._authority = authority
        self._page, self._style = assets.get("trust.html"), assets.get("trust.css")
        self._made: tuple[bytes, dict[str, Asset]] = (b"", {})

    def get(self, path: str) -> Asset | None:
        """Return one of them, None where there is no authority that can be read."""
        if self._authority is None or self._page is None or self._style is None:
            return None
        try:
            certificate = read_der(self._authority)
        except (OSError, ValueError):
            return None
        made_of, files = self._made
        if made_of != certificate:
            files = {**_files(certificate, self._page), _STYLE: self._style}
            self._made = (certificate, files)  # at once, for threads that read it
        return files[path]


def _files(certificate: bytes, page: Asset) -> dict[str, Asset]:
    digest = hashlib.sha256(certificate)
    text = page.data.replace(_FINGERPRINT, colons(digest).encode())
    return {
        _PAGE: asset(page.kind, text.replace(_DIGITS, digest.hexdigest().encode())),
        _BINARY: asset(_KIND, certificate),
        _TEXT: asset("application/x-pem-file", ssl.DER_cert_to_PEM_cert(certificate).encode()),
    }
