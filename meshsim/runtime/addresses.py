"""Pod addresses: each pod has a loopback address of its own, so that it keeps its container ports."""

import hashlib
import ipaddress
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

POD_NETWORK: Final = ipaddress.ip_network("127.16.0.0/12")
"""Pods live here: far from 127.0.0.1, from 127.0.1.1 and from what resolvers use."""


def pod_ip(uid: str, taken: AbstractSet[str]) -> str:
    """The address for the pod with that uid: always the same one, or the next that isn't taken.

    An address never ends in 0 or 255. Raises OverflowError when every address is taken.
    """
    size = POD_NETWORK.num_addresses
    first = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % size
    for step in range(size):
        address = POD_NETWORK[(first + step) % size]
        if address.packed[-1] not in (0, 255) and str(address) not in taken:
            return str(address)
    raise OverflowError(f"no address is free in {POD_NETWORK}")


OWN_PORT_ANNOTATION: Final = "meshsim.dev/own-port"
"""`"true"` on a pod whose programs listen at $PORT of whatever address: it is at 127.0.0.1, with free ports."""


def has_own_port(annotations: Mapping[str, str]) -> bool:
    """Whether the pod asks for ports that nobody else has, at the address that all share."""
    return annotations.get(OWN_PORT_ANNOTATION) == "true"
