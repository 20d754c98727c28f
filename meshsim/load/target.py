"""Where the requests go: an address, and what is asked of it."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from meshsim.kit.errors import StartError, UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved address and the request, ready for the wire."""

    address: str
    port: int
    request: bytes


def target_of(url: str, host: str | None = None, *, allow_remote: bool = False) -> Target:
    """Resolve a URL; `host` is the Host header to send when it isn't the URL's own.

    Raises UsageError for a URL that is not plain HTTP or, unless `allow_remote`, leads away from this machine,
    StartError for a name that cannot be resolved.
    """
    name, port, path, authority = _parts(url)
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise StartError(f'nobody knows the address of "{name}"') from None
    address = str(found[0][4][0])
    if not allow_remote and not ipaddress.ip_address(address).is_loopback:
        raise UsageError(f"{name} is not this machine; say --allow-remote if the load is meant to go there")
    host = authority if host is None else host
    _refuse_controls(host, "--host")
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: meshsim-load\r\nAccept: */*\r\n\r\n"
    return Target(address, port, head.encode())


def _parts(url: str) -> tuple[str, int, str, str]:
    _refuse_controls(url, "--url")
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from None
    if parts.scheme != "http" or not parts.hostname:
        raise UsageError(f"{url}: the load goes to a URL like http://127.0.0.1:8080/")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port, path, parts.netloc.rpartition("@")[2]


def _refuse_controls(text: str, flag: str) -> None:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{flag} {text!r}: printable ASCII without blanks, please")
