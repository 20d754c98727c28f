"""What analyses and experiments do to a release. Who measures is stood in for: tests say how they end."""

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, ANALYSIS_TEMPLATE, EXPERIMENT, Kind
from meshsim.api.meta import Key, key_of
from tests.kits.releases import analysis_template, blue_green, routed_canary
from tests.kits.rollout_world import NAMESPACE, RolloutWorld

pytestmark = pytest.mark.asyncio

_ANALYSIS: Object = {"templates": [{"templateName": "rate"}]}
_HALF_AND_HALF: Object = {
    "duration": "1m",
    "templates": [
        {"name": "baseline", "specRef": "stable", "weight": 10, "metadata": {"labels": {"run": "baseline"}}},
        {"name": "candidate", "specRef": "canary", "weight": 10, "metadata": {"annotations": {"a": "b"}}},
    ],
    "analyses": [{"name": "rate", "templateName": "rate", "args": [{"name": "service", "value": "demo"}]}],
}


async def _releasing(objects: list[Object], *args: str) -> RolloutWorld:
    world = RolloutWorld()
    await world.apply([*objects, analysis_template("rate", *args)])
    await world.live(3)
    await world.set_image("demo:v2")
    await world.live(3)
    return world


def _only(world: RolloutWorld, kind: Kind) -> Object:
    (obj,) = world.api.store.objects(kind)
    return obj


async def _end(world: RolloutWorld, obj: Object, kind: Kind, phase: str, message: str = "", **status: object) -> None:
    await world.api.patch(kind, key_of(obj), {"status": {"phase": phase, "message": message, **status}})
    await world.live(3)


async def _resume(world: RolloutWorld) -> None:
    await world.patch_status({"pauseConditions": None})
    await world.live(3)


async def test_an_analysis_step_is_passed_when_its_run_succeeds() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS}, {"pause": {}}]))
    run = _only(world, ANALYSIS_RUN)
    pod_hash = world.rollout.status.current_pod_hash
    assert run["metadata"]["name"] == f"demo-{pod_hash}-2-1"
    assert run["metadata"]["labels"]["rollout-type"] == "Step"
    assert world.rollout.status.current_step_index == 1

    await _end(world, run, ANALYSIS_RUN, "Running")
    assert world.rollout.status.current_step_index == 1
    await _end(world, run, ANALYSIS_RUN, "Successful")
    assert world.rollout.status.current_step_index == 2


async def test_a_failed_run_aborts_and_says_why() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS}]))
    await _end(world, _only(world, ANALYSIS_RUN), ANALYSIS_RUN, "Failed", "too many 5xx")

    status = world.rollout.status
    assert status.abort
    assert status.message == (
        "RolloutAborted: Rollout aborted update to revision 2: Step-based analysis phase error/failed: too many 5xx"
    )
    assert world.weights("demo")["demo-canary"] == 0
    assert any(event.startswith("Warning AnalysisRunFailed Step Analysis Run") for event in world.told.events)


async def test_an_inconclusive_run_pauses_and_resuming_measures_again() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS}, {"pause": {}}]))
    first = _only(world, ANALYSIS_RUN)
    await _end(world, first, ANALYSIS_RUN, "Inconclusive")
    assert world.rollout.status.message == "InconclusiveAnalysisRun"

    await _resume(world)
    second = world.api.store.get(ANALYSIS_RUN, Key(NAMESPACE, f"{first['metadata']['name']}.1"))
    assert second is not None
    await _end(world, second, ANALYSIS_RUN, "Successful")
    assert world.rollout.status.current_step_index == 2


async def test_a_background_analysis_waits_for_its_step_lasts_and_ends_with_the_release() -> None:
    steps: list[Object] = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
    world = await _releasing(routed_canary(steps, analysis=_ANALYSIS | {"startingStep": 2}))
    assert not list(world.api.store.objects(ANALYSIS_RUN))

    await _resume(world)
    run = _only(world, ANALYSIS_RUN)
    assert run["metadata"]["labels"]["rollout-type"] == "Background"
    await _end(world, run, ANALYSIS_RUN, "Running")

    await _resume(world)
    assert world.rollout.status.phase == "Healthy"
    assert _only(world, ANALYSIS_RUN)["spec"]["terminate"]


async def test_a_new_version_ends_the_run_of_the_one_before_and_starts_its_own() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS}]))
    first = _only(world, ANALYSIS_RUN)
    await world.set_image("demo:v3")
    await world.live(3)

    runs = {obj["metadata"]["name"]: obj for obj in world.api.store.objects(ANALYSIS_RUN)}
    assert runs.pop(first["metadata"]["name"])["spec"]["terminate"]
    (own,) = runs.values()
    assert own["metadata"]["labels"]["rollouts-pod-template-hash"] == world.rollout.status.current_pod_hash


async def test_arguments_are_values_versions_and_fields_of_the_rollout() -> None:
    args: list[Object] = [
        {"name": "value", "value": "v"},
        {"name": "latest", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "label", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team/name']"}}},
        {"name": "image", "valueFrom": {"fieldRef": {"fieldPath": "spec.template.spec.containers[0].image"}}},
        {"name": "replicas", "valueFrom": {"fieldRef": {"fieldPath": "spec.replicas"}}},
    ]
    objects = routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS | {"args": args}}])
    objects[0]["metadata"]["labels"] = {"team/name": "blue"}
    world = await _releasing(objects, *(arg["name"] for arg in args))

    given = {arg["name"]: arg.get("value", "") for arg in _only(world, ANALYSIS_RUN)["spec"]["args"]}
    status = world.rollout.status
    assert given == {
        "service": "demo",
        "value": "v",
        "latest": status.current_pod_hash,
        "stable": status.stable_rs,
        "label": "blue",
        "image": "demo:v2",
        "replicas": "5",
    }


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("spec.template.spec.containers[7].image", "index 7 out of range"),
        ("spec.template.spec.containers[x].image", "invalid index 'x'"),
        ("spec.template", "path spec.template in rollout must terminate in a primitive value"),
        ("status.nothing", "invalid path status.nothing in rollout"),
    ],
)
async def test_an_argument_that_cannot_be_found_is_tried_again_and_said(path: str, complaint: str) -> None:
    args = [{"name": "one", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS | {"args": args}}]))

    assert await world.reconcile() == complaint
    assert not list(world.api.store.objects(ANALYSIS_RUN))


async def test_only_so_many_ended_runs_are_kept() -> None:
    limits = {"successfulRunHistoryLimit": 1, "unsuccessfulRunHistoryLimit": 0}
    steps: list[Object] = [{"analysis": _ANALYSIS}, {"analysis": _ANALYSIS}, {"analysis": _ANALYSIS}, {"pause": {}}]
    world = await _releasing(routed_canary(steps, spec={"analysis": limits}))
    for _ in range(3):
        current = world.rollout.status.canary.current_step_analysis_run_status
        assert current is not None
        run = await world.api.get(ANALYSIS_RUN, Key(NAMESPACE, current.name))
        await _end(world, run, ANALYSIS_RUN, "Successful")

    assert world.rollout.status.current_step_index == 3
    assert len(list(world.api.store.objects(ANALYSIS_RUN))) == 1


async def test_blue_green_switches_only_after_the_analysis_before_it() -> None:
    world = await _releasing(blue_green(prePromotionAnalysis=_ANALYSIS, postPromotionAnalysis=_ANALYSIS))
    pre = _only(world, ANALYSIS_RUN)
    assert pre["metadata"]["labels"]["rollout-type"] == "PrePromotion"
    assert (world.selected("demo-active"), world.selected("demo-preview")) == ("demo:v1", "demo:v2")

    await _end(world, pre, ANALYSIS_RUN, "Successful")
    assert world.selected("demo-active") == "demo:v2"
    post = next(obj for obj in world.api.store.objects(ANALYSIS_RUN) if obj["metadata"]["name"].endswith("post"))

    await _end(world, post, ANALYSIS_RUN, "Failed")
    assert world.selected("demo-active") == "demo:v1"
    assert world.rollout.status.abort


async def test_an_experiment_step_runs_both_versions_and_sends_them_their_share() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"experiment": _HALF_AND_HALF}, {"pause": {}}]))
    experiment = _only(world, EXPERIMENT)
    status = world.rollout.status
    assert experiment["metadata"]["name"] == f"demo-{status.current_pod_hash}-2-1" == status.canary.current_experiment
    assert f"Normal ExperimentCreated Created Experiment '{experiment['metadata']['name']}'" in world.told.events
    baseline, candidate = experiment["spec"]["templates"]
    assert baseline["template"]["metadata"]["labels"]["run"] == baseline["selector"]["matchLabels"]["run"] == "baseline"
    assert candidate["template"]["spec"]["containers"][0]["image"] == "demo:v2"
    assert candidate["template"]["metadata"]["annotations"] == {"a": "b"}
    assert baseline["service"] == candidate["service"] == {}
    (analysis,) = experiment["spec"]["analyses"]
    assert analysis["args"] == [{"name": "service", "value": "demo"}]

    pods = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    running = [
        {"name": name, "serviceName": f"demo-{name}", "podTemplateHash": name, "status": "Running", **pods}
        for name in ("baseline", "candidate")
    ]
    await _end(world, experiment, EXPERIMENT, "Running", templateStatuses=running)
    assert world.weights("demo") == {"demo-stable": 60, "demo-canary": 20, "demo-baseline": 10, "demo-candidate": 10}

    await _end(world, experiment, EXPERIMENT, "Successful")
    assert world.rollout.status.current_step_index == 2
    assert world.weights("demo") == {"demo-stable": 80, "demo-canary": 20}


async def test_a_failed_experiment_aborts() -> None:
    world = await _releasing(routed_canary([{"experiment": _HALF_AND_HALF}]))
    await _end(world, _only(world, EXPERIMENT), EXPERIMENT, "Failed", "candidate is slow")

    assert world.rollout.status.message.endswith("Experiment analysis phase is error/failed: candidate is slow")


async def test_an_inconclusive_experiment_pauses() -> None:
    world = await _releasing(routed_canary([{"experiment": _HALF_AND_HALF}]))
    await _end(world, _only(world, EXPERIMENT), EXPERIMENT, "Inconclusive")

    assert world.rollout.status.message == "InconclusiveExperiment"


@pytest.mark.parametrize("status", [{"abort": True}, {"promoteFull": True}], ids=["abort", "promote full"])
async def test_an_experiment_ends_when_its_step_is_left(status: Object) -> None:
    world = await _releasing(routed_canary([{"experiment": _HALF_AND_HALF}, {"pause": {}}]))
    await world.patch_status(status)
    await world.live(3)

    assert _only(world, EXPERIMENT)["spec"]["terminate"]


async def test_a_new_version_ends_the_experiment_of_the_one_before() -> None:
    world = await _releasing(routed_canary([{"experiment": _HALF_AND_HALF}, {"pause": {}}]))
    first = _only(world, EXPERIMENT)["metadata"]["name"]
    await world.set_image("demo:v3")
    await world.live(3)

    terminated = {
        obj["metadata"]["name"]: bool(obj["spec"].get("terminate")) for obj in world.api.store.objects(EXPERIMENT)
    }
    second = world.rollout.status.canary.current_experiment
    assert terminated == {first: True, second: False}


async def test_without_its_template_nothing_is_measured_and_nothing_moves() -> None:
    world = await _releasing(routed_canary([{"setWeight": 20}, {"analysis": _ANALYSIS}]))
    await world.api.delete(ANALYSIS_TEMPLATE, Key(NAMESPACE, "rate"))
    await world.live(3)

    assert world.rollout.status.phase == "Degraded"
    assert "AnalysisTemplate 'rate' not found" in world.rollout.status.message
