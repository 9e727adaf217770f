"""What a push service is sent: a message that only one browser can read, and who it is from.

The message is encrypted as in RFC 8291 (`aes128gcm` of RFC 8188, in one record), and the server
says which one it is as in RFC 8292 (VAPID). Whoever imports this imports `cryptography`, which
takes a tenth of a second and some memory: only where somebody wants pushes.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import struct
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from chatserver.system.files import write_atomically

MOST_BYTES: Final = 3000
"""Of a message: a push service takes 4,096 with everything (RFC 8030, 7.2)."""

_RECORD: Final = 4096
_VALID_SECONDS: Final = 12 * 3600
"""A day at most (RFC 8292, 2), by a clock that may differ from ours."""


class Receiver(Struct, frozen=True):
    """A browser that can be written to: its public key, and a secret that it shares with us."""

    key: bytes
    secret: bytes


def receiver(key: str, secret: str) -> Receiver:
    """Return the receiver with these keys, in base64url. Raises ValueError for what are none."""
    found = Receiver(decoded(key), decoded(secret))
    if len(found.secret) != 16:
        raise ValueError("the secret has another length than 16")
    try:
        _point(found.key)
    except ValueError as error:
        raise ValueError("the key is none") from error
    return found


def encrypted(
    message: bytes,
    to: Receiver,
    salt: bytes | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Return a message as only `to` can read it. `salt` and `key` are new ones, but in tests.

    Raises ValueError for a message of more than MOST_BYTES.
    """
    if len(message) > MOST_BYTES:
        raise ValueError("the message is too long for a push")
    key = key or ec.generate_private_key(ec.SECP256R1())
    own = public_bytes(key)
    shared = key.exchange(ec.ECDH(), _point(to.key))
    material = _derived(to.secret, shared, b"WebPush: info\0" + to.key + own, 32)
    return sealed(message, material, salt or os.urandom(16), own)


def sealed(message: bytes, material: bytes, salt: bytes, key_id: bytes) -> bytes:
    """Return a message in the content coding `aes128gcm`, as one record."""
    key = _derived(salt, material, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, material, b"Content-Encoding: nonce\0", 12)
    head = salt + struct.pack("!IB", _RECORD, len(key_id)) + key_id
    return head + AESGCM(key).encrypt(nonce, message + b"\x02", None)


def authorization(key: ec.EllipticCurvePrivateKey, audience: str, contact: str, now: float) -> str:
    """Return what to say to the push service at the origin `audience`: that it is this server.

    `contact` is a URL (`https:` or `mailto:`) of whoever runs it, or empty. `now` is in seconds.
    """
    claims: dict[str, object] = {"aud": audience, "exp": int(now) + _VALID_SECONDS}
    if contact:
        claims["sub"] = contact
    parts = ({"typ": "JWT", "alg": "ES256"}, claims)
    said = ".".join(encoded(json.dumps(each, separators=(",", ":")).encode()) for each in parts)
    r, s = decode_dss_signature(key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    signature = encoded(r.to_bytes(32) + s.to_bytes(32))
    return f"vapid t={said}.{signature}, k={encoded(public_bytes(key))}"


def ensure_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, made there if it is missing, for the file's owner alone.

    Raises OSError, and ValueError for a file that has no such key.
    """
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_atomically(path, pem)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"{path} holds no key for pushes")
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half of a key, as push services write it: 65 bytes."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return what is in base64url, padded or not. Raises ValueError."""
    try:
        bare = text.rstrip("=").encode("ascii")
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("that is no base64url") from error


def _point(data: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)


def _derived(salt: bytes, material: bytes, info: bytes, length: int) -> bytes:
    """Return HKDF with SHA-256 (RFC 5869), of one block."""
    key = hmac.digest(salt, material, hashlib.sha256)
    return hmac.digest(key, info + b"\x01", hashlib.sha256)[:length]
