"""CPU by version from the node's metrics."""

import pytest

from meshsim.cli.live.cpu import CpuRates, Usage, usage_by_pod

_METRICS = """\
# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed in seconds.
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="my-app",pod="a-1",namespace="default",version="v1",cpu="total"} 1.5
container_cpu_usage_seconds_total{container="my-app",pod="b-1",namespace="default",version="v2",cpu="total"} 0.25
# TYPE kube_pod_info gauge
kube_pod_info{namespace="default",pod="a-1"} 1.0
"""


def test_each_pod_is_read_from_the_text() -> None:
    assert usage_by_pod(_METRICS) == {"a-1": Usage("v1", 1.5), "b-1": Usage("v2", 0.25)}


def test_a_node_without_pods_uses_nothing() -> None:
    assert usage_by_pod("") == {}


def test_cores_are_what_the_pods_of_a_version_used_in_the_time_between() -> None:
    rates = CpuRates()
    rates.add(10.0, {"a-1": Usage("v1", 1.0), "a-2": Usage("v1", 5.0)})
    rates.add(12.0, {"a-1": Usage("v1", 1.5), "a-2": Usage("v1", 5.5), "b-1": Usage("v2", 0.2)})
    assert rates.cores() == pytest.approx({"v1": 0.5, "v2": 0.1})


def test_a_pod_that_ended_takes_nothing_back() -> None:
    rates = CpuRates()
    rates.add(10.0, {"a-1": Usage("v1", 9.0), "a-2": Usage("v1", 1.0)})
    rates.add(11.0, {"a-2": Usage("v1", 1.3)})
    assert rates.cores() == pytest.approx({"v1": 0.3})


def test_one_reading_tells_no_rate() -> None:
    rates = CpuRates()
    rates.add(10.0, {"a-1": Usage("v1", 9.0)})
    assert rates.cores() == {}


def test_old_readings_are_forgotten() -> None:
    rates = CpuRates()
    for second in range(20):
        rates.add(float(second), {"a-1": Usage("v1", 0.0 if second < 15 else second - 15.0)})
    assert rates.cores()["v1"] == pytest.approx(1.0)
