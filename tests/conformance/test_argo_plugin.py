"""Our verbs against what Argo's own plugin printed and sent: recorded outputs and patches."""

import json
from copy import deepcopy
from typing import Any, Final

import pytest

from meshsim.api.analysis import Experiment
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.paint import Paint
from meshsim.cli.argo.patches import Patches, promote_patches
from meshsim.cli.argo.table import experiment_table, rollout_table
from meshsim.cli.argo.tree import render_experiment, render_rollout
from meshsim.cli.argo.views import Objects, experiment_view, rollout_view
from meshsim.kit.durations import parse_go_duration
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.shared import shared

_NOW: Final = 1_800_000_000.0
_WEEK_S: Final = 7 * 86400
_STRATEGIES: Final[dict[str, Object]] = {
    "canary3steps": {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]}},
    "canaryNoSteps": {"canary": {}},
    "blueGreen": {"blueGreen": {"activeService": "active"}},
}


def _recorded(name: str) -> Any:
    return json.loads(shared(f"vectors/argo/{name}.json").read_text(encoding="utf-8"))


_GET: Final = _recorded("cli_get_rollout")
_PROMOTE: Final = _recorded("cli_promote")
_LIST: Final = _recorded("cli_list")


def _named(case: Object) -> str:
    return f"{case['testdata']}-{case.get('rollout') or case.get('experiment')}"


@pytest.mark.parametrize("coloured", [False, True], ids=["plain", "coloured"])
@pytest.mark.parametrize("case", _GET["cases"], ids=_named)
def test_get_prints_what_the_plugin_printed(case: Object, coloured: bool) -> None:
    objects = [_a_week_old(row["object"]) for row in _GET["objects"][case["testdata"]]]
    of_kind = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in {obj["kind"] for obj in objects}}
    parts = Objects(*(of_kind.get(kind, []) for kind in ("ReplicaSet", "Pod", "Experiment", "AnalysisRun")))
    if "rollout" in case:
        view = rollout_view(of_kind["Rollout"][case["rolloutIndex"]], parts)
        printed = render_rollout(view, _NOW, Paint(coloured))
    else:
        printed = render_experiment(
            experiment_view(of_kind["Experiment"][case["experimentIndex"]], parts), _NOW, Paint(coloured)
        )
    assert printed == case["color" if coloured else "no_color"]


def _a_week_old(recorded: Object) -> Object:
    """The object with the age that it was printed with."""
    obj = deepcopy(recorded)
    obj["metadata"]["creationTimestamp"] = to_rfc3339(_NOW - _WEEK_S)
    for result in (obj.get("status") or {}).get("metricResults") or []:
        for measurement in result.get("measurements") or []:
            measurement["startedAt"] = to_rfc3339(_NOW - _WEEK_S)
    return obj


def test_promote_sends_what_the_plugin_sent_in_every_state() -> None:
    wrong = [case for case in _PROMOTE["cases"] if _sent(case) != Patches(case["statusPatch"], case["specPatch"])]
    assert wrong == []


def _sent(case: Object) -> Patches:
    status: Object = {
        "stableRS": "new" if case["fullyPromoted"] else "old",
        "currentPodHash": "new",
        "controllerPause": case["controllerPause"],
        "currentStepIndex": case["currentStepIndex"],
    }
    if case["pauseReason"]:
        status["pauseConditions"] = [{"reason": case["pauseReason"]}]
    if case["stepAnalysisInconclusive"]:
        status["canary"] = {"currentStepAnalysisRunStatus": {"name": "run", "status": "Inconclusive"}}
    spec = {"paused": case["specPaused"], "strategy": _STRATEGIES[case["strategy"]]}
    return promote_patches(
        decode(Rollout, {"metadata": {"name": "shop"}, "spec": spec, "status": status}),
        full=case["flag"] == "--full",
        skip_current_step=case["flag"] == "--skip-current-step",
        skip_all_steps=case["flag"] == "--skip-all-steps",
    )


def test_list_prints_rollouts_as_the_plugin_did() -> None:
    cases = [case for case in _LIST["cases"] if case["cmd"] == "list rollouts" and case["objects"]]
    assert len(cases) == 2
    for case in cases:
        assert rollout_table([_listed_rollout(one) for one in case["objects"]]) == case["stdout"]


def _listed_rollout(given: Object) -> Rollout:
    strategy = {given["strategy"]: {"steps": given["steps"]} if "steps" in given else {}}
    return decode(
        Rollout,
        {
            "metadata": {"name": given["name"], "namespace": given["namespace"]},
            "spec": {"replicas": given["specReplicas"], "strategy": strategy},
            "status": given["status"],
        },
    )


def test_list_prints_experiments_as_the_plugin_did() -> None:
    (case,) = [case for case in _LIST["cases"] if case["cmd"].startswith("list experiments")]
    experiments = sorted((_listed_experiment(one) for one in case["objects"]), key=lambda one: one.metadata.namespace)
    # The recording was printed a moment after its objects were made.
    assert experiment_table(experiments, _NOW + 1, all_namespaces=True) == case["stdout"]


def _listed_experiment(given: Object) -> Experiment:
    age_s = parse_go_duration(given["age"].replace("7d", "168h"))
    metadata = {"name": given["name"], "namespace": given["namespace"], "creationTimestamp": to_rfc3339(_NOW - age_s)}
    status = {"phase": given["phase"], "availableAt": to_rfc3339(_NOW - given["availableSecondsAgo"])}
    return decode(Experiment, {"metadata": metadata, "spec": {"duration": given["duration"]}, "status": status})
