"""The requests of the demo as they end: all of them, the last few seconds, and slice by slice. Pure."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from meshsim.load.latency import Latencies
from meshsim.load.samples import Sample

WINDOW_S: Final = 3.0
_FIRST_S: Final = 0.5
_NONE: Final[Counter[str]] = Counter()


@dataclass(frozen=True, slots=True)
class Recent:
    """One version's last few seconds; latencies in seconds, None without a request."""

    rps: float = 0.0
    p50_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of time: how many requests each version answered, how many failed, and what changed then."""

    by_version: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    mark: str = ""


class Traffic:
    """Every request so far, also in slices of `slice_s` seconds."""

    def __init__(self, slice_s: float = 0.5) -> None:
        self._slice_s = slice_s
        self.samples: list[Sample] = []
        self.failed_by_version: Counter[str] = Counter()
        self._recent: deque[Sample] = deque()
        self._slices: dict[int, Counter[str]] = defaultdict(Counter)
        self._failed_slices: Counter[int] = Counter()
        self._marks: dict[int, str] = {}

    @property
    def failed(self) -> int:
        """How many failed."""
        return self.failed_by_version.total()

    def add(self, samples: Iterable[Sample]) -> None:
        """Take in requests as they ended."""
        for sample in samples:
            self.samples.append(sample)
            self._recent.append(sample)
            number = int(sample.began // self._slice_s)
            self._slices[number][sample.version] += 1
            if sample.failed:
                self.failed_by_version[sample.version] += 1
                self._failed_slices[number] += 1

    def mark(self, now: float, text: str) -> None:
        """Remember that something changed now."""
        self._marks[int(now // self._slice_s)] = text

    def recent(self, now: float) -> dict[str, Recent]:
        """The last few seconds, version by version."""
        since = now - WINDOW_S
        while self._recent and self._recent[0].began < since:
            self._recent.popleft()
        latencies: dict[str, Latencies] = defaultdict(Latencies)
        # They come in the order of their ends, not of their beginnings.
        for sample in (one for one in self._recent if one.began >= since):
            latencies[sample.version].add(sample.latency_s)
        span_s = min(WINDOW_S, max(_FIRST_S, now - self.samples[0].began)) if self.samples else WINDOW_S
        return {
            version: Recent(of_version.total / span_s, of_version.quantile(0.5), of_version.quantile(0.99))
            for version, of_version in latencies.items()
        }

    def slices(self, now: float, count: int) -> tuple[Slice, ...]:
        """The last `count` whole slices, oldest first; none from before the first request."""
        last = int(now // self._slice_s) - 1
        first = max(last - count + 1, min(self._slices, default=last + 1))
        return tuple(
            Slice(self._slices.get(number, _NONE), self._failed_slices[number], self._marks.get(number, ""))
            for number in range(first, last + 1)
        )
