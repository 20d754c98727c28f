"""A latency histogram of known error, cheap enough to count every request."""

import math
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

_LOG_GROWTH: Final = math.log(1.02)
_FLOOR_S: Final = 1e-5


@dataclass(slots=True)
class Latencies:
    """Counts in buckets that each reach 2 % further: a quantile is at most 1 % off, from 10 µs upwards."""

    total: int = 0
    _buckets: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float) -> None:
        """Count one request."""
        bucket = math.ceil(math.log(seconds / _FLOOR_S) / _LOG_GROWTH) if seconds > _FLOOR_S else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.total += 1

    def merge(self, other: "Latencies") -> None:
        """Count what the other counted."""
        for bucket, count in other._buckets.items():  # noqa: SLF001 - the same class
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.total += other.total

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share (0 to 1) of the requests ended; None without any."""
        if not self.total:
            return None
        rank = max(1, math.ceil(share * self.total))
        buckets = sorted(self._buckets)
        ended = accumulate(self._buckets[bucket] for bucket in buckets)
        bucket = next(bucket for bucket, count in zip(buckets, ended, strict=True) if count >= rank)
        # The middle, in ratio, of the bucket.
        return _FLOOR_S * math.exp((bucket - 0.5) * _LOG_GROWTH) if bucket else _FLOOR_S
