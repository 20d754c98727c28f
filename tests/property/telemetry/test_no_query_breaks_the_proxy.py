"""Queries come from strangers' templates: whatever they say, there is an answer or a refusal."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.telemetry.promql.histograms import bucket_quantile
from meshsim.telemetry.promql.history import History
from meshsim.telemetry.promql.http_api import answer_query, answer_query_range
from meshsim.telemetry.promql.ranges import extrapolated
from tests.kits.scrapes import take

pytestmark = pytest.mark.property

TEXT = """n n{ a="b" a=~"(" a!~".*" } [5m] [1s] rate( increase( sum( topk( quantile( histogram_quantile( label_replace(
by (a) without (le) on() ignoring(a) group_left ( ) , + - * / % ^ == > bool and or unless offset 1m 0 1.5 NaN Inf 1e308
'x' "(" vector( scalar( absent( round( clamp( clamp_min( sqrt( ln( time() count_over_time( quantile_over_time("""
HISTORY = History(60)
for _second in range(40):
    take(HISTORY, f'n{{a="b",le="1"}} {_second % 7}\nn{{a="c",le="+Inf"}} {_second}\nn 1e308\n', _second * 1000)


@given(st.lists(st.sampled_from(TEXT.split()), max_size=14).map(" ".join) | st.text(max_size=20))
def test_there_is_an_answer_or_a_refusal(query: str) -> None:
    instant = answer_query(HISTORY, {"query": query}, 39.0)
    over = answer_query_range(HISTORY, {"query": query, "start": "0", "end": "39", "step": "13"})

    for answer in (instant, over):
        assert answer.status in (200, 400, 422)
        assert json.loads(json.dumps(answer.body))["status"] == ("success" if answer.status == 200 else "error")


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=30), st.integers(1, 5000), st.integers(0, 5000))
def test_a_counter_never_falls_and_a_rate_is_an_increase_by_its_seconds(
    rises: list[int], step_ms: int, margin_ms: int
) -> None:
    points = [(1_000_000 + number * step_ms, float(sum(rises[: number + 1]))) for number in range(len(rises))]
    start_ms, end_ms = points[0][0] - margin_ms, points[-1][0] + margin_ms

    increase = extrapolated(points, start_ms, end_ms, counts=True, per_second=False)
    rate = extrapolated(points, start_ms, end_ms, counts=True, per_second=True)

    assert increase is not None
    assert rate is not None
    assert increase >= points[-1][1] - points[0][1] - 1e-9
    assert rate * (end_ms - start_ms) / 1000 == pytest.approx(increase)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_quantile_is_no_lower_and_none_is_above_the_last_bound(
    counts: list[float], one: float, other: float
) -> None:
    buckets = {float(bound): sum(counts[: bound + 1]) for bound in range(len(counts))}
    buckets[math.inf] = sum(counts) + 1

    low, high = (bucket_quantile(wanted, buckets) for wanted in sorted((one, other)))

    assert low <= high + 1e-9
    assert high <= len(counts) - 1 + 1e-9
