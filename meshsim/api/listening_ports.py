"""Where a pod's container ports really listen, as the node notes it on the pod for all who connect to it. Pure."""

from collections.abc import Mapping
from typing import Final

PORTS_ANNOTATION: Final = "meshsim.dev/ports"
"""On a pod without an address of its own: where its container ports really listen (`8080=41233,9090=41234`)."""


def ports_to_text(ports: Mapping[int, int]) -> str:
    """The annotation's value."""
    return ",".join(f"{port}={listening}" for port, listening in sorted(ports.items()))


def ports_of(annotations: Mapping[str, str]) -> dict[int, int]:
    """Container port → the port that listens, for those that differ."""
    pairs = (pair.partition("=") for pair in annotations.get(PORTS_ANNOTATION, "").split(",") if pair)
    return {int(port): int(listening) for port, _, listening in pairs if port.isdecimal() and listening.isdecimal()}
