"""Servers by their certificates, and the people who are asked whether they trust one."""

import hashlib
import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatclient.link.trust import Trust

HOST, PORT = "chat.example", 4119

_PEM: Final = serialization.Encoding.PEM


class Identity:
    """A certificate and its key: signed by itself, by an authority, or an authority's own.

    It is for `localhost` and 127.0.0.1, or for `name`, and valid now, unless `days` are over.
    """

    def __init__(
        self,
        *,
        signer: Self | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        name: str = "localhost",
        days: int = 2,
        authority: bool = False,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signing = self.key if signer is None else signer.key
        now = datetime.now(UTC)
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        made = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.subject if signer is None else signer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(True, *[False] * 4, authority, authority, False, False), critical=True
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(signing, hashes.SHA256())
        )
        self.pem = made.public_bytes(_PEM)
        self.der = ssl.PEM_cert_to_DER_cert(self.pem.decode())
        self.fingerprint = hashlib.sha256(self.der).digest().hex(":").upper()
        spki = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.pin = hashlib.sha256(spki).hexdigest()

    def renewed(self) -> "Identity":
        """Return another certificate with the same key."""
        return Identity(key=self.key)

    def context(self) -> ssl.SSLContext:
        """Return what a server needs that has this certificate."""
        private = self.key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            pair = Path(folder) / "pair.pem"
            pair.write_bytes(private + self.pem)
            context.load_cert_chain(pair)
        return context


ALICE, MALLORY = Identity(), Identity()
"""A server, and somebody who would like to be taken for it."""


class Person:
    """Answers what is asked, and remembers what that was."""

    def __init__(self, answer: bool = True) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self._answer


def nobody(question: str) -> bool:
    raise AssertionError(f"this was asked: {question}")


def meet(file: Path, identity: Identity = ALICE, host: str = HOST, port: int = PORT) -> None:
    """Pin a server."""
    Trust(file, Person()).check(host, port, identity.der)
