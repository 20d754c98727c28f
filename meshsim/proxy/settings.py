"""What a proxy was told on its command line."""

from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_HEAD_BYTES: Final = 60 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Timeouts in seconds, None for none. Defaults are Envoy's or Istio's where they have one."""

    header_timeout_s: float | None = None
    body_timeout_s: float | None = None
    idle_timeout_s: float = 3600.0
    drain_timeout_s: float = 30.0
    max_connections: int | None = None
    max_head_bytes: int = DEFAULT_MAX_HEAD_BYTES
    accepts_http10: bool = False
    explains: bool = False
    """Responses say by which route, version and pod they came."""
