"""Laws of analysis runs, whatever is measured and whenever the controller is killed."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.analysis.plan import Answer, check, conclude
from controller.analysis.reconciler import status_of
from meshsim.api.analysis import COMPLETED_PHASES, AnalysisRun, AnalysisRunStatus, Measurement
from meshsim.api.decode import decode, read_json, write_json
from meshsim.kit.timestamps import to_rfc3339

pytestmark = pytest.mark.property

NOW = 1_800_000_000.0
LIMIT = st.integers(0, 3)
METRIC = st.fixed_dictionaries(
    {"interval": st.just("10s"), "provider": st.just({"prometheus": {"query": "up"}})},
    optional={
        "count": st.integers(6, 9),
        "failureLimit": LIMIT,
        "inconclusiveLimit": LIMIT,
        "consecutiveErrorLimit": LIMIT,
        "consecutiveSuccessLimit": LIMIT,
        "initialDelay": st.sampled_from(["5s", "1m"]),
    },
)
PHASES = st.lists(st.sampled_from(["Successful", "Failed", "Error", "Inconclusive"]), min_size=60, max_size=60)


def run_of(metrics: list[dict[str, Any]], dry: bool) -> AnalysisRun:
    named = [{"name": f"m{number}", **metric} for number, metric in enumerate(metrics)]
    rules = [{"metricName": "m0"}] if dry else []
    return decode(AnalysisRun, {"metadata": {"name": "run"}, "spec": {"metrics": named, "dryRun": rules}})


def story(run: AnalysisRun, phases: list[str], *, killed: bool) -> list[AnalysisRunStatus]:
    """The statuses of a run that is looked at every five seconds; a killed controller reads its status again."""
    told, statuses, now = iter(phases), [], NOW
    for _ in range(30):
        if run.status.phase in COMPLETED_PHASES:
            break
        sound = check(run)
        answers = [
            Answer(task, Measurement(phase=next(told, "Successful"), started_at=to_rfc3339(now)))
            for task in sound.tasks(now)
        ]
        status = conclude(sound, answers, now).status
        if killed:
            status = decode(AnalysisRunStatus, read_json(write_json(status_of(status))))
        run = msgspec.structs.replace(run, status=status)
        statuses.append(status)
        now += 5.001
    return statuses


@given(st.lists(METRIC, min_size=1, max_size=3), st.booleans(), PHASES)
def test_a_run_keeps_its_laws(metrics: list[dict[str, Any]], dry: bool, phases: list[str]) -> None:
    run = run_of(metrics, dry)
    statuses = story(run, phases, killed=False)

    for before, after in pairwise(statuses):
        for old in before.metric_results:
            new = after.result(old.name)
            assert new is not None
            assert new.count >= old.count
            assert not old.is_completed or new.phase == old.phase, "what is completed stays as it is"
    for status in statuses:
        for result in status.metric_results:
            assert result.count == result.successful + result.failed + result.inconclusive
            assert len(result.measurements) <= 10
        counting = [result for result in status.metric_results if not result.dry_run]
        if any(result.phase in ("Failed", "Error", "Inconclusive") for result in counting):
            assert status.phase != "Successful", "a bad metric that counts is never a good run"
        assert bool(status.completed_at) == (status.phase in COMPLETED_PHASES)


@given(st.lists(METRIC, min_size=1, max_size=3), st.booleans(), PHASES)
def test_a_controller_that_forgets_everything_comes_to_the_same_end(
    metrics: list[dict[str, Any]], dry: bool, phases: list[str]
) -> None:
    run = run_of(metrics, dry)

    assert story(run, phases, killed=True) == story(run, phases, killed=False)
