"""Translates what Argo's plugin printed and sent; our verbs' production code decides."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, Final

from meshsim.api.analysis import Experiment
from meshsim.api.decode import Object, decode, read_documents
from meshsim.api.rollouts import Rollout
from meshsim.api.validate.lint import lint, subject_of
from meshsim.cli.argo.paint import Paint
from meshsim.cli.argo.patches import promote_patches
from meshsim.cli.argo.table import experiment_table, rollout_table
from meshsim.cli.argo.tree import render_experiment, render_rollout
from meshsim.cli.argo.views import Objects, experiment_view, rollout_view
from meshsim.kit.durations import parse_go_duration
from meshsim.kit.timestamps import to_rfc3339
from tests.conformance.cases import Case

In = Mapping[str, Any]

_NOW: Final = 1_800_000_000.0
_WEEK_S: Final = 7 * 86400
_STRATEGIES: Final[dict[str, Object]] = {
    "canary3steps": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]}},
    "canaryNoSteps": {"canary": {}},
    "blueGreen": {"blueGreen": {"activeService": "active"}},
}


def promote_cases(document: In) -> Iterator[Case]:
    """Every state that `promote` was tried in."""
    for number, case in enumerate(document["cases"]):
        yield Case(f"promote#{number}", partial(_recorded_patches, case), partial(_sent_patches, case))


def _recorded_patches(case: In) -> object:
    return {"status": case["statusPatch"], "spec": case["specPatch"]}


def _sent_patches(case: In) -> object:
    status: Object = {
        "stableRS": "new" if case["fullyPromoted"] else "old",
        "currentPodHash": "new",
        "controllerPause": case["controllerPause"],
        "currentStepIndex": case["currentStepIndex"],
    }
    if case["pauseReason"]:
        status["pauseConditions"] = [{"reason": case["pauseReason"], "startTime": to_rfc3339(_NOW)}]
    if case["stepAnalysisInconclusive"]:
        status["canary"] = {"currentStepAnalysisRunStatus": {"name": "run", "status": "Inconclusive"}}
    spec = {"paused": case["specPaused"], "strategy": _STRATEGIES[case["strategy"]]}
    patches = promote_patches(
        decode(Rollout, {"metadata": {"name": "demo"}, "spec": spec, "status": status}),
        full=case["flag"] == "--full",
        skip_current_step=case["flag"] == "--skip-current-step",
        skip_all_steps=case["flag"] == "--skip-all-steps",
    )
    return {"status": patches.status, "spec": patches.spec}


def get_cases(document: In) -> Iterator[Case]:
    """Every printed rollout and experiment, plain and coloured together."""
    for number, case in enumerate(document["cases"]):
        yield Case(f"get#{number}", partial(_recorded_print, case), partial(_printed, document, case))


def _recorded_print(case: In) -> object:
    return [case["no_color"], case["color"]]


def _printed(document: In, case: In) -> object:
    objects = [_a_week_old(row["object"]) for row in document["objects"][case["testdata"]]]
    of_kind = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in {obj["kind"] for obj in objects}}
    parts = Objects(*(of_kind.get(kind, []) for kind in ("ReplicaSet", "Pod", "Experiment", "AnalysisRun")))
    paints = (Paint(False), Paint(True))
    if "rollout" in case:
        view = rollout_view(of_kind["Rollout"][case["rolloutIndex"]], parts)
        return [render_rollout(view, _NOW, paint) for paint in paints]
    experiment = experiment_view(of_kind["Experiment"][case["experimentIndex"]], parts)
    return [render_experiment(experiment, _NOW, paint) for paint in paints]


def _a_week_old(recorded: Object) -> Object:
    obj = deepcopy(recorded)
    obj["metadata"]["creationTimestamp"] = to_rfc3339(_NOW - _WEEK_S)
    for result in (obj.get("status") or {}).get("metricResults") or []:
        for measurement in result.get("measurements") or []:
            measurement["startedAt"] = to_rfc3339(_NOW - _WEEK_S)
    return obj


def list_cases(document: In) -> Iterator[Case]:
    """Every printed list."""
    above = next(
        (case["objects"] for case in document["cases"] if isinstance(case["objects"], list) and case["objects"]), []
    )
    for number, case in enumerate(document["cases"]):
        objects = case["objects"] if isinstance(case["objects"], list) else above
        yield Case(f"list#{number}", partial(_recorded_list, case), partial(_listed, case, objects))


def _recorded_list(case: In) -> object:
    if "stdout_contains" in case:
        return [True] * len(case["stdout_contains"])
    return case["stdout"]


def _listed(case: In, objects: list[Object]) -> object:
    everywhere = "--all-namespaces" in case["cmd"]
    if case["cmd"].startswith("list experiments"):
        experiments = sorted(map(_experiment, objects), key=lambda one: one.metadata.namespace)
        # It was printed a moment after its objects were made.
        return experiment_table(experiments, _NOW + 1, all_namespaces=everywhere)
    stamp = _NOW if "--timestamps" in case["cmd"] else None
    rollouts = [_rollout(given) for given in objects]
    printed = rollout_table(rollouts, all_namespaces=everywhere, timestamp=stamp) if rollouts else ""
    return [part in printed for part in case["stdout_contains"]] if "stdout_contains" in case else printed


def _rollout(given: Object) -> Rollout:
    strategy = {given["strategy"]: {"steps": given["steps"]} if "steps" in given else {}}
    metadata = {"name": given["name"], "namespace": given["namespace"]}
    spec = {"replicas": given["specReplicas"], "strategy": strategy}
    return decode(Rollout, {"metadata": metadata, "spec": spec, "status": given["status"]})


def _experiment(given: Object) -> Experiment:
    age_s = parse_go_duration(given["age"].replace("7d", "168h"))
    metadata = {"name": given["name"], "namespace": given["namespace"], "creationTimestamp": to_rfc3339(_NOW - age_s)}
    status = {"phase": given["phase"], "availableAt": to_rfc3339(_NOW - given["availableSecondsAgo"])}
    return decode(Experiment, {"metadata": metadata, "spec": {"duration": given["duration"]}, "status": status})


def lint_cases(document: In) -> Iterator[Case]:
    """Every linted file: the first reason to refuse it, if any."""
    for case in document["cases"]:
        yield Case(f"lint/{case['file']}", partial(_recorded_reason, case), partial(_reason, case))


def _recorded_reason(case: In) -> object:
    reason = case["stderr"].strip()
    # Go's decoder and ours name the same field, each in its own words.
    return "unknown field" if "unknown field" in reason else reason


def _reason(case: In) -> object:
    documents = read_documents(case["content"], case["file"])
    findings = lint([subject_of(case["file"], document.value) for document in documents])
    first = next((finding for _, finding in findings if not finding.is_warning), None)
    if first is not None and "unknown field" in first.message:
        return "unknown field"
    return f"Error: {first}" if first else ""
