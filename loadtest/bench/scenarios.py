"""What the load generator asks for."""

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load.

    `pace` is the share of the reference's highest rate at which requests come, None for as many as there can be.
    """

    name: str
    says: str
    connections: int
    path: str = "/"
    body_bytes: int = 0
    keeps_connections: bool = True
    pace: float | None = None


SCENARIOS: Final = (
    Scenario("get-64", "small GET, 64 connections", 64),
    Scenario("get-1", "small GET, 1 connection", 1),
    Scenario("get-512", "small GET, 512 connections", 512),
    Scenario("16k", "16 KiB response, 64 connections", 64, path="/16k"),
    Scenario("1m", "1 MiB response, 16 connections", 16, path="/1m"),
    Scenario("post", "16 KiB POST, 64 connections", 64, body_bytes=16 * _KIB),
    Scenario("connect", "a connection for each request, 64 at a time", 64, keeps_connections=False),
    Scenario("half", "small GET, 64 connections, at half of what Envoy can do", 64, pace=0.5),
)
SATURATION: Final = SCENARIOS[0]
"""Where the highest rate is taken from."""
