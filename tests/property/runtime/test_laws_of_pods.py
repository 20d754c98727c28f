"""Laws of simulated pods: queues are fair and keep their limits, probes change a verdict only by thresholds."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from meshsim.api.core import Probe
from meshsim.kit.chance import draws
from meshsim.runtime.containers.probes import Verdict
from meshsim.runtime.simulated.behaviour import Behaviour
from meshsim.runtime.simulated.capacity import Limits, Station

GAPS_AND_SERVICES = st.lists(st.tuples(st.floats(0, 2), st.floats(0.01, 2)), max_size=40)
LIMITS = st.builds(
    Limits,
    concurrency=st.one_of(st.just(math.inf), st.integers(1, 4).map(float)),
    per_s=st.one_of(st.just(math.inf), st.floats(0.5, 20)),
    queue=st.one_of(st.just(math.inf), st.integers(0, 5).map(float)),
)


@given(LIMITS, GAPS_AND_SERVICES)
def test_a_station_keeps_its_limits_and_serves_in_order(limits: Limits, requests: list[tuple[float, float]]) -> None:
    station, now = Station(limits), 0.0
    served: list[tuple[float, float, float]] = []
    for gap, service_s in requests:
        now += gap
        delay_s = station.admit(now, service_s)
        if delay_s is None:
            assert sum(start > now for _, start, _ in served) >= limits.queue
            continue
        served.append((now, now + delay_s - service_s, now + delay_s))
    starts = [start for _, start, _ in served]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(starts))
    for arrival, start, _ in served:
        assert start >= arrival - 1e-9
        in_service = sum(other <= start + 1e-9 < end - 1e-9 for _, other, end in served)
        assert in_service <= limits.concurrency + 1e-9
    assert all(later - earlier >= 1 / limits.per_s - 1e-9 for earlier, later in itertools.pairwise(starts))


@given(
    st.builds(Probe, success_threshold=st.integers(1, 4), failure_threshold=st.integers(1, 4)),
    st.booleans(),
    st.lists(st.booleans(), max_size=30),
)
def test_a_verdict_changes_exactly_when_a_threshold_is_reached(
    probe: Probe, passing: bool, results: list[bool]
) -> None:
    verdict = Verdict(passing)
    for index, result in enumerate(results, 1):
        before, verdict = verdict.passing, verdict.after(result, probe)
        needed = probe.success_threshold if result else probe.failure_threshold
        streak = results[max(index - needed, 0) : index]
        reached = len(streak) == needed and all(one == result for one in streak)
        assert verdict.passing == (result if reached else before)


@given(st.floats(0.001, 1), st.floats(1, 100), st.integers(0, 2**32))
def test_a_latency_is_never_negative_and_a_seed_repeats_it(p50_s: float, spread: float, seed: int) -> None:
    behaviour = Behaviour(latency_p50_s=p50_s, latency_p99_s=p50_s * spread)
    first, second = draws(seed, "pod"), draws(seed, "pod")
    latencies = [behaviour.latency_s(first) for _ in range(20)]
    assert all(latency > 0 for latency in latencies)
    assert latencies == [behaviour.latency_s(second) for _ in range(20)]
