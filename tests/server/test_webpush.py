"""What a push service is sent, against the examples of the standards and a decoder of its own."""

import base64
import os
import stat
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chatserver.net.webpush import (
    MOST_BYTES,
    authorization,
    decoded,
    encoded,
    encrypted,
    ensure_key,
    public_bytes,
    receiver,
    sealed,
)

from .push_service import Receiver

UA_PUBLIC = (
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
)
SECRET = "BTBZMqHH6r4Tts7J_aSIgg"


def test_the_example_of_rfc_8188() -> None:
    wanted = "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg"
    material = decoded("yqdlZ-tYemfogSmv7Ws5PQ")
    salt = decoded("I1BsxtFttlv3u_Oo94xnmw")
    assert encoded(sealed(b"I am the walrus", material, salt, b"")) == wanted


def test_the_example_of_rfc_8291() -> None:
    number = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        receiver(UA_PUBLIC, SECRET),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        key=ec.derive_private_key(number, ec.SECP256R1()),
    )
    assert encoded(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )


def test_only_the_browser_that_it_is_for_can_read_it() -> None:
    one, other = Receiver(), Receiver()
    message = msgspec.json.encode({"from": "ann", "text": "héllo"})
    bodies = {encrypted(message, receiver(**_named(one))) for _ in range(2)}
    assert len(bodies) == 2
    for body in bodies:
        assert one.read(body) == {"from": "ann", "text": "héllo"}
        with pytest.raises(InvalidTag):
            other.read(body)
    assert one.read(encrypted(b'{"x":"' + b"x" * (MOST_BYTES - 8) + b'"}', receiver(**_named(one))))
    with pytest.raises(ValueError, match="too long"):
        encrypted(b"x" * (MOST_BYTES + 1), receiver(**_named(one)))


def _named(browser: Receiver) -> dict[str, str]:
    return {"key": browser.keys["p256dh"], "secret": browser.keys["auth"]}


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("", SECRET),
        (UA_PUBLIC[:-3], SECRET),
        (UA_PUBLIC[:-3] + "AAA", SECRET),
        ("é" + UA_PUBLIC[1:], SECRET),
        ("*" + UA_PUBLIC[1:], SECRET),
        (UA_PUBLIC, ""),
        (UA_PUBLIC, SECRET + "AAAA"),
    ],
)
def test_keys_that_are_none(key: str, secret: str) -> None:
    with pytest.raises(ValueError, match=r"key|base64url|length"):
        receiver(key, secret)
    assert receiver(UA_PUBLIC, SECRET + "==").key == decoded(UA_PUBLIC)


def test_the_server_says_who_it_is(tmp_path: Path) -> None:
    key = ensure_key(tmp_path / "push.pem")
    said = authorization(key, "https://push.example", "https://chat.example", 1000.5)
    scheme, token, known = said.replace(",", "").split(" ")
    assert (scheme, known) == ("vapid", f"k={encoded(public_bytes(key))}")
    head, claims, signature = token.removeprefix("t=").split(".")
    padded = base64.urlsafe_b64decode(signature + "==")
    whole = encode_dss_signature(int.from_bytes(padded[:32]), int.from_bytes(padded[32:]))
    public = key.public_key()
    public.verify(whole, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(whole, f"{head}.{claims}x".encode(), ec.ECDSA(hashes.SHA256()))
    assert msgspec.json.decode(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
    assert msgspec.json.decode(decoded(claims)) == {
        "aud": "https://push.example",
        "exp": 1000 + 12 * 3600,
        "sub": "https://chat.example",
    }
    nobody = authorization(key, "https://push.example", "", 0.0).split(".")[1]
    assert "sub" not in msgspec.json.decode(decoded(nobody))


def test_the_key_stays_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "push.pem"
    old = os.umask(0)
    try:
        made = ensure_key(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_bytes(ensure_key(path)) == public_bytes(made)
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="PEM"):
        ensure_key(path)
    assert path.read_bytes() == b"nonsense"
