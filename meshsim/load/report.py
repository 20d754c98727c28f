"""What a run showed, one row per version."""

from dataclasses import dataclass
from typing import Final

from meshsim.load.samples import UNANSWERED, Tallies, Tally

_MS_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One version's part. Latencies count from the instant each request was due."""

    version: str
    """Empty for requests that nothing answered or whose answer names no version."""
    requests: int
    share: float
    """Of all requests, 0 to 1."""
    failed: int
    rps: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    requests: int
    failed: int
    duration_s: float
    rps: float
    rows: tuple[Row, ...]
    failures: dict[str, int]
    """How often each way to fail happened."""


def report_of(tallies: Tallies, duration_s: float) -> Report:
    """Sum up; versions in the order of their names, the unanswered last. `duration_s` is above zero."""
    total = tallies.requests
    order = sorted(tallies.by_version, key=lambda version: (version == UNANSWERED, version))
    failures: dict[str, int] = {}
    for tally in tallies.by_version.values():
        for reason, count in tally.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return Report(
        requests=total,
        failed=tallies.failed,
        duration_s=round(duration_s, 3),
        rps=round(total / duration_s, 1),
        rows=tuple(_row(version, tallies.by_version[version], total, duration_s) for version in order),
        failures=dict(sorted(failures.items())),
    )


def _row(version: str, tally: Tally, total: int, duration_s: float) -> Row:
    return Row(
        version=version,
        requests=tally.requests,
        share=round(tally.requests / total, 6),
        failed=tally.failed,
        rps=round(tally.requests / duration_s, 1),
        p50_ms=_milliseconds(tally, 0.5),
        p99_ms=_milliseconds(tally, 0.99),
    )


def _milliseconds(tally: Tally, share: float) -> float:
    return round((tally.latencies.quantile(share) or 0.0) * 1000, _MS_DIGITS)
