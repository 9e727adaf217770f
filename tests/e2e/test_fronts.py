"""What is in `config/` for servers that others reach: nginx, Caddy and HAProxy in front, the real
ones where they are installed, and what certbot calls.

Only what an operator has to change is changed: names, ports and the files of the certificate.
"""

import grp
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatserver.net.certificate import ensure_certificate

from .client import PATIENCE, JsonClient, Place, TextClient, eventually, trusting
from .conftest import StartServer
from .process import ServerProcess, _watch, chat
from .web import WebClient

CONFIG = Path(__file__).parents[2] / "config"
CLIENT = "127.0.0.2"
"""Another address than that of the proxy."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where servers are that not every user has in his own."""

SETTINGS = {"web_trusted_proxies": "127.0.0.1"}


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changed(text: str, **changes: str) -> str:
    """Return a file with something else in it; all that is to be changed has to be there."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@dataclass
class Front:
    """A proxy that runs: where it is, and where the plaintext that leads there."""

    secure: Place
    plain: Place


def nginx(folder: Path, server: Place, secure: int, plain: int) -> tuple[list[str], list[str]]:
    certificate, key = ensure_certificate(folder / "tls")
    example = changed(
        (CONFIG / "nginx.example.conf").read_text(),
        **{
            "/etc/letsencrypt/live/chat.example.org/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/chat.example.org/privkey.pem": str(key),
            "chat.example.org": "127.0.0.1",
            "    listen [::]:443 ssl;\n": "",
            "    listen [::]:80;\n": "",
            "listen 443": f"listen 127.0.0.1:{secure}",
            "listen 80": f"listen 127.0.0.1:{plain}",
            "http://127.0.0.1:4119": "http://{}:{}".format(*server),
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{example}}}\n"
    )
    run = ["nginx", "-c", f"{folder}/nginx.conf", "-p", f"{folder}", "-e", f"{folder}/log"]
    return run, [*run, "-t"]


def caddy(folder: Path, server: Place, secure: int, plain: int) -> tuple[list[str], list[str]]:
    certificate, key = ensure_certificate(folder / "tls")
    example = changed(
        (CONFIG / "Caddyfile.example").read_text(),
        **{
            "# tls /etc/ssl/chat/fullchain.pem": f"tls {certificate}",
            "/etc/ssl/chat/privkey.pem": str(key),
            "\nchat.example.org": f"\nhttps://127.0.0.1:{secure}",
            "reverse_proxy 127.0.0.1:4119": "reverse_proxy {}:{}".format(*server),
        },
    )
    options = f"{{\nadmin off\nhttp_port {plain}\nstorage file_system {folder}/caddy\n}}\n"
    (folder / "Caddyfile").write_text(options + example)
    file = ["--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]
    return ["caddy", "run", *file], ["caddy", "validate", *file]


def haproxy(folder: Path, server: Place, secure: int, plain: int) -> tuple[list[str], list[str]]:
    """At `secure` it passes TLS on, as in the example, and at `plain` it takes TLS off."""
    certificate, key = ensure_certificate(folder / "tls")
    (folder / "pair.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    example = (CONFIG / "haproxy.example.cfg").read_text()
    passing = changed(
        example,
        **{
            "10.0.0.5:4119": "{}:{}".format(*server),
            "bind :4119": f"bind 127.0.0.1:{secure}",
        },
    )
    taking = changed(
        passing,
        **{
            f"bind 127.0.0.1:{secure}": f"bind 127.0.0.1:{plain} ssl crt {folder}/pair.pem",
            " send-proxy-v2": " send-proxy-v2-ssl",
            "frontend chat": "frontend other",
            "backend chat": "backend other",
        },
    )
    (folder / "haproxy.cfg").write_text(passing + taking)
    run = ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"]
    return run, [*run, "-c"]


Make = Callable[[Path, Place, int, int], tuple[list[str], list[str]]]


def answers(place: Place) -> bool:
    try:
        socket.create_connection(place, PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


@contextmanager
def running(make: Make, folder: Path, server: Place) -> Iterator[Front]:
    secure, plain = free_port(), free_port()
    command, check = make(folder, server, secure, plain)
    environ = {"HOME": str(folder), "PATH": PATH}
    checked = subprocess.run(check, capture_output=True, env=environ, timeout=PATIENCE, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)
    _watch(process)
    front = Front(("127.0.0.1", secure), ("127.0.0.1", plain))
    try:
        eventually(lambda: all(map(answers, (front.secure, front.plain))))
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)
        _watch(process)


@pytest.fixture
def front(request: pytest.FixtureRequest, server: ServerProcess, tmp_path: Path) -> Iterator[Front]:
    make: Make = request.param
    name = make.__name__  # type: ignore[attr-defined]
    if shutil.which(name, path=PATH) is None:
        pytest.skip(f"there is no {name}: its file in config/ was not tried")
    with running(make, tmp_path, server.place) as found:
        yield found


@pytest.mark.parametrize("front", [nginx, caddy], ids=lambda make: make.__name__, indirect=True)
def test_one_logs_in_and_talks_through_it_under_ones_own_address(
    front: Front, server: ServerProcess
) -> None:
    with WebClient(front.plain) as page:
        status, headers, _ = page.exchange("GET", "/r/ops")
        assert (status in (301, 308), headers["location"][:8]) == (True, "https://")
    with WebClient(front.secure, secure=True, source=CLIENT) as page:
        # Otherwise Caddy asks for gzip by itself, and sends chunks.
        status, headers, body = page.exchange("GET", "/", accept_encoding="identity")
        assert (status, b"<!doctype html>" in body) == (200, True)
        assert "default-src 'none'" in headers["content-security-policy"]
        # What a client says of itself is not believed.
        page.origin, origin = "https://elsewhere.example", page.origin
        assert page.log_in("nobody")[0] == 403
        page.origin = origin
        name = server.account("page")
        status, headers, body = page.log_in(name)
        assert (status, "Secure" in headers["set-cookie"]) == (204, True), body
        page.open(x_forwarded_for="203.0.113.9", x_forwarded_proto="http")
        page.name = name
        page.ask("resume")
        page.expect(event="hello")
        server.wait_for_log(f"connected: address={CLIENT} dialect=web over=TLS up to a proxy")
        with server.json(server.account("ann")) as ann:
            ann.tell(name, "x" * 3000)
            assert page.expect(event="message")["text"] == "x" * 3000
            page.tell(ann.name, "and back")
            assert ann.expect(event="message")["text"] == "and back"
        assert chat("devices", "--data", server.data, name).stdout.count(CLIENT) == 1


@pytest.mark.parametrize("front", [haproxy], ids=lambda make: make.__name__, indirect=True)
@pytest.mark.parametrize("kind", [JsonClient, TextClient])
def test_terminals_come_through_under_their_own_address(
    front: Front, server: ServerProcess, kind: type[JsonClient | TextClient]
) -> None:
    dialect = "json" if kind is JsonClient else "text"
    for place, security in ((front.secure, "TLSv1.3"), (front.plain, "TLS up to a proxy")):
        with kind(place, secure=True, source=CLIENT) as client:
            client.login(server.account("ann"))
            server.wait_for_log(f"connected: address={CLIENT} dialect={dialect} over={security}")


def shown_by(server: ServerProcess) -> str:
    """Return the certificate that a new connection gets, as PEM."""
    with (
        socket.create_connection(server.place, PATIENCE) as raw,
        trusting().wrap_socket(raw) as secured,
    ):
        return ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")


def test_a_pair_that_certbot_has_renewed_is_taken_without_a_restart(
    start_server: StartServer, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    script = changed(
        (CONFIG / "certbot-deploy-hook.example").read_text(),
        **{
            "\nfolder=/etc/chat/tls": f"\nfolder={target}",
            "\ngroup=chat": f"\ngroup={grp.getgrgid(os.getgid()).gr_name}",
        },
    )

    def renewed(lineage: str, domains: str) -> str:
        """Have certbot renew; return the new certificate."""
        folder = tmp_path / lineage
        pair = ensure_certificate(folder)
        for made, name in zip(pair, ("fullchain.pem", "privkey.pem"), strict=True):
            (folder / name).symlink_to(made)  # as in certbot's folder `live`
        environ = os.environ | {"RENEWED_LINEAGE": str(folder), "RENEWED_DOMAINS": domains}
        subprocess.run(["sh", "-c", script], env=environ, check=True, timeout=PATIENCE)
        return pair[0].read_text()

    first = renewed("first", "www.example.org chat.example.org")
    assert sorted(each.name for each in target.iterdir()) == ["fullchain.pem", "privkey.pem"]
    assert {each.stat().st_mode & 0o777 for each in target.iterdir()} == {0o640}
    server = start_server(tls_certificate=target / "fullchain.pem", tls_key=target / "privkey.pem")
    assert shown_by(server) == first
    with WebClient(server.place, secure=True) as page:
        page.login(server.account("page"))
        renewed("other", "mail.example.org")
        assert shown_by(server) == first
        second = renewed("second", "chat.example.org")
        assert shown_by(server) == second
        page.ask("who")
