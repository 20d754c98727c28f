"""Unit tests of the model of a simulated pod."""

import re
from statistics import quantiles

import pytest

from meshsim.kit.chance import Draw, draws
from meshsim.runtime.simulated.behaviour import Behaviour, BehaviourError, behaviour_of
from meshsim.runtime.simulated.capacity import Limits


def always(number: float) -> Draw:
    return lambda: number


def test_a_pod_without_annotations_answers_at_once_and_never_fails() -> None:
    behaviour = behaviour_of({"other.dev/latency-p50": "5s"})
    assert behaviour == Behaviour()
    assert behaviour.is_plain


def test_annotations_say_how_a_pod_behaves() -> None:
    assert behaviour_of(
        {
            "meshsim.dev/latency-p50": "20ms",
            "meshsim.dev/latency-p99": "200ms",
            "meshsim.dev/error-rate": "5%",
            "meshsim.dev/error-code": "503",
            "meshsim.dev/cpu-per-request": "3ms",
            "meshsim.dev/startup-delay": "20",
            "meshsim.dev/concurrency": "10",
            "meshsim.dev/capacity": "99.5",
            "meshsim.dev/queue": "0",
            "meshsim.dev/warm-up-time": "30s",
            "meshsim.dev/warm-up-requests": "500",
            "meshsim.dev/warm-up-slowdown": "3",
            "meshsim.dev/memory": "64Mi",
            "meshsim.dev/memory-per-request": "4Ki",
            "meshsim.dev/crash-after": "1000",
            "meshsim.dev/healthy": "false",
            "meshsim.dev/run-time": "5s",
            "meshsim.dev/exit-code": "3",
        }
    ) == Behaviour(
        latency_p50_s=0.02,
        latency_p99_s=0.2,
        error_rate=0.05,
        error_code=503,
        cpu_per_request_s=0.003,
        startup_delay_s=20,
        limits=Limits(concurrency=10, per_s=99.5, queue=0),
        warm_up_s=30,
        warm_up_requests=500,
        warm_up_slowdown=3,
        memory_bytes=64 * 2**20,
        memory_per_request_bytes=4096,
        crash_after=1000,
        healthy=False,
        run_time_s=5,
        exit_code=3,
    )


def test_latencies_have_the_percentiles_that_were_asked_for() -> None:
    behaviour = behaviour_of({"meshsim.dev/latency-p50": "20ms", "meshsim.dev/latency-p99": "200ms"})
    draw = draws(7, "latency")
    cuts = quantiles((behaviour.latency_s(draw) for _ in range(20_000)), n=100)
    assert cuts[49] == pytest.approx(0.02, rel=0.05)
    assert cuts[98] == pytest.approx(0.2, rel=0.15)


def test_a_p50_alone_is_a_fixed_latency() -> None:
    behaviour = behaviour_of({"meshsim.dev/latency-p50": "20ms"})
    assert {behaviour.latency_s(draws(seed, "")) for seed in range(10)} == {0.02}


def test_the_error_rate_is_the_share_of_draws_that_fail() -> None:
    behaviour = behaviour_of({"meshsim.dev/error-rate": "0.25", "meshsim.dev/error-code": "503"})
    assert [behaviour.status(always(number)) for number in (0.0, 0.2499, 0.25, 0.99)] == [503, 503, 200, 200]


@pytest.mark.parametrize(
    ("annotation", "text", "complaint"),
    [
        ("latency-p50", "fast", '"fast"'),
        ("latency-p50", "-5ms", "negative"),
        ("latency-p99", "20ms", "latency-p50"),
        ("error-rate", "120%", '"120%" is no share'),
        ("error-rate", "nan", '"nan" is no share'),
        ("error-rate", "often", '"often" is no share'),
        ("error-code", "200", '"200" is no error status'),
        ("error-code", "5xx", '"5xx" is no number'),
        ("startup-delay", "", "startup-delay"),
        ("concurrency", "0", '"0" is less than 1'),
        ("capacity", "0", '"0" is not above zero'),
        ("queue", "-1", '"-1" is negative'),
        ("memory", "lots", '"lots" is no quantity'),
        ("crash-after", "inf", '"inf" is no number'),
        ("exit-code", "256", '"256" is no exit code'),
        ("healthy", "mostly", '"mostly" is neither true nor false'),
    ],
)
def test_an_annotation_that_makes_no_sense_is_named(annotation: str, text: str, complaint: str) -> None:
    with pytest.raises(BehaviourError, match=re.escape(complaint)) as raised:
        behaviour_of({f"meshsim.dev/{annotation}": text})
    assert f"meshsim.dev/{annotation}" in str(raised.value)


def test_a_p99_below_the_p50_makes_no_sense() -> None:
    with pytest.raises(BehaviourError):
        behaviour_of({"meshsim.dev/latency-p50": "2s", "meshsim.dev/latency-p99": "1s"})


@pytest.mark.parametrize(
    ("behaviour", "requests", "age_s", "slowdown"),
    [
        (Behaviour(), 0, 0, 1),
        (Behaviour(warm_up_s=10, warm_up_slowdown=5), 0, 0, 5),
        (Behaviour(warm_up_s=10, warm_up_slowdown=5), 999, 5, 3),
        (Behaviour(warm_up_s=10, warm_up_slowdown=5), 0, 60, 1),
        (Behaviour(warm_up_requests=100, warm_up_slowdown=2), 50, 999, 1.5),
        (Behaviour(warm_up_s=10, warm_up_requests=100, warm_up_slowdown=5), 75, 5, 2),
    ],
    ids=["always warm", "cold", "half warm in time", "warm", "half warm by requests", "the earlier of the two"],
)
def test_a_cold_container_is_slow_and_warms_up(
    behaviour: Behaviour, requests: int, age_s: float, slowdown: float
) -> None:
    assert behaviour.slowdown(requests, age_s) == pytest.approx(slowdown)


@pytest.mark.parametrize(
    "annotation",
    ["latency-p50", "error-rate", "concurrency", "capacity", "warm-up-time", "memory-per-request", "crash-after"],
)
def test_what_needs_chance_or_state_is_not_plain(annotation: str) -> None:
    assert not behaviour_of({f"meshsim.dev/{annotation}": "1"}).is_plain
