"""Translates recorded decisions about analysis runs; production code decides."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from controller.analysis.arguments import resolved_metric, with_args
from controller.analysis.assess import assess, exceeded_limit, is_worse, metric_phase
from controller.analysis.metrics import InvalidMetricsError, check_metrics, dry_run_names, retention_limits
from controller.analysis.plan import Answer, Sound, UnsoundError, check, conclude, trimmed_results, unsound_status
from controller.analysis.schedule import due_tasks, is_terminating, is_ttl_over, next_time
from controller.experiment.arguments import Version, experiment_value
from controller.rollout.analysis_spec import rollout_args
from controller.rollout.observed import Observed
from meshsim.api.analysis import (
    AnalysisRun,
    AnalysisRunArgument,
    AnalysisRunStatus,
    AnalysisTemplate,
    Argument,
    DryRun,
    Experiment,
    MeasurementRetention,
    Metric,
    MetricResult,
)
from meshsim.api.decode import decode, encode
from meshsim.api.templates import UnresolvedError, check_rules, flattened, merged_args
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339
from tests.conformance.cases import Case
from tests.conformance.vectors_replicas import rollout, version

In = Mapping[str, Any]


def cases_of(document: In) -> Iterator[Case]:
    """Every recorded call."""
    for number, case in enumerate(document["cases"]):
        compare = _COMPARED[case["function"]]
        yield Case(f"{case['test']}#{number}", partial(compare.recorded, case["out"]), partial(compare.ours, case))


class _Compared:
    """How a function's recorded answer is read and ours is made."""

    def __init__(self, decided: Callable[[In, In], object], recorded: Callable[[In], object] = dict) -> None:
        self.decided = decided
        self.recorded = recorded

    def ours(self, case: In) -> object:
        """Our answer in the form of the recorded one."""
        return self.decided(case["in"], case["out"])


def _metrics(given: Any) -> tuple[Metric, ...]:
    return tuple(decode(Metric, metric) for metric in given or ())


def _result(given: Any) -> MetricResult:
    return decode(MetricResult, given)


def _run(given: Any) -> AnalysisRun:
    return decode(AnalysisRun, given)


def _args(given: Any) -> tuple[Argument, ...]:
    return tuple(decode(Argument, arg) for arg in given or ())


def _templates(given: In) -> list[AnalysisTemplate]:
    every = [*(given["templates"] or ()), *(given["clusterTemplates"] or ())]
    return [decode(AnalysisTemplate, {"metadata": {}, **template}) for template in every]


def _refused(decide: Callable[[], Mapping[str, object]], nothing: Mapping[str, object]) -> Mapping[str, object]:
    """A recorded answer has an error beside the rest, which then is empty."""
    try:
        return {"error": None, **decide()}
    except (UnresolvedError, InvalidMetricsError) as error:
        return {"error": str(error), **nothing}


def _tasks(given: In, out: In) -> object:
    tasks = due_tasks(_run(given["run"]), _metrics(given["metrics"]), from_rfc3339(given["now"]))
    named = [{"metric": t.metric, "incompleteMeasurement": t.in_flight and encode(t.in_flight)} for t in tasks]
    return {"tasks": named}


def _without_start(status: AnalysisRunStatus) -> AnalysisRunStatus:
    """Stamps of the moment are the recording's."""
    return msgspec.structs.replace(status, started_at="", completed_at="")


def _assessed_run(given: In, out: In) -> object:
    run = _run(given["run"])
    judged = assess(run, _metrics(given["metrics"]), frozenset(name for name, dry in given["dryRun"].items() if dry))
    status = msgspec.structs.replace(
        run.status,
        metric_results=judged.results,
        run_summary=judged.run_summary,
        dry_run_summary=judged.dry_run_summary,
    )
    return {"phase": judged.phase, "message": judged.message, "run": _without_start(status)}


def _recorded_assessment(out: In) -> object:
    return {**out, "run": _without_start(_run(out["run"]).status)}


def _next(given: In, out: In) -> object:
    instant = next_time(_run(given["run"]), _metrics(given["metrics"]), from_rfc3339(given["now"]))
    return {"time": None if instant is None else to_rfc3339(instant)}


def _recorded_time(out: In) -> object:
    return {"time": out["time"] and to_rfc3339(from_rfc3339(out["time"]))}


def _reconciled(given: In, out: In) -> object:
    """A whole reconcile; what the provider measured is read from what came of it.

    The recording cut its stamps to seconds, but not the moment: it is cut here, or what was due at the very moment
    seems overdue.
    """
    run, now = _run(given["run"]), float(int(from_rfc3339(given["now"])))
    if run.status.phase in ("Successful", "Failed", "Error", "Inconclusive"):
        return run.status
    try:
        sound = check(run)
    except UnsoundError as error:
        return unsound_status(run, str(error))
    after = _run(out["run"]).status
    answers = []
    for task in sound.tasks(now):
        result = after.result(task.metric)
        if result is None or result.last is None:
            return f"nothing was measured for {task}"
        answers.append(Answer(task, result.last, result.metadata))
    return conclude(sound, answers, now).status


def _recorded_status(out: In) -> object:
    status = _run(out["run"]).status
    return status if status.started_at else msgspec.structs.replace(status, metric_results=())


def _collected(given: In, out: In) -> object:
    run = _run(given["run"])
    retention = {name: rule["limit"] for name, rule in given["retention"].items()}
    sound = Sound(run, run.spec.metrics, frozenset(), retention)
    kept, _ = trimmed_results(run.status.metric_results, sound, given["limit"])
    return {"error": None, "results": kept}


def _build_args(given: In, out: In) -> object:
    observed = Observed(given["rollout"], rollout(given["rollout"]))
    new, stable = (
        version(
            {
                "name": "",
                "podHash": given[labels]["rollouts-pod-template-hash"],
                "specReplicas": 1,
                "availableReplicas": 1,
            }
        )
        for labels in ("newLabels", "stableLabels")
    )
    assert new is not None
    args = [decode(AnalysisRunArgument, arg) for arg in given["args"]]
    return _refused(lambda: {"args": encode(rollout_args(observed, args, new, stable))}, {"args": None})


def _validated(given: In, out: In) -> object:
    def decide() -> dict[str, object]:
        check_metrics(_metrics(given["metrics"]))
        return {}

    return _refused(decide, {})


def _resolved_metric(given: In, out: In) -> object:
    def decide() -> dict[str, object]:
        return {"metric": resolved_metric(decode(Metric, given["metric"]), _args(given["args"]))}

    return _refused(decide, {"metric": None})


def _flattened(given: In, out: In) -> object:
    return _refused(lambda: {"spec": flattened(_templates(given))}, {"spec": None})


def _new_run(given: In, out: In) -> object:
    def decide() -> dict[str, object]:
        spec = flattened(_templates(given))
        dry_run = (*(decode(DryRun, rule) for rule in given["dryRun"] or ()), *spec.dry_run)
        rules = (decode(MeasurementRetention, rule) for rule in given["measurementRetention"] or ())
        retention = (*rules, *spec.measurement_retention)
        args = merged_args(_args(given["args"]), spec.args)
        check_rules(dry_run, retention)
        return {"spec": [spec.metrics, args, dry_run, retention]}

    return _refused(decide, {"spec": None})


def _recorded_run_spec(out: In) -> object:
    if out["run"] is None:
        return {"error": out["error"], "spec": None}
    spec = _run(out["run"]).spec
    return {"error": out["error"], "spec": [spec.metrics, spec.args, spec.dry_run, spec.measurement_retention]}


def _recorded_template(out: In) -> object:
    found = out["template"] and decode(AnalysisTemplate, out["template"]).spec
    return {"error": out["error"], "spec": found}


def _merged(given: In, out: In) -> object:
    merge = lambda: {"args": encode(merged_args(_args(given["incoming"]), _args(given["template"])))}  # noqa: E731
    return _refused(merge, {"args": []})


def _dry_runs(given: In, out: In) -> object:
    rules = [decode(DryRun, rule) for rule in given["dryRun"]]
    return _refused(lambda: {"map": dict.fromkeys(dry_run_names(rules, given["metricNames"]), True)}, {"map": {}})


def _retentions(given: In, out: In) -> object:
    rules = [decode(MeasurementRetention, rule) for rule in given["retention"]]
    return _refused(lambda: {"map": retention_limits(rules, given["metricNames"])}, {"map": {}})


def _experiment_value(given: In, out: In) -> object:
    versions = {
        name: Version(replica_set["name"], replica_set["labels"]["rollouts-pod-template-hash"])
        for name, replica_set in given["replicaSets"].items()
    }
    experiment = decode(Experiment, given["experiment"])
    return _refused(lambda: {"value": experiment_value(given["template"], experiment, versions)}, {"value": ""})


def _resolved_args(given: In, out: In) -> object:
    return _refused(lambda: {"value": with_args(given["template"], _args(given["args"]))}, {"value": ""})


_COMPARED: Final[Mapping[str, _Compared]] = {
    "generateMetricTasks": _Compared(_tasks),
    "assessRunStatus": _Compared(_assessed_run, _recorded_assessment),
    "assessMetricStatus": _Compared(
        lambda given, _: {
            "phase": metric_phase(
                decode(Metric, given["metric"]), _result(given["result"]), terminating=given["terminating"]
            )
        }
    ),
    "calculateNextReconcileTime": _Compared(_next, _recorded_time),
    "reconcileAnalysisRun": _Compared(_reconciled, _recorded_status),
    "garbageCollectMeasurements": _Compared(
        _collected, lambda out: {"error": out["error"], "results": _run(out["run"]).status.metric_results}
    ),
    "assessMetricFailureInconclusiveOrError": _Compared(
        lambda given, _: dict(
            zip(
                ("phase", "message"),
                exceeded_limit(decode(Metric, given["metric"]), _result(given["result"])),
                strict=True,
            )
        )
    ),
    "BuildArgumentsForRolloutAnalysisRun": _Compared(_build_args),
    "ValidateMetrics": _Compared(_validated),
    "ResolveMetricArgs": _Compared(
        _resolved_metric, lambda out: {**out, "metric": out["metric"] and decode(Metric, out["metric"])}
    ),
    "IsWorse": _Compared(lambda given, _: {"worse": is_worse(given["current"], given["new"])}),
    "IsTerminating": _Compared(lambda given, _: {"terminating": is_terminating(_run(given["run"]))}),
    "FlattenTemplates": _Compared(_flattened, _recorded_template),
    "NewAnalysisRunFromTemplates": _Compared(_new_run, _recorded_run_spec),
    "MergeArgs": _Compared(_merged, lambda out: {**out, "args": out["args"] or []}),
    "GetDryRunMetrics": _Compared(_dry_runs),
    "GetMeasurementRetentionMetrics": _Compared(
        _retentions, lambda out: {**out, "map": {name: rule["limit"] for name, rule in out["map"].items()}}
    ),
    "ResolveExperimentArgsValue": _Compared(_experiment_value),
    "ResolveArgs": _Compared(_resolved_args),
    "isAnalysisRunTtlExceeded": _Compared(
        lambda given, _: {"exceeded": is_ttl_over(_run(given["run"]), from_rfc3339(given["now"]))}
    ),
}
