"""ngIRCd, the server to compare with: Debian's package, its limits off, in a temporary folder."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.target import Running, Target, free_port
from bench.wire import IrcWire
from chatserver.net.certificate import ensure_certificate

HOW_TO_INSTALL: Final = "ngIRCd is not installed, so there is no comparison: apt install ngircd"
_START_SECONDS: Final = 10.0

# A limit of 0 is off.
_CONFIG: Final = """
[Global]
Name = irc.bench.test
Info = bench
AdminInfo1 = bench
MotdPhrase = bench
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 31
MaxPenaltyTime = 0
MaxListSize = 0
PingTimeout = {ping_seconds}
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""
_TLS_CONFIG: Final = """
[SSL]
CertFile = {certificate}
KeyFile = {key}
DHFile = {group}
Ports = {tls_port}
"""

# Without a group it looks for one of its own at every start, for many seconds: ffdhe2048, RFC 7919.
_GROUP: Final = """
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


def program() -> str | None:
    """Return where ngIRCd is installed, if it is."""
    return shutil.which("ngircd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def running_ngircd(
    _: Sequence[str], *, ping_seconds: int = 3600, tls: bool = False
) -> Iterator[Running]:
    """Run ngIRCd and kill it after. It has no accounts, so it needs no names.

    After an hour it pings: not between what is counted.
    """
    path = program()
    if path is None:
        raise RuntimeError(HOW_TO_INSTALL)
    with tempfile.TemporaryDirectory(prefix="ngircd-bench-") as name:
        folder = Path(name)
        config = folder / "ngircd.conf"
        port, tls_port = free_port(), free_port()
        config.write_text(
            _CONFIG.format(port=port, ping_seconds=ping_seconds)
            + (_tls_config(folder, tls_port) if tls else "")
        )
        folder.chmod(0o755)  # when root starts it, it becomes somebody else
        started = time.monotonic()
        with subprocess.Popen(
            [path, "--nodaemon", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                _wait_for(port, process)
                yield Running(process.pid, port, tls_port, time.monotonic() - started)
            finally:
                process.kill()


def _tls_config(folder: Path, port: int) -> str:
    certificate, key = ensure_certificate(folder)
    group = folder / "group.pem"
    group.write_text(_GROUP.lstrip())
    for each in (certificate, key):
        each.chmod(0o644)
    return _TLS_CONFIG.format(certificate=certificate, key=key, group=group, tls_port=port)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("ngIRCd did not start") from None
            time.sleep(0.002)
        else:
            return


NGIRCD: Final = Target("ngIRCd", IrcWire(), running_ngircd)

# In a channel, so many would tell each other of each who comes, which takes minutes.
IDLE_NGIRCD: Final = Target(
    NGIRCD.title, IrcWire(joins=False), partial(running_ngircd, ping_seconds=60)
)
TLS_NGIRCD: Final = Target(NGIRCD.title, IrcWire(), partial(running_ngircd, tls=True))
