"""Host names and addresses, as people give them to listen on and as URLs have them."""

from ipaddress import ip_address
from typing import Final

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches who listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_any(host: str) -> bool:
    """Whether it stands for every address of this machine."""
    return host in _ANY


def reached_at(host: str) -> str:
    """The host by which this machine reaches who listens there."""
    return _ANY.get(host, host)


def kept_private(host: str) -> str:
    """Where to listen for this machine alone beside something that listens on the host."""
    return host if is_loopback(host) else "127.0.0.1"


def in_url(host: str) -> str:
    """A host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
