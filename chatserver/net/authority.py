"""A small authority of the server's own: for its names and addresses, and for no others.

Phones and browsers that have its certificate trust the server without a warning. The certificate of
the server is then signed by it, again and again, for the key that the server has had all along: who
has pinned that key, as `chat connect` does, notices nothing. `cryptography` is imported only where
there is an authority.
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatserver.net.certificate import ensure_certificate
from chatserver.system.files import write_atomically

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

AUTHORITY_NAME: Final = "authority.pem"
_AUTHORITY_KEY_NAME: Final = "authority-key.pem"

_VALID_DAYS: Final = 3650
_SIGNED_DAYS: Final = 397
"""As long as browsers take; Apple refuses more than 825 even of an authority of one's own."""
_RENEW_DAYS: Final = 60
"""How long before its end a certificate is made anew: a server may be off for the holidays."""

_TOLERANCE: Final = timedelta(days=1)
"""For clients whose clock is behind."""

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")


def normal_name(name: str) -> str:
    """Return a name or an address as a certificate has it. Raises ValueError."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        word = name.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        word = ""
    labels = word.split(".")
    if len(word) > 253 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{name!r} is neither a name nor an address of a server.")
    return word


@dataclass(frozen=True)
class Authority:
    """The authority in a folder, as it was read."""

    certificate: "x509.Certificate"
    key: "EllipticCurvePrivateKey"

    @property
    def names(self) -> tuple[str, ...]:
        """What it may vouch for."""
        from cryptography import x509  # noqa: PLC0415

        found = self.certificate.extensions.get_extension_for_class(x509.NameConstraints)
        permitted = found.value.permitted_subtrees or []
        return tuple(str(getattr(each.value, "network_address", each.value)) for each in permitted)

    @property
    def until(self) -> datetime:
        """When it ends."""
        return self.certificate.not_valid_after_utc

    def has_signed(self, certificate: "x509.Certificate") -> bool:
        """Tell whether a certificate is one of its own."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def sign(self, key: "CertificatePublicKeyTypes", now: datetime) -> bytes:
        """Return a certificate for its names and a key of the server, as PEM.

        Raises ValueError when it can no longer, or when its two files do not belong together.
        """
        from cryptography import x509  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

        if self.until <= now:
            raise ValueError("the authority has ended: make another with chat ca --new")
        names = self.names
        common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        ours = self.key.public_key()
        made = (
            x509.CertificateBuilder()
            .subject_name(common)
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _TOLERANCE)
            .not_valid_after(min(self.until, now + timedelta(days=_SIGNED_DAYS)))
            .add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        if not self.has_signed(made):
            raise ValueError(
                f"{AUTHORITY_NAME} and {_AUTHORITY_KEY_NAME} do not belong together: put both back"
                " from a backup, or make another authority with chat ca --new"
            )
        return made.public_bytes(serialization.Encoding.PEM)


def make_authority(folder: Path, names: tuple[str, ...], now: datetime) -> Authority:
    """Make an authority for names and addresses in `folder`, in place of one that is there.

    Raises OSError when it cannot be written, ValueError for what is no name.
    """
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    names = tuple(dict.fromkeys(map(normal_name, names)))
    key = ec.generate_private_key(ec.SECP256R1())
    label = f"chat on {names[0]}"[:50] + f" ({now:%Y-%m-%d})"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _TOLERANCE)
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(_constraints(names), critical=True)
        .add_extension(public, critical=False)
        .sign(key, hashes.SHA256())
    )
    ensure_certificate(folder)  # which makes the folder, and the key of the server
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The certificate last: where there is one, its key is there too.
    write_atomically(folder / _AUTHORITY_KEY_NAME, private)
    write_atomically(folder / AUTHORITY_NAME, certificate.public_bytes(pem))
    return Authority(certificate, key)


def load_authority(folder: Path) -> Authority | None:
    """Return the authority in `folder`, if there is one.

    Raises OSError or ValueError when it cannot be read.
    """
    try:
        data = (folder / AUTHORITY_NAME).read_bytes()
    except FileNotFoundError:
        return None
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    certificate = x509.load_pem_x509_certificate(data)
    key = load_pem_private_key((folder / _AUTHORITY_KEY_NAME).read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{_AUTHORITY_KEY_NAME} is of another kind")
    return Authority(certificate, key)


def renew(folder: Path, now: datetime | None = None) -> bool:
    """Have the server's certificate in `folder` be one of the authority's that lasts, if there is
    an authority; True when that made a new one.

    Raises OSError or ValueError when it cannot be done; what was there stays.
    """
    authority = load_authority(folder)
    if authority is None:
        return False
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    now = now or datetime.now(UTC)
    certificate, key = ensure_certificate(folder)
    public = load_pem_private_key(key.read_bytes(), None).public_key()
    there = x509.load_pem_x509_certificate(certificate.read_bytes())
    last = min(authority.until, now + timedelta(days=_RENEW_DAYS))
    lasts = now < there.not_valid_after_utc >= last
    if lasts and there.public_key() == public and authority.has_signed(there):
        return False
    write_atomically(certificate, authority.sign(public, now))  # type: ignore[arg-type]
    return True


def _general(name: str) -> "x509.GeneralName":
    """Return a name or an address as it stands in a certificate."""
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _constraints(names: tuple[str, ...]) -> "x509.NameConstraints":
    """Return that only these may be vouched for. A kind of which none is allowed has to be
    forbidden as a whole: what is not mentioned is free."""
    from cryptography import x509  # noqa: PLC0415

    permitted: list[x509.GeneralName] = []
    for each in map(_general, names):
        if isinstance(each, x509.IPAddress):
            permitted.append(x509.IPAddress(ipaddress.ip_network(str(each.value))))
        else:
            permitted.append(each)
    everything: list[x509.GeneralName] = [
        x509.DNSName(""),
        x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
        x509.IPAddress(ipaddress.ip_network("::/0")),
    ]
    kinds = {_kind(each) for each in permitted}
    excluded = [each for each in everything if _kind(each) not in kinds]
    return x509.NameConstraints(permitted, excluded or None)


def _kind(name: "x509.GeneralName") -> tuple[type, type]:
    return type(name), type(name.value)


def _usage(*, signs: bool) -> "x509.KeyUsage":
    from cryptography import x509  # noqa: PLC0415

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
