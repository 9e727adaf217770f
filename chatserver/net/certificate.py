"""The server's own certificate, made at its first start; and fingerprints.

Only the first start imports `cryptography`, which takes a tenth of a second.
"""

import datetime
import hashlib
import ipaddress
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from chatserver.system.files import make_folder, write_atomically

CERTIFICATE_NAME: Final = "certificate.pem"
KEY_NAME: Final = "key.pem"

_VALID_DAYS: Final = 3650
"""Clients pin the key as they do with ssh, so there is nothing to gain from a short life."""


def ensure_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the paths of the certificate and key in `folder`, made there if they are missing.

    Raises OSError when they cannot be written.
    """
    certificate, key = folder / CERTIFICATE_NAME, folder / KEY_NAME
    if not (certificate.exists() and key.exists()):
        make_folder(folder)
        key_pem, certificate_pem = _make()
        # The certificate last: where there is one, its key is there too.
        write_atomically(key, key_pem)
        write_atomically(certificate, certificate_pem)
    return certificate, key


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint of the first certificate in a PEM file: `AB:CD:…`.

    Raises OSError or ValueError when there is none.
    """
    return colons(hashlib.sha256(read_der(certificate)))


def read_der(certificate: Path) -> bytes:
    """Return the first certificate in a PEM file, without its envelope.

    Raises OSError or ValueError when there is none.
    """
    text = certificate.read_text("ascii")
    begin = text.index("-----BEGIN CERTIFICATE-----")
    end = text.index("-----END CERTIFICATE-----", begin) + len("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(text[begin:end])


class _Digest(Protocol):
    def hexdigest(self) -> str: ...


def colons(digest: _Digest) -> str:
    """Return a digest as fingerprints are shown: `AB:CD:…`."""
    digits = digest.hexdigest().upper()
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def own_names() -> tuple[str, ...]:
    """Return the names and addresses by which other machines may reach this one, as far as the
    system knows them; in a network at home that is also `NAME.local`."""
    host = socket.gethostname() or "localhost"
    names = _host_names(host)
    names += [] if "." in host or not host.isascii() else [f"{host}.local"]
    addresses = [each for each in _addresses(host) if not (each.is_loopback or each.is_link_local)]
    found = [each for each in names if each.partition(".")[0] != "localhost"]
    return tuple(dict.fromkeys([*found, *map(str, addresses)]))


def _make() -> tuple[bytes, bytes]:
    """Return a new P-256 key and a certificate signed by it, both as PEM."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname() or "localhost"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in _host_names(host)]
    names += [x509.IPAddress(address) for address in _addresses(host)]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A day of tolerance for a client whose clock is behind.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key_pem, certificate.public_bytes(serialization.Encoding.PEM)


def _host_names(host: str) -> list[str]:
    names = ["localhost", host, socket.getfqdn(host)]
    return list(dict.fromkeys(name for name in names if name.isascii()))


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    found = {"127.0.0.1", "::1", *_towards("192.0.2.1"), *_towards("2001:db8::1")}
    with suppress(OSError):
        found |= {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    return sorted(map(ipaddress.ip_address, found), key=str)


def _towards(address: str) -> list[str]:
    """Return the address of this machine from which it would send there. Nothing is sent: the name
    of a machine often stands for nothing but loopback."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return [str(probe.getsockname()[0]).partition("%")[0]]
    return []
