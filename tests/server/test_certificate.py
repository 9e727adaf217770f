"""The server's own certificate: made once, for its owner alone, with a fingerprint."""

import hashlib
import ssl
from pathlib import Path

import pytest

from chatserver.net.certificate import ensure_certificate, fingerprint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return ensure_certificate(tmp_path_factory.mktemp("data") / "tls")


def test_only_the_owner_may_read_the_key(made: tuple[Path, Path]) -> None:
    _, key = made
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_made_once(made: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in made]
    assert ensure_certificate(made[0].parent) == made
    assert [path.read_bytes() for path in made] == before


def test_a_certificate_without_its_key_is_made_again(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path)
    before = certificate.read_bytes()
    key.unlink()
    ensure_certificate(tmp_path)
    assert certificate.read_bytes() != before
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def test_it_signs_nothing_but_itself(made: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(made[0])
    assert context.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 0}


def test_the_fingerprint_of_a_chain_is_that_of_its_first_certificate(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, _ = made
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
    shown = fingerprint(certificate)
    assert shown.replace(":", "").lower() == digest
    assert shown.count(":") == 31
    chain = tmp_path / "chain.pem"
    other, _ = ensure_certificate(tmp_path / "other")
    chain.write_text(f"a comment\n{certificate.read_text()}{other.read_text()}")
    assert fingerprint(chain) == shown


def test_a_file_without_a_certificate_has_no_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "empty.pem"
    file.write_text("nothing")
    with pytest.raises(ValueError, match="substring"):
        fingerprint(file)
