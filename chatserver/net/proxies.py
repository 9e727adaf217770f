"""Who stands before the server: proxies that are trusted to say for whom they ask."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from chatwire.loopback import is_loopback


class Proxies:
    """Addresses, or networks like `10.0.0.0/8`. Raises ValueError for what is neither."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = tuple(ip_network(each) for each in trusted)

    def trusts(self, address: str) -> bool:
        """Tell whether a proxy that is trusted has this address."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in each for each in self._networks)

    def origin(self, proxy: str, forwarded_for: str) -> str:
        """Return for whom `proxy` asks, by the addresses in X-Forwarded-For: the last that is none
        of a proxy itself. What stands before that, anybody may have written."""
        last = proxy
        for each in reversed(forwarded_for.split(",")):
            client = told(last, each.strip())
            if client is None:
                break
            last = client
            if not self.trusts(last):
                break
        return last


def told(proxy: str, address: str) -> str | None:
    """Return the address of a client as `proxy` tells it; None for what is none.

    A proxy on another machine that says "this machine" means its own: that is not told of ours,
    where less is asked of people.
    """
    parsed = _parsed(address)
    if parsed is None or (parsed.is_loopback and not is_loopback(proxy)):
        return None
    return str(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
