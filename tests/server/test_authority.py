"""The server's authority: for its names and no others, with the key that clients have pinned."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chatserver.net import certificate as module
from chatserver.net.authority import (
    Authority,
    load_authority,
    make_authority,
    normal_name,
    renew,
)
from chatserver.net.certificate import ensure_certificate, own_names

NAMES = ("chat.lan", "192.168.1.5", "fd00::2")
NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an authority, which has not signed anything yet."""
    make_authority(tmp_path / "tls", NAMES, NOW)
    return tmp_path / "tls"


def signed(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())


def greeted(server: ssl.SSLContext, authority: Path, host: str) -> None:
    """Shake hands as a browser does that has installed the authority. Raises ssl.SSLError."""
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname=host)
    far = server.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for each in (near, far):
            try:
                each.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert near.version() == "TLSv1.3"


def context(certificate: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


@pytest.mark.parametrize("host", NAMES)
def test_who_has_installed_it_trusts_the_server_by_each_of_its_names(
    folder: Path, host: str
) -> None:
    assert renew(folder)
    server = context(folder / "certificate.pem", folder / "key.pem")
    greeted(server, folder / "authority.pem", host)
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(server, folder / "authority.pem", "other.lan")


def forged(authority: Authority, host: str, folder: Path) -> ssl.SSLContext:
    """Return what somebody would need for another site who has stolen the authority's key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name: x509.GeneralName = x509.DNSName(host)
    if not host[-1].isalpha():
        name = x509.IPAddress(ipaddress.ip_address(host))
    common = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    ours = authority.key.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(common)
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "forged.pem").write_bytes(private + made.public_bytes(pem))
    return context(folder / "forged.pem", folder / "forged.pem")


@pytest.mark.parametrize("names", [NAMES, ("chat.lan",), ("192.168.1.5",), ("fd00::2",)])
@pytest.mark.parametrize("host", ["bank.example", "192.168.1.6", "fd00::3", "lan"])
def test_nothing_else_can_be_vouched_for_even_with_its_key(
    tmp_path: Path, names: tuple[str, ...], host: str
) -> None:
    authority = make_authority(tmp_path / "tls", names, NOW)
    server = forged(authority, host, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"subtree violation"):
        greeted(server, tmp_path / "tls" / "authority.pem", host)


def test_the_files_are_for_their_owner_alone(folder: Path) -> None:
    renew(folder)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {
        "authority.pem",
        "authority-key.pem",
        "certificate.pem",
        "key.pem",
    }


def test_the_key_of_the_server_stays_so_that_nobody_who_has_pinned_it_notices(
    tmp_path: Path,
) -> None:
    ensure_certificate(tmp_path)
    before = signed(tmp_path)
    make_authority(tmp_path, NAMES, NOW)
    assert renew(tmp_path)
    assert signed(tmp_path) != before
    assert signed(tmp_path).public_key() == before.public_key()


def test_it_is_renewed_before_it_ends_and_not_sooner(folder: Path) -> None:
    assert renew(folder, NOW)
    first = signed(folder)
    end = first.not_valid_after_utc
    assert not renew(folder, NOW)
    assert not renew(folder, end - timedelta(days=61))
    assert signed(folder) == first
    assert renew(folder, end - timedelta(days=59))
    assert signed(folder).not_valid_after_utc == end - timedelta(days=59) + timedelta(days=397)
    assert renew(folder, end + timedelta(days=1000))


def test_nothing_outlives_the_authority_which_says_so_when_it_has_ended(folder: Path) -> None:
    authority = load_authority(folder)
    assert authority is not None
    late = authority.until - timedelta(days=5)
    assert renew(folder, late)
    assert signed(folder).not_valid_after_utc == authority.until
    assert not renew(folder, late)
    with pytest.raises(ValueError, match="chat ca --new"):
        renew(folder, authority.until + timedelta(days=1))
    assert signed(folder).not_valid_after_utc == authority.until


def test_another_authority_signs_anew(folder: Path) -> None:
    renew(folder)
    other = make_authority(folder, ("chat.example.org",), NOW)
    assert renew(folder)
    assert other.has_signed(signed(folder))
    assert other.names == ("chat.example.org",)


@pytest.mark.parametrize("name", ["authority.pem", "authority-key.pem", "key.pem"])
def test_what_cannot_be_read_leaves_the_certificate_as_it_was(folder: Path, name: str) -> None:
    renew(folder)
    before = (folder / "certificate.pem").read_bytes()
    (folder / name).write_text("nothing")
    with pytest.raises(ValueError, match=r"."):
        renew(folder)
    assert (folder / "certificate.pem").read_bytes() == before


def test_a_key_of_another_authority_is_noticed(folder: Path, tmp_path: Path) -> None:
    make_authority(tmp_path / "other", NAMES, NOW)
    (tmp_path / "other" / "authority-key.pem").replace(folder / "authority-key.pem")
    with pytest.raises(ValueError, match="do not belong together"):
        renew(folder)


def test_without_one_nothing_is_made(tmp_path: Path) -> None:
    assert not renew(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Chat.LAN.", "chat.lan"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.168.001.5", None),
        ("::FFFF", "::ffff"),
        ("*.example.org", None),
        ("a..b", None),
        ("-a.b", None),
        ("", None),
        ("chat.lan:4119", None),
        ("http://chat.lan", None),
        ("300.1.1.1", None),
        ("a" * 64, None),
        (".".join(["a" * 60] * 5), None),
    ],
)
def test_a_name_is_one_that_a_certificate_can_have(name: str, normal: str | None) -> None:
    if normal is not None:
        assert normal_name(name) == normal
    else:
        with pytest.raises(ValueError, match="neither a name nor an address"):
            normal_name(name)


def test_the_machines_own_names_lead_to_it_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.socket, "gethostname", lambda: "box")
    monkeypatch.setattr(module.socket, "getfqdn", lambda host: "localhost.localdomain")
    monkeypatch.setattr(module, "_towards", lambda address: ["192.0.2.9"])
    found = [(0, 0, 0, "", (each, 0)) for each in ("127.0.1.1", "fe80::1%eth0", "192.0.2.8")]
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_: found)
    assert own_names() == ("box", "box.local", "192.0.2.8", "192.0.2.9")
