"""Metrics decide: a bad canary is aborted by what is measured of it, and who looks away promotes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, EVENT, ROLLOUT
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY
from tests.kits.prometheus import free_port, needs_prometheus, prometheus
from tests.kits.up import Calls, Mesh, callers, mesh

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLE = REPOSITORY / "examples" / "bad-canary"
BLIND = REPOSITORY / "examples" / "no-data"


def phase(running: Mesh, rollout: str) -> str:
    """The phase of a rollout."""
    found: str = (running.get(ROLLOUT, rollout).get("status") or {}).get("phase", "")
    return found


def newest_run(running: Mesh) -> Object:
    """The status of the analysis run."""
    status: Object = running.listed(ANALYSIS_RUN)[-1]["status"]
    return status


def is_ready(running: Mesh, host: str) -> bool:
    """It is Healthy, and answers."""
    return phase(running, host) == "Healthy" and running.request(host=host).status == 200


@contextmanager
def ready(state: Path) -> Iterator[Mesh]:
    """Given both rollouts of the example, Healthy on their first version."""
    with mesh(state, "--speed", "10", manifests=[str(EXAMPLE)]) as running:
        for host in ("guarded", "unguarded"):
            eventually_blocking(partial(is_ready, running, host), within_s=40, ignoring=(OSError,))
        yield running


@contextmanager
def releasing(running: Mesh) -> Iterator[tuple[Calls, Calls]]:
    """Given both of them under load, and their bad version just released."""
    with callers(running, host="guarded") as guarded, callers(running, host="unguarded") as unguarded:
        running.cli("apply", "-f", str(EXAMPLE / "v2"))
        yield guarded, unguarded


def test_a_bad_canary_is_aborted_by_our_own_metrics(tmp_path: Path) -> None:
    with ready(tmp_path) as running, releasing(running) as (guarded, unguarded):
        eventually_blocking(lambda: phase(running, "guarded") == "Degraded", within_s=60)
        hurt = len(guarded.failures)
        eventually_blocking(lambda: phase(running, "unguarded") == "Healthy", within_s=60)
        status, rollout = newest_run(running), running.get(ROLLOUT, "guarded")
        told = {event["reason"] for event in running.listed(EVENT)}

    assert status["message"] == 'Metric "success-rate" assessed Failed due to failed (2) > failureLimit (1)'
    assert "guarded-canary" in status["metricResults"][0]["metadata"]["ResolvedPrometheusQuery"]
    assert rollout["status"]["message"].endswith(status["message"])
    assert {"MetricFailed", "AnalysisRunFailed", "RolloutAborted"} <= told
    # Every failure was the canary's own, and nobody was hurt any more once it was aborted.
    assert all(failure.startswith("500") for failure in guarded.failures)
    assert 0 < hurt < 0.15 * guarded.total
    assert len(guarded.failures) <= hurt + 5
    assert len(unguarded.failures) > 2 * hurt


def test_a_bad_canary_is_aborted_by_a_real_prometheus(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_prometheus()
    port = free_port()
    monkeypatch.setenv("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", f"http://127.0.0.1:{port}")
    with ready(tmp_path) as running:
        target = running.addresses["stats"].removeprefix("http://")
        with (
            prometheus(tmp_path_factory.mktemp("prometheus"), port, scrapes=target),
            releasing(running) as (guarded, _),
        ):
            eventually_blocking(lambda: phase(running, "guarded") == "Degraded", within_s=60)
            status = newest_run(running)

    assert status["phase"] == "Failed", status["message"]
    assert guarded.by_version["v1"] > guarded.by_version["v2"]


def test_an_analysis_without_data_aborts_and_says_that_it_saw_nothing(tmp_path: Path) -> None:
    with mesh(tmp_path, "--speed", "20", manifests=[str(BLIND)]) as running:
        eventually_blocking(lambda: is_ready(running, "blind"), within_s=40, ignoring=(OSError,))
        running.cli("set", "image", "blind", "app=shop:v2")
        eventually_blocking(lambda: phase(running, "blind") == "Degraded", within_s=60)
        status = newest_run(running)

    assert status["phase"] == "Error"
    assert "consecutiveErrors (5) > consecutiveErrorLimit (4)" in status["message"]
    assert "no data returned from the metric provider" in status["message"]
