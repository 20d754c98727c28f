"""How a simulated pod behaves: what its annotations ask for, and what that means for one request. Pure.

    meshsim.dev/latency-p50: 20ms       meshsim.dev/latency-p99: 200ms     log-normal between the two
    meshsim.dev/error-rate: 5%          meshsim.dev/error-code: "503"      500 by default
    meshsim.dev/cpu-per-request: 2ms    meshsim.dev/startup-delay: 20s
    meshsim.dev/healthy: "false"        health checks fail

An annotation on the pod template holds for the pods made from it; changed on a live pod it holds from the next
request on.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.kit.chance import Draw
from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.shares import ShareError, parse_share

PREFIX: Final = "meshsim.dev/"
_P99_OF_NORMAL: Final = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""
_TINY: Final = 1e-12


class BehaviourError(ValueError):
    """An annotation says something that makes no sense; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Latencies and CPU are seconds, the error rate is a share."""

    latency_p50_s: float = 0.0
    latency_p99_s: float = 0.0
    error_rate: float = 0.0
    error_code: int = 500
    cpu_per_request_s: float = 0.001
    startup_delay_s: float = 0.0
    healthy: bool = True

    @property
    def is_plain(self) -> bool:
        """It answers at once and never fails: no chance is involved."""
        return self.latency_p50_s == 0.0 and self.error_rate == 0.0

    def latency_s(self, draw: Draw) -> float:
        """How long one answer takes: log-normal, half of them faster than p50, one in a hundred slower than p99."""
        if self.latency_p99_s <= self.latency_p50_s:
            return self.latency_p50_s
        sigma = math.log(self.latency_p99_s / self.latency_p50_s) / _P99_OF_NORMAL
        return self.latency_p50_s * math.exp(sigma * _normal(draw))

    def status(self, draw: Draw) -> int:
        """The status of one answer."""
        return self.error_code if draw() < self.error_rate else 200


def behaviour_of(annotations: Mapping[str, str]) -> Behaviour:
    """What the annotations of a pod ask for. Raises BehaviourError."""
    p50 = _duration(annotations, "latency-p50", 0.0)
    p99 = _duration(annotations, "latency-p99", p50)
    if p99 > 0.0 and not 0.0 < p50 <= p99:
        raise BehaviourError(f"{PREFIX}latency-p99 needs a {PREFIX}latency-p50 above zero and no greater than itself")
    return Behaviour(
        latency_p50_s=p50,
        latency_p99_s=p99,
        error_rate=_share(annotations, "error-rate"),
        error_code=_status(annotations, "error-code", 500),
        cpu_per_request_s=_duration(annotations, "cpu-per-request", 0.001),
        startup_delay_s=_duration(annotations, "startup-delay", 0.0),
        healthy=_truth(annotations, "healthy", True),
    )


def _normal(draw: Draw) -> float:
    """One standard normal number from two draws (Box-Muller)."""
    return math.sqrt(-2.0 * math.log(max(draw(), _TINY))) * math.cos(2.0 * math.pi * draw())


def _duration(annotations: Mapping[str, str], name: str, default: float) -> float:
    text = annotations.get(PREFIX + name)
    if text is None:
        return default
    try:
        return parse_duration(text)
    except DurationError as error:
        raise BehaviourError(f"{PREFIX}{name}: {error}") from None


def _share(annotations: Mapping[str, str], name: str) -> float:
    try:
        return parse_share(annotations.get(PREFIX + name, "0"))
    except ShareError as error:
        raise BehaviourError(f"{PREFIX}{name}: {error}") from None


def _truth(annotations: Mapping[str, str], name: str, default: bool) -> bool:
    text = annotations.get(PREFIX + name, str(default)).strip().lower()
    if text not in ("true", "false"):
        raise BehaviourError(f'{PREFIX}{name}: "{text}" is neither true nor false')
    return text == "true"


def _status(annotations: Mapping[str, str], name: str, default: int) -> int:
    text = annotations.get(PREFIX + name, str(default)).strip()
    if not (len(text) == 3 and text.isascii() and text.isdecimal() and 400 <= int(text) <= 599):
        raise BehaviourError(f'{PREFIX}{name}: "{text}" is no error status: write 400 to 599')
    return int(text)
