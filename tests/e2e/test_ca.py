"""`chat ca` beside a running server, and what phones and terminals then find."""

import hashlib
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from chatclient.link.trust import Trust
from chatserver.app import ChatServer
from chatserver.net.authority import make_authority, renew
from chatserver.settings import PasswordSettings, ServerSettings, Settings

from .client import PATIENCE
from .conftest import StartServer
from .process import ServerProcess, chat
from .web import WebClient

FAR = b"PROXY TCP4 192.0.2.7 127.0.0.1 56324 4119\r\n"
NAMES = ("chat.lan", "192.168.1.5")


def certificate_of(server: ServerProcess, authority: Path | None = None) -> bytes:
    """Return the certificate that the server shows, checked as a browser does with an authority."""
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(server.place, PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname=NAMES[0]) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def fingerprint_of(certificate: bytes) -> str:
    return hashlib.sha256(certificate).digest().hex(":").upper()


def key_of(certificate: bytes) -> object:
    return x509.load_der_x509_certificate(certificate).public_key()


def test_a_running_server_is_trusted_and_who_has_pinned_its_key_notices_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(web_trusted_proxies="127.0.0.1")
    before = certificate_of(server)
    pins = Trust(tmp_path / "known_servers", lambda _: True)
    pins.check("chat.lan", 4119, before)
    with WebClient(server.place) as page:
        assert page.exchange("GET", "/trust")[0] == 404

    done = chat("ca", "--data", server.data, *NAMES)
    assert (done.returncode, done.stderr) == (0, "")
    authority = server.data / "tls" / "authority.pem"
    now = certificate_of(server, authority)
    assert now != before
    assert key_of(now) == key_of(before)
    Trust(tmp_path / "known_servers").check("chat.lan", 4119, now)
    shown, leaf, key = re.findall(r"^  ([0-9A-F:]{95})$", done.stdout, re.MULTILINE)
    assert leaf == fingerprint_of(now)
    assert f"SHA-256 fingerprint {leaf}" in server.log  # what a newcomer compares
    for certificate in (before, now):  # what scripts have that are given the key's
        Trust(tmp_path / "none", fingerprint=key).check("chat.lan", 4119, certificate)

    with WebClient(server.place) as far:
        far.socket.sendall(FAR)
        status, headers, body = far.exchange("GET", "/trust")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert shown.encode() in body
        assert shown.replace(":", "").lower().encode() in body
        assert b"{{" not in body
        assert b"<script" not in body
        assert "default-src 'none'" in headers["content-security-policy"]
        status, headers, der = far.exchange("GET", "/trust/ca.crt")
        assert (status, headers["content-type"]) == (200, "application/x-x509-ca-cert")
        assert fingerprint_of(der) == shown
        pem = far.exchange("GET", "/trust/ca.pem")[2].decode()
        assert ssl.PEM_cert_to_DER_cert(pem) == der
        assert far.exchange("GET", "/trust/style.css")[0] == 200
        for path in ("/", "/trust/", "/trust/authority-key.pem", "/trust/../healthz"):
            assert far.exchange("GET", path)[0] in (308, 404), path
        assert far.exchange("POST", "/trust")[0] == 405


def test_it_is_shown_kept_and_made_anew_only_when_asked(tmp_path: Path) -> None:
    made = chat("ca", "--data", tmp_path, *NAMES).stdout
    assert "vouches for chat.lan 192.168.1.5 and for nothing else" in made
    assert chat("ca", "--data", tmp_path).stdout == made
    assert chat("ca", "--data", tmp_path, "CHAT.lan").stdout == made
    pem = chat("ca", "--data", tmp_path, "--pem").stdout
    assert pem == (tmp_path / "tls" / "authority.pem").read_text()
    other = chat("ca", "--data", tmp_path, "chat.example.org")
    assert (other.returncode, other.stdout) == (1, "")
    assert "--new" in other.stderr
    again = chat("ca", "--data", tmp_path, "--new").stdout
    assert made.splitlines()[0] == again.splitlines()[0]
    assert made != again
    assert (
        "for chat.example.org and"
        in chat("ca", "--data", tmp_path, "--new", "chat.example.org").stdout
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["*.example.org"], 2, "neither a name nor an address"),
        (["--pem"], 1, "no authority yet"),
        (["--pem", "--new"], 2, "goes alone"),
        (["--config", "own.toml"], 1, "needs no authority"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[tls]\ncertificate = "a.pem"\nkey = "b.pem"\n')
    done = chat("ca", "--data", tmp_path / "d", *[str(own) if w == own.name else w for w in words])
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert not (tmp_path / "d").exists()


def test_damaged_files_are_said_and_the_server_starts_all_the_same(
    start_server: StartServer, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    chat("ca", "--data", data, *NAMES)
    (data / "tls" / "authority-key.pem").write_text("nothing")
    done = chat("ca", "--data", data)
    assert done.returncode == 1
    assert "--new" in done.stderr
    server = start_server()
    server.wait_for_log("WARNING .*cannot be renewed")
    assert certificate_of(server, data / "tls" / "authority.pem")
    assert chat("ca", "--data", data, "--new", *NAMES).returncode == 0
    assert certificate_of(server, data / "tls" / "authority.pem")


def test_a_certificate_that_is_about_to_end_is_renewed_at_the_start(
    start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "tls"
    now = datetime.now(UTC)
    make_authority(folder, NAMES, now - timedelta(days=400))
    assert renew(folder, now - timedelta(days=380))
    server = start_server()
    server.wait_for_log("the authority has signed a new certificate, fingerprint ")
    found = x509.load_der_x509_certificate(certificate_of(server, folder / "authority.pem"))
    assert found.not_valid_after_utc > now + timedelta(days=390)


def test_a_server_that_runs_renews_by_itself(tmp_path: Path) -> None:
    settings = Settings(
        server=ServerSettings(host="127.0.0.1", port=0),
        passwords=PasswordSettings(time_cost=1, memory_kib=8, parallelism=1),
    )
    server = ChatServer(settings, tmp_path)
    server.start()
    try:
        folder, now = tmp_path / "tls", datetime.now(UTC)
        make_authority(folder, NAMES, now - timedelta(days=400))
        assert renew(folder, now - timedelta(days=380))
        server._housekeeper._hourly()
        assert not renew(folder, now)
    finally:
        server.stop()
