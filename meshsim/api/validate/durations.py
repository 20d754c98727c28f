"""Durations as Istio checks them: at least a millisecond, whole milliseconds."""

from typing import Final

from meshsim.api.networking import Duration
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.gotext import nanoseconds

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000


def check_duration(path: str, duration: Duration | None) -> Findings:
    """A duration that has been decoded; an absent one is fine."""
    if duration is None:
        return
    length_ns = nanoseconds(duration)
    if length_ns < MILLISECOND_NS:
        yield Finding(path, "duration must be greater than 1ms")
    elif length_ns % MILLISECOND_NS:
        yield Finding(path, "only durations to ms precision are supported")
