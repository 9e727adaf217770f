"""Whether a server is the one it says it is: by the system's authorities, or by its key, like ssh.

`known_servers` has one line for each host and port: the place, the SHA-256 of the server's public
key (which is what counts: a certificate may be renewed with the same key) and the fingerprint of
the certificate it was first seen with (which is what people compare). Where an authority vouched
for the server there is `authority` instead of the key, and it has to be vouched for ever after.
"""

import contextlib
import hashlib
import ipaddress
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatclient.errors import Untrusted
from chatclient.home import config_folder
from chatwire.loopback import is_loopback

Ask = Callable[[str], bool]
"""Shows a question to a person and returns whether the answer was yes."""

Say = Callable[[str], None]
"""Shows a sentence to a person."""

_AUTHORITY: Final = "authority"
_KEY: Final = re.compile(f"[0-9a-f]{{64}}|{_AUTHORITY}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pin:
    """What is known of one server: its key, or that an authority vouched for it."""

    key: str
    fingerprint: str

    @property
    def by_authority(self) -> bool:
        """Whether it is not the key that counts, but that an authority vouches for it."""
        return self.key == _AUTHORITY


class Trust:
    """Decides about servers: by what is known of them, and by asking about the others.

    `ask` is None where there is nobody to ask; `say` gets what a person should know (by default,
    the log does). With a `fingerprint`, of a certificate or of a public key, only that one is
    accepted, and nothing is asked or written.
    Raises ValueError when it is not a SHA-256 fingerprint.
    """

    def __init__(
        self,
        file: Path,
        ask: Ask | None = None,
        fingerprint: str | None = None,
        *,
        say: Say | None = None,
    ) -> None:
        self._file = file
        self._ask = ask
        self._say = say or _log.info
        self._expected = None if fingerprint is None else normal_fingerprint(fingerprint)

    @property
    def explicit(self) -> bool:
        """Whether a fingerprint was given, so that authorities do not count."""
        return self._expected is not None

    def knows(self, host: str, port: int) -> bool:
        """Tell whether a key is pinned for this place. Raises Untrusted."""
        pin = self._pin(place_of(host, port))
        return pin is not None and not pin.by_authority

    def knows_authority(self, host: str, port: int) -> bool:
        """Tell whether an authority has vouched for this place before. Raises Untrusted."""
        pin = self._pin(place_of(host, port))
        return pin is not None and pin.by_authority

    def demands_tls(self, host: str, port: int) -> bool:
        """Tell whether this place has been verified before, or is going to be by a fingerprint.

        Raises Untrusted.
        """
        return self.explicit or self._pin(place_of(host, port)) is not None

    def not_in_plaintext(self, host: str, port: int) -> Untrusted:
        """Return why a place that has been verified is not spoken to without TLS."""
        place = place_of(host, port)
        if self.explicit:
            return Untrusted(
                f"A fingerprint was given for {place}, which only TLS can show: leave out the"
                " fingerprint or the plaintext."
            )
        return Untrusted(
            f"{place} is known to speak TLS, so nothing is said to it in plaintext."
            f" {self._way_out(place)}"
        )

    def no_longer_tls(self, host: str, port: int, reason: str) -> Untrusted:
        """Return the warning about a place that has been verified and does not speak TLS now."""
        place = place_of(host, port)
        return Untrusted(
            f"{place} does not speak TLS ({reason}), but its certificate is KNOWN. Somebody may be"
            " in between; nothing was said to it."
            + ("" if self.explicit else f" {self._way_out(place)}")
        )

    def no_longer_vouched(self, host: str, port: int, reason: str) -> Untrusted:
        """Return the warning about a place for which an authority vouched until now."""
        place = place_of(host, port)
        return Untrusted(
            f"The certificate of {place} has CHANGED: an authority vouched for it, and now none"
            f" does ({reason}). Somebody may be listening in. {self._way_out(place)}"
        )

    def vouched(self, host: str, port: int, certificate: bytes) -> None:
        """Remember that an authority vouches for a place; say so where that cannot be written."""
        place = place_of(host, port)
        if self._pin(place) is not None:
            return
        try:
            self._remember(place, Pin(_AUTHORITY, fingerprint_of(certificate)))
        except Untrusted as error:
            self._say(
                f"{error.text} So it is not remembered that an authority vouches for {place}."
            )

    def check(self, host: str, port: int, certificate: bytes) -> None:
        """Accept a certificate (DER), or raise Untrusted with what is wrong and what to do."""
        seen = fingerprint_of(certificate)
        place = place_of(host, port)
        if self._expected is not None:
            # That of the key will do: it stays the same when a certificate is renewed.
            key = normal_fingerprint(_readable_key(place, certificate))
            if self._expected not in (seen, key):
                raise Untrusted(
                    f"{place} has another certificate than expected: its fingerprint is {seen},"
                    f" not {self._expected}."
                )
            return
        new = Pin(_readable_key(place, certificate), seen)
        pin = self._pin(place)
        if pin is None:
            self._ask_about(place, new)
            pin = self._pin(place)  # that took a while: another client may have been faster
        if pin is None:
            self._remember(place, new)
        elif pin.by_authority:
            raise self.no_longer_vouched(host, port, f"its fingerprint is {seen}")
        elif pin.key != new.key:
            raise Untrusted(
                f"The key of {place} has CHANGED: its certificate was {pin.fingerprint} and is now"
                f" {seen}. Somebody may be listening in. {self._way_out(place)}"
            )

    def _way_out(self, place: str) -> str:
        return (
            f"If its operator says that this is right, delete the line '{place}' from {self._file}."
        )

    def _ask_about(self, place: str, pin: Pin) -> None:
        if self._ask is None:
            raise Untrusted(
                f"{place} is not known yet and there is nobody to ask: compare its fingerprint"
                f" with what the server printed and pass --fingerprint {pin.fingerprint}"
            )
        question = (
            f"{place} is not known yet.\nThe SHA-256 fingerprint of its certificate is\n"
            f"  {pin.fingerprint}\n"
            "If nobody is in between, the server has printed the same, or logged it.\n"
            "Trust it? (yes/no) "
        )
        if not self._ask(question):
            raise Untrusted(f"{place} is not trusted, so nothing was sent to it.")

    def _pin(self, place: str) -> Pin | None:
        """Return the pin of a place. The first line counts; what follows the pin is a remark."""
        for line in self._text().splitlines():
            words = line.split()
            if words and _written(words[0]) == place:
                if len(words) < 3 or not _KEY.fullmatch(words[1]):  # not "unknown" either
                    raise Untrusted(
                        f"The line '{place}' in {self._file} is damaged: correct or delete it."
                    )
                return Pin(words[1], words[2])
        return None

    def _text(self) -> str:
        try:
            # An editor may have put a byte order mark before the first place.
            return self._file.read_text("utf-8-sig")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as error:
            # Not "unknown": that would ask to trust whoever is there.
            raise Untrusted(f"Cannot read {self._file}: {error}.") from error

    def _remember(self, place: str, pin: Pin) -> None:
        """Append a line with one write, so that clients that do it at once lose none."""
        line = f"{place} {pin.key} {pin.fingerprint}\n"
        text = self._text()
        if text and not text.endswith("\n"):  # an editor again, or a power cut
            line = f"\n{line}"
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.touch(mode=0o600)
            with self._file.open("ab") as file:
                file.write(line.encode())
        except OSError as error:
            raise Untrusted(f"Cannot write {self._file}: {error.strerror}.") from error


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate (DER): `AB:CD:…`."""
    return _colons(hashlib.sha256(certificate).hexdigest())


def key_of(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key, in hexadecimal."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - slow to import
        Encoding,
        PublicFormat,
    )
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    key = load_der_x509_certificate(certificate).public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def _readable_key(place: str, certificate: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import

    try:
        return key_of(certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Untrusted(f"The certificate of {place} cannot be read: tell its operator.") from error


def known_servers() -> Path:
    """Return the platform's place for the file of pinned keys."""
    return config_folder() / "known_servers"


def place_of(host: str, port: int) -> str:
    """Return a host and port as one word, the same one however the host is written."""
    host = normal_host(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def normal_host(host: str) -> str:
    """Return a host in the one way to write it: as DNS has it, or the shortest of an address."""
    address = _address(host)
    if address is not None:
        return address.compressed
    with contextlib.suppress(UnicodeError):  # no such host: whoever connects to it says so
        host = host.encode("idna").decode("ascii")  # as the system looks it up
    return host.lower().removesuffix(".")


def is_this_machine(host: str) -> bool:
    """Tell whether a host is this machine by what it is called, whatever it resolves to.

    Only `localhost` and the loopback addresses are: any other name may lead here today because
    whoever answers for names says so.
    """
    return is_loopback(host) or normal_host(host) == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _written(word: str) -> str:
    """Return the place in a line of the file, which may have been written by an older version."""
    host, _, port = word.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    return place_of(bare, int(port)) if port.isascii() and port.isdecimal() and bare else word


def normal_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint as it is shown, however it was typed. Raises ValueError."""
    digits = fingerprint.replace(":", "").lower()
    if len(digits) != 64 or not all(each in "0123456789abcdef" for each in digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits.")
    return _colons(digits)


def _colons(digits: str) -> str:
    digits = digits.upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
