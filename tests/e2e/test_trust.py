"""`chat connect` and whom it trusts: with scripts, and for people at a terminal, between machines.

Another machine is a network namespace, see `machines`.
"""

import datetime
import hashlib
import ipaddress
import json
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import process
from .client import PASSWORD, PATIENCE, SCALE, line
from .machines import HOST, Cable, on
from .process import ServerProcess, chat, environment

LEFT, USAGE, NO_LINK = 0, 2, 3
"""Exit codes."""

QUESTION = "Trust it? (yes/no) "

CURSOR = "\x1b[?25h"
"""What a terminal is sent when it is a person's turn."""

# Forking is safe here: no thread of the test runner holds a lock that the child could need.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


# -- certificates --


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a PEM."""
    der = ssl.PEM_cert_to_DER_cert(certificate.decode("ascii"))
    return hashlib.sha256(der).digest().hex(":").upper()


@dataclass(frozen=True)
class Pair:
    """A certificate for HOST, as PEM, and its key."""

    certificate: bytes
    key: ec.EllipticCurvePrivateKey

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.certificate)

    def write(self, folder: Path) -> None:
        """Put it where a server has its own, as a renewal does."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        folder.mkdir(exist_ok=True)
        for name, content in (("key.pem", key), ("certificate.pem", self.certificate)):
            (folder / "new").write_bytes(content)
            (folder / "new").replace(folder / name)


def make_pair(
    key: ec.EllipticCurvePrivateKey | None = None,
    authority: ec.EllipticCurvePrivateKey | None = None,
    *,
    is_authority: bool = False,
) -> Pair:
    """Make a certificate, signed by itself unless there is an authority."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signing = authority or key
    subject, issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("authority" if is_authority else "server", "authority")
    )
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(
            x509.KeyUsage(True, *[False] * 4, is_authority, is_authority, False, False),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .sign(signing, hashes.SHA256())
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM), key)


# -- machines --


@pytest.fixture(scope="module")
def far(cable: Cable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on the other machine. Its certificate may be another after each test."""
    data = tmp_path_factory.mktemp("far") / "data"
    with on(cable.server):
        server = ServerProcess(data, "--data", str(data), env=environment(server_host=HOST))
    yield server
    server.stop()


class Client:
    """Somebody who uses `chat connect`, with a home of their own."""

    def __init__(self, home: Path, user: str, machine: str = "") -> None:
        self.known = home / "chat" / "known_servers"
        self._user = user
        self._machine = machine
        self._environment = environment() | {
            "XDG_CONFIG_HOME": str(home),
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # nothing answers here where the cursor is
        }

    def script(
        self, place: tuple[str, int], *options: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Connect without a terminal, and leave at once."""
        arguments = ("connect", place[0], str(place[1]), "--user", self._user, *options)
        env = self._environment | {"CHAT_PASSWORD": PASSWORD} | more
        if not self._machine:
            return chat(*arguments, env=env)
        with on(self._machine):
            return chat(*arguments, env=env)

    @contextmanager
    def terminal(self, place: tuple[str, int]) -> Iterator["pexpect.spawn[str]"]:
        """Connect at a terminal."""
        with on(self._machine):
            program, *arguments = process.PYTHON
        child = pexpect.spawn(
            program,
            [*arguments, "connect", place[0], str(place[1]), "--user", self._user],
            dimensions=(24, 300),
            env=self._environment,
            encoding="utf-8",
            timeout=PATIENCE,
        )
        child.delaybeforesend = None
        try:
            yield child
        finally:
            child.close(force=True)


def end(terminal: "pexpect.spawn[str]") -> tuple[int, str]:
    """Wait for the end; return the exit code and what was still shown."""
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.exitstatus, terminal.before


def log_in_and_leave(terminal: "pexpect.spawn[str]") -> None:
    """Go on from the question for the password."""
    terminal.expect_exact("Password for ")
    assert QUESTION not in terminal.before
    terminal.expect_exact(": ")
    terminal.sendline(PASSWORD)
    terminal.expect_exact("Welcome")
    terminal.expect_exact(CURSOR)
    terminal.sendeof()
    assert end(terminal)[0] == LEFT


@pytest.fixture
def neighbour(cable: Cable, far: ServerProcess, tmp_path: Path) -> Client:
    """A user of the far server, on the client's machine."""
    return Client(tmp_path / "config", far.account("alice"), cable.client)


# -- scripts, on this machine --


def test_on_this_machine_nothing_has_to_be_trusted(server: ServerProcess, tmp_path: Path) -> None:
    alice = Client(tmp_path, server.account("alice"))
    done = alice.script(server.place)
    assert done.returncode == LEFT, done.stderr
    assert "over=plaintext" in server.log
    assert not alice.known.exists()


def test_a_script_may_insist_on_a_fingerprint(server: ServerProcess, tmp_path: Path) -> None:
    alice = Client(tmp_path, server.account("alice"))
    printed = fingerprint_of((server.data / "tls" / "certificate.pem").read_bytes())
    server.read_output(f"fingerprint: {printed}\n")
    for given in (printed, printed.replace(":", "").lower()):
        done = alice.script(server.place, "--fingerprint", given)
        assert done.returncode == LEFT, done.stderr
    done = alice.script(server.place, CHAT_FINGERPRINT=printed)
    assert done.returncode == LEFT, done.stderr
    assert server.log.count("over=TLSv1.3") == 3
    other = printed[:-2] + ("00" if printed[-2:] != "00" else "01")
    done = alice.script(server.place, "--fingerprint", other)
    assert done.returncode == NO_LINK
    assert printed in done.stderr
    assert other in done.stderr
    assert server.log.count("over=TLSv1.3") == 3
    assert not alice.known.exists()


def test_what_is_no_fingerprint_is_wrong_usage(tmp_path: Path) -> None:
    done = Client(tmp_path, "alice").script(("127.0.0.1", 1), "--fingerprint", "AB:CD")
    assert done.returncode == USAGE
    assert "--fingerprint" in done.stderr
    assert "64 hexadecimal digits" in done.stderr


# -- another machine --


def test_a_person_is_asked_once_and_warned_when_the_key_has_changed(
    far: ServerProcess, neighbour: Client
) -> None:
    first = make_pair()
    first.write(far.data / "tls")
    with neighbour.terminal(far.place) as terminal:
        terminal.expect_exact(QUESTION)
        assert first.fingerprint in terminal.before.split()
        assert "Password" not in terminal.before
        time.sleep(1.2 * SCALE)  # to compare; the server takes a second of silence for a person's
        terminal.sendline("yes")
        log_in_and_leave(terminal)
    with neighbour.terminal(far.place) as terminal:
        log_in_and_leave(terminal)
    make_pair(first.key).write(far.data / "tls")
    with neighbour.terminal(far.place) as terminal:
        log_in_and_leave(terminal)
    other = make_pair()
    other.write(far.data / "tls")
    with neighbour.terminal(far.place) as terminal:
        code, shown = end(terminal)
    assert code == NO_LINK
    assert "CHANGED" in shown
    for named in (first.fingerprint, other.fingerprint, str(neighbour.known)):
        assert named in shown
    assert "Password" not in shown
    assert far.log.count("over=TLSv1.3") == 3


def test_a_script_is_told_which_fingerprint_to_pass(far: ServerProcess, neighbour: Client) -> None:
    done = neighbour.script(far.place)
    assert done.returncode == NO_LINK
    hint = "--fingerprint " + fingerprint_of((far.data / "tls" / "certificate.pem").read_bytes())
    assert hint in done.stderr
    assert not neighbour.known.exists()
    done = neighbour.script(far.place, *hint.split())
    assert done.returncode == LEFT, done.stderr


def test_an_authority_of_the_system_can_vouch_for_a_server(
    far: ServerProcess, neighbour: Client, tmp_path: Path
) -> None:
    authority = make_pair(is_authority=True)
    make_pair(authority=authority.key).write(far.data / "tls")
    trusted = tmp_path / "authorities.pem"
    trusted.write_bytes(authority.certificate)
    done = neighbour.script(far.place, SSL_CERT_FILE=str(trusted))
    assert done.returncode == LEFT, done.stderr
    assert " authority " in neighbour.known.read_text("utf-8")
    done = neighbour.script(far.place)
    assert done.returncode == NO_LINK
    assert "an authority vouched for it" in done.stderr


# What a server in between hears inside TLS: a line of JSON for each connection.
_LISTENS_IN = """
import json, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[2:])
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
while True:
    sock, _ = listener.accept()
    heard = None
    try:
        with context.wrap_socket(sock, server_side=True) as inside:
            heard = b""
            while more := inside.recv(65536):
                heard += more
                if heard.endswith(b"\\n"):
                    break
    except OSError:
        pass
    print(json.dumps(None if heard is None else heard.decode()), flush=True)
"""


class Eavesdropper:
    """A server with a certificate of its own that writes down every byte."""

    def __init__(self, machine: str, tls: Path) -> None:
        pair = make_pair()
        pair.write(tls)
        files = (str(tls / "certificate.pem"), str(tls / "key.pem"))
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", machine, sys.executable, "-c", _LISTENS_IN, HOST, *files],
            stdout=subprocess.PIPE,
            bufsize=0,  # or select would not see what has been read already
        )
        self.fingerprint = pair.fingerprint
        self.place = (HOST, int(self._line()))

    def heard(self) -> "str | None":
        """Wait for the end of a connection; return what came in it, None without a handshake."""
        heard: str | None = json.loads(self._line())
        return heard

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], PATIENCE)
        assert ready, "no connection has come or gone"
        return stdout.readline()


@pytest.fixture
def eavesdropper(cable: Cable, tmp_path: Path) -> Iterator[Eavesdropper]:
    made = Eavesdropper(cable.server, tmp_path / "between")
    yield made
    made.close()


def test_after_a_no_nothing_was_sent(eavesdropper: Eavesdropper, neighbour: Client) -> None:
    with neighbour.terminal(eavesdropper.place) as terminal:
        terminal.expect_exact(QUESTION)
        assert eavesdropper.fingerprint in terminal.before.split()
        assert (eavesdropper.heard(), eavesdropper.heard()) == (None, "")
        terminal.sendline("no")
        code, shown = end(terminal)
    assert code == NO_LINK
    assert "nothing was sent" in shown
    assert "Password" not in shown
    assert not neighbour.known.exists()
    with neighbour.terminal(eavesdropper.place) as terminal:
        terminal.expect_exact(QUESTION)
        terminal.sendline("yes")
        end(terminal)
    # The one from above would have been first.
    assert (eavesdropper.heard(), eavesdropper.heard()) == (None, "")
    assert "ping" in (eavesdropper.heard() or "")


def test_no_password_is_sent_to_who_is_in_between(
    eavesdropper: Eavesdropper, neighbour: Client
) -> None:
    host, port = eavesdropper.place
    done = neighbour.script(eavesdropper.place)
    assert done.returncode == NO_LINK
    assert (eavesdropper.heard(), eavesdropper.heard()) == (None, "")
    done = neighbour.script(eavesdropper.place, "--fingerprint", make_pair().fingerprint)
    assert done.returncode == NO_LINK
    assert eavesdropper.heard() == ""
    neighbour.known.parent.mkdir(parents=True)
    neighbour.known.write_text(f"{host}:{port} {'0' * 64} 00:00\n", "utf-8")
    done = neighbour.script(eavesdropper.place)
    assert done.returncode == NO_LINK
    assert "CHANGED" in done.stderr
    assert eavesdropper.heard() == ""
    neighbour.known.unlink()
    neighbour.known.mkdir()
    done = neighbour.script(eavesdropper.place)
    assert done.returncode == NO_LINK
    assert "Cannot read" in done.stderr  # and no connection was made


def test_in_plaintext_only_one_thing_is_heard(
    cable: Cable, far: ServerProcess, neighbour: Client
) -> None:
    program = (
        "import socket, sys\n"
        f"with socket.create_connection({far.place!r}, {PATIENCE!r}) as sock:\n"
        "    sock.sendall(bytes.fromhex(sys.argv[1]))\n"
        "    sys.stdout.write(sock.makefile('r').read())\n"
    )
    name = far.account("bob")
    login = line({"op": "login", "id": 1, "name": name, "password": PASSWORD})
    only = "Only TLS is accepted from other machines; use TLS."
    for said, expected in (
        (login, f'{{"event":"bye","code":"bad_request","text":"{only}"}}\n'),
        (f"{name}\n{PASSWORD}\n".encode(), f"-- {only}\n"),
    ):
        done = subprocess.run(
            ["ip", "netns", "exec", cable.client, sys.executable, "-c", program, said.hex()],
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
        assert done.stdout.decode() == expected
    done = neighbour.script(far.place, "--plaintext")
    assert done.returncode == NO_LINK
    assert only in done.stderr
    assert f"account={name}" not in far.log
