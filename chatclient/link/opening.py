"""How a server is spoken to: in TLS, or in plaintext where nobody can be in between."""

from chatclient.link.transport import Transport
from chatclient.link.trust import Trust, is_this_machine, known_servers


def open_transport(
    host: str, port: int, timeout: float, trust: Trust | None, plaintext: bool
) -> Transport:
    """Return a connection to be spoken on. Raises ConnectFailed.

    What has been verified before is spoken to in TLS, here and elsewhere, whatever else is asked.
    """
    trust = trust or Trust(known_servers())
    demanded = trust.demands_tls(host, port)
    if plaintext and demanded:
        raise trust.not_in_plaintext(host, port)
    raw = Transport.open(host, port, timeout, timeout)
    # Called so, and so: a name may lead here because somebody else says so.
    if plaintext or (is_this_machine(host) and raw.is_local and not demanded):
        return raw
    from chatclient.link.tls import secure  # noqa: PLC0415 - slow to import, and often not needed

    return secure(
        host,
        port,
        raw,
        lambda: Transport.open(host, port, timeout, timeout),
        trust,
    )
