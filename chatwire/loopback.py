"""Which addresses are this machine's own."""

from ipaddress import ip_address


def is_loopback(address: str) -> bool:
    """Tell whether it is an address of this machine that nobody else can have.

    An IPv4 address may be written as an IPv6 one. What is no address is none of this machine.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return bool((getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback)
