"""What became of a request, and what became of many, version by version."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from meshsim.load.latency import Latencies

UNANSWERED = ""
"""The version of a request that nothing answered, or whose answer names none."""


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request, as it ended."""

    began: float
    """Unix seconds at which it was put on the wire (or, when it never was, should have been)."""
    latency_s: float
    """From the instant it was due, so that a late start counts against the other side, never for it."""
    status: int = 0
    """The HTTP status; 0 without an answer."""
    version: str = UNANSWERED
    """What the answer's `x-version` says."""
    error: str = ""
    """Why there was no answer."""

    @property
    def failed(self) -> bool:
        """No answer, or one that says 4xx or 5xx."""
        return not 0 < self.status < 400

    @property
    def failure(self) -> str:
        """How it failed: `503`, `timeout`, `connection refused`."""
        return self.error or str(self.status)


@dataclass(slots=True)
class Tally:
    """The requests of one version."""

    requests: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    failures: Counter[str] = field(default_factory=Counter)
    """How often each way to fail."""

    @property
    def failed(self) -> int:
        """How many of the requests failed."""
        return self.failures.total()

    def add(self, sample: Sample) -> None:
        """Count one request."""
        self.requests += 1
        self.latencies.add(sample.latency_s)
        if sample.failed:
            self.failures[sample.failure] += 1


@dataclass(slots=True)
class Tallies:
    """The requests of every version."""

    by_version: dict[str, Tally] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Count one request."""
        tally = self.by_version.get(sample.version)
        if tally is None:
            tally = self.by_version[sample.version] = Tally()
        tally.add(sample)

    def add_all(self, samples: Iterable[Sample]) -> None:
        """Count several requests."""
        for sample in samples:
            self.add(sample)

    @property
    def requests(self) -> int:
        """How many requests ended."""
        return sum(tally.requests for tally in self.by_version.values())

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(tally.failed for tally in self.by_version.values())
