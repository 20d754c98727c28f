"""Requests that a web page elsewhere makes a browser send here: by its own name for this machine, or across sites.

A service on the loopback address is open to every page that a browser on the machine shows, unless it looks at
the names that come with a request.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_BARE_NAME: Final = re.compile(r"[A-Za-z0-9][-_A-Za-z0-9]*")


def foreign_reason(host: str, origin: str, allowed: Collection[str] = ()) -> str:
    """Why a request with these Host and Origin headers is not for us; empty when it may be.

    A name with a dot is refused as a host: it may be anybody's, made to point here (DNS rebinding). Addresses,
    localhost, names without a dot, as containers have, and `allowed` names are ours. A page may only ask where it
    came from.
    """
    name = _name_of(host)
    if host and name not in allowed and not _is_ours(name):
        return f'the host "{name}" is not a name of this machine'
    if origin and urlsplit(origin).netloc.lower() != host.lower():
        return f"the page at {origin} may not send requests here"
    return ""


# A client says the same host with every request.
@lru_cache(maxsize=64)
def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return host


@lru_cache(maxsize=64)
def _is_ours(name: str) -> bool:
    if name.endswith(".localhost") or _BARE_NAME.fullmatch(name):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
