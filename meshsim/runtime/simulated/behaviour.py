"""How a simulated container behaves: what its pod's annotations ask for, and what that means for one request. Pure.

    meshsim.dev/latency-p50: 20ms          meshsim.dev/latency-p99: 200ms      log-normal between the two
    meshsim.dev/error-rate: 5%             meshsim.dev/error-code: "503"       500 by default
    meshsim.dev/cpu-per-request: 2ms       meshsim.dev/startup-delay: 20s      not listening until then
    meshsim.dev/concurrency: "10"          meshsim.dev/capacity: "100"         at a time; a second
    meshsim.dev/queue: "50"                                                    more wait in vain: 503
    meshsim.dev/warm-up-time: 30s          meshsim.dev/warm-up-requests: "500" warm by the earlier of the two
    meshsim.dev/warm-up-slowdown: "5"                                          how slow and costly a cold one is
    meshsim.dev/memory: 64Mi               meshsim.dev/memory-per-request: 4Ki a leak
    meshsim.dev/crash-after: "1000"        meshsim.dev/healthy: "false"        requests; health checks fail
    meshsim.dev/run-time: 5s               meshsim.dev/exit-code: "1"          of a pod that is to end (a Job's)
    meshsim.dev/init-time: 5s                                                  of each init container

An annotation on the pod template holds for the pods made from it; changed on a live pod it holds from the next
request on.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from meshsim.api.quantities import parse_quantity
from meshsim.kit.chance import Draw
from meshsim.kit.durations import parse_duration
from meshsim.kit.shares import parse_share
from meshsim.runtime.simulated.capacity import NO_LIMITS, Limits

P = TypeVar("P")
D = TypeVar("D")

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
    limits: Limits = NO_LIMITS
    warm_up_s: float = 0.0
    warm_up_requests: float = 0.0
    warm_up_slowdown: float = 5.0
    memory_bytes: float | None = None
    """Without any request; None: what a small program uses, and less than it may."""
    memory_per_request_bytes: float = 0.0
    crash_after: float = math.inf
    healthy: bool = True
    run_time_s: float = 0.0
    exit_code: int = 0
    init_time_s: float = 0.0

    @property
    def is_plain(self) -> bool:
        """It answers at once, never fails and never changes: no chance and no state are involved."""
        return (
            self.latency_p50_s == 0.0
            and self.error_rate == 0.0
            and self.limits == NO_LIMITS
            and self.warm_up_s == self.warm_up_requests == 0.0
            and self.memory_per_request_bytes == 0.0
            and self.crash_after == math.inf
        )

    def latency_s(self, draw: Draw) -> float:
        """How long one answer takes: log-normal, half of them faster than p50, one in a hundred slower than p99."""
        if self.latency_p99_s <= self.latency_p50_s:
            return self.latency_p50_s
        sigma = math.log(self.latency_p99_s / self.latency_p50_s) / _P99_OF_NORMAL
        return self.latency_p50_s * math.exp(sigma * _normal(draw))

    def status(self, draw: Draw) -> int:
        """The status of one answer."""
        return self.error_code if draw() < self.error_rate else 200

    def slowdown(self, requests: int, age_s: float) -> float:
        """How many times slower and costlier than warm it is, after so many requests and so long: ends at 1."""
        warm = [
            done / needed
            for done, needed in ((requests, self.warm_up_requests), (age_s, self.warm_up_s))
            if needed > 0.0
        ]
        cold = 1.0 - min(max(warm, default=1.0), 1.0)
        return 1.0 + (self.warm_up_slowdown - 1.0) * cold


def behaviour_of(annotations: Mapping[str, str]) -> Behaviour:
    """What the annotations of a pod ask for. Raises BehaviourError."""
    read = _Reader(annotations)
    p50 = read("latency-p50", parse_duration, 0.0)
    p99 = read("latency-p99", parse_duration, p50)
    if p99 > 0.0 and not 0.0 < p50 <= p99:
        raise BehaviourError(f"{PREFIX}latency-p99 needs a {PREFIX}latency-p50 above zero and no greater than itself")
    return Behaviour(
        latency_p50_s=p50,
        latency_p99_s=p99,
        error_rate=read("error-rate", parse_share, 0.0),
        error_code=read("error-code", _error_status, 500),
        cpu_per_request_s=read("cpu-per-request", parse_duration, 0.001),
        startup_delay_s=read("startup-delay", parse_duration, 0.0),
        limits=Limits(
            concurrency=read("concurrency", _at_least_one, math.inf),
            per_s=read("capacity", _above_zero, math.inf),
            queue=read("queue", _not_negative, math.inf),
        ),
        warm_up_s=read("warm-up-time", parse_duration, 0.0),
        warm_up_requests=read("warm-up-requests", _not_negative, 0.0),
        warm_up_slowdown=read("warm-up-slowdown", _at_least_one, 5.0),
        memory_bytes=read("memory", parse_quantity, None),
        memory_per_request_bytes=read("memory-per-request", parse_quantity, 0.0),
        crash_after=read("crash-after", _at_least_one, math.inf),
        healthy=read("healthy", _truth, True),
        run_time_s=read("run-time", parse_duration, 0.0),
        exit_code=read("exit-code", _exit_code, 0),
        init_time_s=read("init-time", parse_duration, 0.0),
    )


class _Reader:
    """Reads annotations, and names the one that is wrong."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._annotations = annotations

    def __call__(self, name: str, parse: Callable[[str], P], default: D) -> P | D:
        text = self._annotations.get(PREFIX + name)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise BehaviourError(f"{PREFIX}{name}: {error}") from None


def _normal(draw: Draw) -> float:
    """One standard normal number from two draws (Box-Muller)."""
    return math.sqrt(-2.0 * math.log(max(draw(), _TINY))) * math.cos(2.0 * math.pi * draw())


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f'"{text}" is no number')
    return number


def _above_zero(text: str) -> float:
    if (number := _number(text)) > 0.0:
        return number
    raise ValueError(f'"{text}" is not above zero')


def _at_least_one(text: str) -> float:
    if (number := _number(text)) >= 1.0:
        return number
    raise ValueError(f'"{text}" is less than 1')


def _not_negative(text: str) -> float:
    if (number := _number(text)) >= 0.0:
        return number
    raise ValueError(f'"{text}" is negative')


def _error_status(text: str) -> int:
    number = int(_number(text))
    if not 400 <= number <= 599:
        raise ValueError(f'"{text}" is no error status: write 400 to 599')
    return number


def _exit_code(text: str) -> int:
    number = int(_number(text))
    if not 0 <= number <= 255:
        raise ValueError(f'"{text}" is no exit code: write 0 to 255')
    return number


def _truth(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise ValueError(f'"{text}" is neither true nor false')
    return text.strip().lower() == "true"
