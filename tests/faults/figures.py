"""What a bar comes to."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from meshsim.kit.clock import LoopClock
from tests.faults.subjects import Setup


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, and the most it may be (or the least, with `at_least`)."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it keeps to its limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.value:.4g}"


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def within(seconds: float, check: Callable[[], bool], every_s: float = 0.001) -> float:
    """How long it took until it was so, in seconds; `seconds` when it never was."""
    started = time.monotonic()
    while not check():
        if time.monotonic() - started >= seconds:
            return seconds
        await LoopClock().sleep(every_s)
    return time.monotonic() - started


def to(*ports: int, version: str = "v1", **settings: float | None) -> Setup:
    """One version with these ports."""
    return Setup({version: ports}, **settings)  # type: ignore[arg-type] # names of Setup's own
