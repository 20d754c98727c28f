"""Lag, injected on purpose: what a real mesh takes to pass a change on, hop by hop."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.errors import UsageError

NODE_HOPS: Final = ("endpoints", "selector", "readiness")
"""Endpoints reaching the proxies, a Service's new selector reaching its endpoints before that, a probe's verdict
reaching the pod."""
PROXY_HOPS: Final = ("vs", "dr")
"""VirtualServices and DestinationRules reaching the proxies."""
HOPS: Final = (*PROXY_HOPS, *NODE_HOPS)
"""Whoever is told a lag heeds its own hops."""


class Lags:
    """Seconds on the cluster's clock for each hop; 0 where none is set. May change at any time."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self._seconds = dict(seconds or {})

    def __getitem__(self, hop: str) -> float:
        return self._seconds.get(hop, 0.0)

    def set(self, seconds: Mapping[str, float]) -> None:
        """Change these hops from now on; the others stay."""
        self._seconds.update(seconds)

    def of(self, hops: Iterable[str]) -> dict[str, float]:
        """Each of these hops and its lag."""
        return {hop: self[hop] for hop in hops}


def parse_lag(text: str) -> dict[str, float]:
    """Reads `endpoints=3s,vs=500ms`. Raises UsageError naming what is wrong."""
    return lag_of((pair.partition("=")[::2] for pair in text.split(",") if pair.strip()), HOPS)


def lag_of(pairs: Iterable[tuple[str, str]], hops: Collection[str]) -> dict[str, float]:
    """The lag of each named hop. Raises UsageError."""
    lag: dict[str, float] = {}
    for name, duration in pairs:
        hop = name.strip()
        if hop not in hops:
            raise UsageError(f'"{hop}" is no hop that can lag here: choose from {", ".join(hops)}')
        try:
            lag[hop] = parse_duration(duration)
        except DurationError as error:
            raise UsageError(f"lag of {hop}: {error}") from None
    return lag
