"""A run of an analysis: what is due, and what the answers come to."""

import msgspec
import pytest

from controller.analysis.plan import Answer, UnsoundError, check, conclude
from controller.analysis.schedule import Task, is_ttl_over, ttl_end
from meshsim.api.analysis import AnalysisRun, AnalysisRunStatus, Argument, Measurement, Metric
from meshsim.api.decode import Object, decode
from meshsim.kit.timestamps import to_rfc3339

NOW = 1_800_000_000.0
PROVIDER: Object = {"prometheus": {"query": "up"}}


def run_of(*metrics: Object, **spec: object) -> AnalysisRun:
    full = [{"provider": PROVIDER, **metric} for metric in metrics]
    return decode(AnalysisRun, {"metadata": {"name": "run"}, "spec": {"metrics": full, **spec}})


def answer(metric: str, phase: str, message: str = "", in_flight: Measurement | None = None) -> Answer:
    measurement = Measurement(phase=phase, message=message, started_at=to_rfc3339(NOW))
    return Answer(Task(metric, in_flight), measurement)


def go_on(run: AnalysisRun, status: AnalysisRunStatus) -> AnalysisRun:
    return msgspec.structs.replace(run, status=status)


def test_a_metric_without_a_count_or_an_interval_is_measured_once() -> None:
    run = run_of({"name": "one"})
    sound = check(run)

    assert sound.tasks(NOW) == (Task("one"),)
    outcome = conclude(sound, [answer("one", "Successful")], NOW)

    assert outcome.status.phase == "Successful"
    assert outcome.status.completed_at == to_rfc3339(NOW)
    assert outcome.wake_at is None
    assert outcome.completed == (("one", "Successful"),)


def test_an_interval_is_waited_for_to_its_very_end() -> None:
    run = run_of({"name": "rate", "interval": "30s", "count": 2})
    outcome = conclude(check(run), [answer("rate", "Successful")], NOW)
    run = go_on(run, outcome.status)

    assert outcome.wake_at == NOW + 30
    assert check(run).tasks(NOW + 30) == ()
    assert check(run).tasks(NOW + 30.001) == (Task("rate"),)


def test_an_error_is_tried_again_after_ten_seconds_whatever_the_interval() -> None:
    run = run_of({"name": "rate", "interval": "10m"})

    outcome = conclude(check(run), [answer("rate", "Error", "no answer")], NOW)

    assert outcome.wake_at == NOW + 10
    assert outcome.status.metric_results[0].count == 0


def test_the_first_bad_metric_ends_the_run_and_says_why() -> None:
    run = run_of({"name": "bad", "interval": "10s"}, {"name": "good", "interval": "10s"})

    outcome = conclude(check(run), [answer("bad", "Failed"), answer("good", "Successful")], NOW)
    ended = conclude(check(go_on(run, outcome.status)), [], NOW + 1)

    assert ended.status.phase == "Failed"
    assert ended.status.message == 'Metric "bad" assessed Failed due to failed (1) > failureLimit (0)'


def test_a_metric_on_trial_never_counts() -> None:
    run = run_of({"name": "bad"}, {"name": "good"}, dryRun=[{"metricName": "ba."}])

    status = conclude(check(run), [answer("bad", "Failed"), answer("good", "Successful")], NOW).status

    assert status.phase == "Successful"
    assert status.metric_results[0].message == "Metric assessed Failed due to failed (1) > failureLimit (0)"


def test_with_an_initial_delay_the_first_look_only_notes_the_start() -> None:
    run = run_of({"name": "late", "initialDelay": "5s"})
    first = conclude(check(run), [], NOW)
    run = go_on(run, first.status)

    assert check(run_of({"name": "late", "initialDelay": "5s"})).tasks(NOW) == ()
    assert (first.status.phase, first.wake_at) == ("Running", NOW + 5)
    assert check(run).tasks(NOW + 4.9) == ()
    assert check(run).tasks(NOW + 5) == (Task("late"),)


def test_a_run_that_is_told_to_end_before_it_measured_is_successful() -> None:
    run = run_of({"name": "rate", "interval": "10s"}, terminate=True)

    status = conclude(check(run), [], NOW).status

    assert (status.phase, status.message) == ("Successful", "Run Terminated")


def test_no_more_than_ten_measurements_are_kept() -> None:
    run = run_of({"name": "rate", "interval": "1s"})
    trimmed: list[str] = []
    for second in range(12):
        outcome = conclude(check(run), [answer("rate", "Successful", str(second))], NOW + second)
        run = go_on(run, outcome.status)
        trimmed += [one.message for dropped in outcome.trimmed for one in dropped.measurements]

    result = run.status.metric_results[0]
    assert [measurement.message for measurement in result.measurements] == [str(second) for second in range(2, 12)]
    assert result.count == 12
    assert trimmed == ["0", "1"]


def test_what_a_secret_holds_is_struck_from_whatever_is_told() -> None:
    run = run_of({"name": "rate"})
    measurement = Measurement(phase="Error", message="401 for hunter2", metadata={"verdict": "result > hunter2"})
    told = Answer(Task("rate"), measurement, {"ResolvedPrometheusQuery": 'up{token="hunter2"}'})

    result = conclude(check(run), [told], NOW, secrets=["hunter2", ""]).status.metric_results[0]

    assert "hunter2" not in str(result)
    assert result.measurements[0].message == "401 for *****"
    assert result.metadata == {"ResolvedPrometheusQuery": 'up{token="*****"}'}


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"count": 3}, "Analysis spec invalid: metrics[0]: interval must be specified when count > 1"),
        (
            {"interval": "soon"},
            'Analysis spec invalid: metrics[0]: invalid interval string: time: invalid duration "soon"',
        ),
        ({"provider": {}}, "Analysis spec invalid: metrics[0]: no provider specified"),
        (
            {"successCondition": "result > {{args.floor}}"},
            "Unable to resolve metric arguments: failed to resolve {{args.floor}}",
        ),
    ],
)
def test_an_unsound_run_is_an_error_that_says_why(metric: Object, reason: str) -> None:
    with pytest.raises(UnsoundError) as caught:
        check(run_of({"name": "rate", **metric}))

    assert str(caught.value) == reason


def test_arguments_are_put_in_wherever_they_are_named() -> None:
    run = run_of(
        {"name": "{{args.who}}", "count": "{{args.n}}", "interval": "1s", "failureLimit": 0},
        args=[{"name": "who", "value": 'say "hi"'}, {"name": "n", "value": "3"}],
    )

    assert check(run).metrics == (
        Metric(name='say "hi"', count="3", interval="1s", failure_limit=0, provider=PROVIDER),
    )


def test_a_secret_has_a_stand_in_until_something_is_measured() -> None:
    key = {"secretKeyRef": {"name": "token", "key": "key"}}
    run = run_of({"name": "rate"}, args=[{"name": "token", "valueFrom": key}])

    assert check(run).run.spec.args == (Argument(name="token", value_from=key),)


@pytest.mark.parametrize(
    ("ttl", "phase", "after_s"),
    [
        ({"secondsAfterCompletion": 60}, "Error", 61),
        ({"secondsAfterSuccess": 5, "secondsAfterCompletion": 60}, "Successful", 6),
        ({"secondsAfterFailure": 5, "secondsAfterCompletion": 60}, "Inconclusive", 61),
        ({"secondsAfterFailure": 5}, "Failed", 6),
    ],
)
def test_a_completed_run_lies_about_for_its_time(ttl: Object, phase: str, after_s: float) -> None:
    run = run_of({"name": "rate"}, ttlStrategy=ttl)
    run = go_on(run, AnalysisRunStatus(phase=phase, completed_at=to_rfc3339(NOW)))

    assert ttl_end(run) == NOW + after_s
    assert is_ttl_over(run, NOW + after_s)
    assert not is_ttl_over(run, NOW + after_s - 1)
