"""What an address counts as: whoever owns it, as far as it tells."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""IPv4 addresses behind a translator (RFC 6052, RFC 8215): the last 32 bits tell them apart."""


def network(address: str) -> str:
    """Return what an address counts as in a limit.

    For IPv4 that is the address. For IPv6 it is the /64, which one caller owns whole, but where
    the addresses of a /64 are of many owners: link-local ones (a whole LAN, by its zone), those
    that stand for IPv4 addresses, and loopback. What is no address counts as it is.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.teredo is not None:
        return f"{parsed.teredo[1]} by Teredo"
    if parsed.sixtofour is not None:  # a /48 for each IPv4 address
        return f"{parsed.sixtofour} by 6to4"
    single = parsed.is_link_local or parsed.is_loopback
    if single or is_translated(parsed):
        return str(parsed)
    return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"


def is_translated(address: IPv6Address) -> bool:
    """Tell whether an address stands for an IPv4 one behind a translator."""
    return any(address in each for each in _TRANSLATED)


def readable(address: str) -> str:
    """Return an IPv4 address as such where the system shows it as an IPv6 one."""
    mapped = getattr(ip_address(address.partition("%")[0]), "ipv4_mapped", None)
    return address if mapped is None else str(mapped)
