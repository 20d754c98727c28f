"""At which address this machine is reached, as the node's Node object says it."""

import socket
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


def address_towards(url: str) -> str:
    """The IP address of this machine that whoever is at the URL sees it by. Nothing is sent.

    Raises OSError where the URL's host is not known or there is no way to it.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 80)
    family, kind, protocol, _, address = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as towards:
        towards.connect(address)
        seen: str = towards.getsockname()[0]
    return seen
