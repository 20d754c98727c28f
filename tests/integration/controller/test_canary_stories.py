"""What a canary does, told from outside: weights, pods, Services, events."""

import pytest

from controller.rollout.rules import ArgoVersion, Rules
from meshsim.api.decode import Object
from meshsim.api.kinds import EXPERIMENT, REPLICA_SET
from meshsim.api.meta import key_of
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION
from tests.kits.releases import plain_canary, routed_canary, subset_canary
from tests.kits.rollout_world import RolloutWorld, image_of

pytestmark = pytest.mark.asyncio

_STEPS: list[Object] = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]


async def deployed(objects: list[Object], rules: Rules | None = None) -> RolloutWorld:
    world = RolloutWorld(rules)
    await world.apply(objects)
    await world.live(3)
    world.told.events.clear()
    return world


async def releasing(objects: list[Object], *, seconds: float = 3, rules: Rules | None = None) -> RolloutWorld:
    world = await deployed(objects, rules)
    await world.set_image("demo:v2")
    await world.live(seconds)
    return world


async def resume(world: RolloutWorld) -> None:
    await world.patch_status({"pauseConditions": None})
    await world.live(3)


async def test_the_first_version_is_deployed_without_steps() -> None:
    world = await deployed(routed_canary(_STEPS))

    status = world.rollout.status
    assert (status.phase, status.current_step_index, world.sizes()) == ("Healthy", 4, {"demo:v1": 5})
    assert world.weights("demo") == {"demo-stable": 100, "demo-canary": 0}
    assert world.selected("demo-stable") == world.selected("demo-canary") == "demo:v1"


async def test_weight_follows_the_pods_step_by_step_until_the_services_have_moved() -> None:
    world = await releasing(routed_canary(_STEPS))
    assert (world.weights("demo")["demo-canary"], world.sizes()) == (20, {"demo:v1": 5, "demo:v2": 1})
    assert (world.rollout.status.phase, world.rollout.status.message) == ("Paused", "CanaryPauseStep")

    await resume(world)
    assert (world.weights("demo")["demo-canary"], world.sizes()) == (60, {"demo:v1": 5, "demo:v2": 3})

    await resume(world)
    assert world.weights("demo") == {"demo-stable": 100, "demo-canary": 0}
    assert world.selected("demo-stable") == "demo:v2"
    assert world.rollout.status.phase == "Healthy"

    await world.live(31)
    assert world.sizes() == {"demo:v2": 5}


async def test_stable_shrinks_one_reconcile_behind_its_traffic() -> None:
    world = await releasing(routed_canary(_STEPS, dynamicStableScale=True, replicas=10))

    assert (world.weights("demo")["demo-canary"], world.sizes()) == (20, {"demo:v1": 8, "demo:v2": 2})


async def test_an_abort_with_a_shrunken_stable_goes_back_down_the_steps() -> None:
    world = await releasing(routed_canary(_STEPS, dynamicStableScale=True, replicas=10))
    await resume(world)
    assert world.weights("demo")["demo-canary"] == 60

    world.told.events.clear()
    await world.patch_status({"abort": True})
    await world.live(10)

    moved = [event for event in world.told.events if "TrafficWeightUpdated" in event]
    assert [event.rpartition(" from ")[2] for event in moved] == ["60 to 20", "20 to 0"]
    assert world.sizes() == {"demo:v1": 10}
    assert world.selected("demo-canary") == "demo:v1"


async def test_a_third_version_during_the_second_takes_traffic_from_it_first() -> None:
    world = await releasing(routed_canary(_STEPS))
    await world.set_image("demo:v3")
    await world.settle()

    assert world.weights("demo")["demo-canary"] == 0
    assert world.selected("demo-canary") == "demo:v2"

    await world.live(3)
    assert (world.weights("demo")["demo-canary"], world.selected("demo-canary")) == (20, "demo:v3")
    assert world.sizes() == {"demo:v1": 5, "demo:v3": 1}


async def test_editing_the_steps_mid_way_drops_the_weight_until_the_new_first_step_is_done() -> None:
    world = await releasing(routed_canary(_STEPS))
    world.told.events.clear()

    await world.patch_spec({"strategy": {"canary": {"steps": [{"setWeight": 30}, {"pause": {}}]}}})
    await world.live(3)

    moved = [event.rpartition(" from ")[2] for event in world.told.events if "TrafficWeightUpdated" in event]
    assert moved == ["20 to 0", "0 to 30"]


async def test_going_back_within_the_rollback_window_skips_the_steps() -> None:
    world = await releasing(routed_canary(_STEPS, spec={"rollbackWindow": {"revisions": 1}}))
    await world.patch_status({"promoteFull": True})
    await world.live(40)
    assert world.sizes() == {"demo:v2": 5}

    await world.set_image("demo:v1")
    await world.live(3)

    assert world.rollout.status.phase == "Healthy"
    assert any("Rollback within window" in event for event in world.told.events)


async def test_a_stable_that_lost_its_pods_blocks_even_the_way_down() -> None:
    world = await releasing(routed_canary(_STEPS))
    world.caps["demo:v1"] = 1
    await world.step_pods()
    await world.patch_status({"abort": True})
    await world.live(2)

    assert world.weights("demo")["demo-canary"] == 20
    assert world.selected("demo-canary") == "demo:v1"


async def test_a_deadline_missed_aborts_when_asked_to() -> None:
    spec: Object = {"progressDeadlineSeconds": 5, "progressDeadlineAbort": True}
    world = await deployed(routed_canary([{"setWeight": 20}], spec=spec))
    world.ready_after_s = {"demo:v2": -1, "*": 1}
    await world.set_image("demo:v2")
    await world.live(20)

    status = world.rollout.status
    assert status.abort
    assert status.message.startswith("RolloutAborted: Rollout aborted update to revision 2: ReplicaSet ")
    assert len([event for event in world.told.events if event.startswith("Warning RolloutAborted")]) == 2


async def test_ping_and_pong_take_turns_without_a_change_of_weight_at_promotion() -> None:
    objects = routed_canary([{"setWeight": 50}, {"pause": {}}], pingPong={"pingService": "ping", "pongService": "pong"})
    canary = objects[0]["spec"]["strategy"]["canary"]
    del canary["canaryService"], canary["stableService"]
    for name, service in zip(("ping", "pong"), objects[1:3], strict=True):
        service["metadata"]["name"] = name
    for name, item in zip(("ping", "pong"), objects[3]["spec"]["http"][0]["route"], strict=True):
        item["destination"]["host"] = name
    world = await deployed(objects)
    assert world.rollout.status.canary.stable_ping_pong == "ping"
    assert (world.selected("ping"), world.weights("demo")) == ("demo:v1", {"ping": 100, "pong": 0})

    await world.set_image("demo:v2")
    await world.live(3)
    assert (world.selected("pong"), world.weights("demo")) == ("demo:v2", {"ping": 50, "pong": 50})

    await resume(world)
    assert world.rollout.status.canary.stable_ping_pong == "pong"
    assert (world.selected("pong"), world.weights("demo")) == ("demo:v2", {"ping": 0, "pong": 100})


async def test_subsets_follow_the_versions_and_every_reconcile_waits_for_their_pods() -> None:
    world = await deployed(subset_canary(_STEPS))
    await world.set_image("demo:v2")
    for _ in range(3):
        await world.reconcile()
    await world.step_pods()
    error = await world.reconcile()
    assert error.startswith("delaying destination rule switch: ReplicaSet demo-")

    await world.live(3)
    assert world.weights("demo") == {"demostable": 80, "democanary": 20}


async def test_a_plain_canary_approximates_the_weight_with_its_pods() -> None:
    world = await releasing(plain_canary([{"setWeight": 40}, {"pause": {}}], maxSurge=1, maxUnavailable=0), seconds=6)
    assert world.sizes() == {"demo:v1": 3, "demo:v2": 2}

    await world.patch_status({"abort": True})
    await world.live(8)
    assert world.sizes() == {"demo:v1": 5}


async def test_promoting_in_full_moves_the_services_not_the_weight() -> None:
    world = await releasing(routed_canary(_STEPS))
    world.told.events.clear()

    await world.patch_status({"promoteFull": True})
    await world.live(3)

    moved = [event.rpartition(" from ")[2] for event in world.told.events if "TrafficWeightUpdated" in event]
    assert moved == ["20 to 0"]
    assert world.selected("demo-stable") == "demo:v2"


@pytest.mark.parametrize(
    ("version", "weights"),
    [(ArgoVersion.V1_1, ["20 to 100"]), (ArgoVersion.V1_2, []), (ArgoVersion.V1_10, [])],
    ids=str,
)
async def test_old_argo_sends_everything_to_pods_that_are_not_ready_when_it_promotes_in_full(
    version: ArgoVersion, weights: list[str]
) -> None:
    world = await releasing(routed_canary(_STEPS), rules=Rules(argo_version=version))
    world.caps["demo:v2"] = 1
    world.told.events.clear()

    await world.patch_status({"promoteFull": True})
    await world.live(2)

    moved = [event.rpartition(" from ")[2] for event in world.told.events if "TrafficWeightUpdated" in event]
    assert moved == weights
    warned = [event for event in world.told.events if "MeshsimHazard" in event]
    assert bool(warned) == (version == ArgoVersion.V1_1)


@pytest.mark.parametrize("version", [ArgoVersion.V1_2, ArgoVersion.V1_10], ids=str)
async def test_with_a_shrinking_stable_a_full_promotion_follows_the_available_pods(version: ArgoVersion) -> None:
    world = await releasing(
        routed_canary(_STEPS, dynamicStableScale=True, replicas=10), rules=Rules(argo_version=version)
    )
    world.caps["demo:v2"] = 5
    await world.patch_status({"promoteFull": True})
    await world.live(3)

    assert world.weights("demo")["demo-canary"] == 50


async def test_match_traffic_weight_wins_over_replicas_in_the_same_step_be_it_more_or_fewer_pods() -> None:
    for replicas, pods in ((1, 3), (5, 3)):
        scale = {"setCanaryScale": {"replicas": replicas, "matchTrafficWeight": True}}
        world = await releasing(routed_canary([{"setWeight": 60}, scale, {"pause": {}}]))
        assert world.sizes() == {"demo:v1": 5, "demo:v2": pods}


async def test_an_explicit_number_of_canary_pods_leaves_a_shrinking_stable_whole() -> None:
    scale = {"setCanaryScale": {"replicas": 4}}
    world = await releasing(routed_canary([scale, {"setWeight": 60}, {"pause": {}}], dynamicStableScale=True))

    assert (world.weights("demo")["demo-canary"], world.sizes()) == (60, {"demo:v1": 5, "demo:v2": 4})


async def test_undoing_goes_back_to_the_version_itself_though_its_template_was_copied_with_defaults() -> None:
    world = await releasing(routed_canary(_STEPS, dynamicStableScale=True, replicas=10))
    (stable,) = (obj for obj in world.api.store.objects(REPLICA_SET) if image_of(obj) == "demo:v1")
    template = stable["spec"]["template"]
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name != HASH_LABEL}

    await world.patch_spec({"template": template | {"metadata": {"labels": labels}}})
    await world.live(40)

    assert world.raw["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert len(list(world.api.store.objects(REPLICA_SET))) == 2
    assert (world.rollout.status.phase, world.sizes()) == ("Healthy", {"demo:v1": 10})
    assert world.rollout.metadata.annotations[REVISION_ANNOTATION] == "3"


async def test_a_quantity_that_is_none_is_done_without_and_taken_out_of_the_rollout() -> None:
    rollout = routed_canary(_STEPS)
    resources = {"requests": {"memory": "invalid"}}
    rollout[0]["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    world = await deployed(rollout)

    assert world.rollout.status.phase == "Healthy"
    specs = [obj["spec"]["template"]["spec"] for obj in (world.raw, *world.api.store.objects(REPLICA_SET))]
    assert [spec["containers"][0]["resources"] for spec in specs] == [{}, {}]


@pytest.mark.parametrize(
    ("service_port", "gateways", "is_warned"), [(80, None, True), (9080, None, False), (80, ["shop-gateway"], False)]
)
async def test_an_experiment_whose_service_has_another_port_than_the_rollouts_is_warned_of_once(
    service_port: int, gateways: list[str] | None, is_warned: bool
) -> None:
    step = {"experiment": {"templates": [{"name": "try", "specRef": "canary", "weight": 10}]}}
    objects = routed_canary([step, {"pause": {}}])
    for obj in objects:
        if obj["kind"] == "Service":
            obj["spec"]["ports"] = [{"port": service_port}]
        elif obj["kind"] == "VirtualService" and gateways:
            obj["spec"]["gateways"] = gateways
        elif obj["kind"] == "Rollout":
            obj["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 9080}]
    world = await releasing(objects)
    (experiment,) = world.api.store.objects(EXPERIMENT)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    template = {"name": "try", "serviceName": "demo-try", **counts}
    status = {"phase": "Running", "templateStatuses": [template]}
    await world.api.patch(EXPERIMENT, key_of(experiment), {"status": status})
    await world.live(3)

    assert world.weights("demo")["demo-try"] == 10
    warned = [event for event in world.told.events if "MeshsimHazard" in event]
    assert len(warned) == is_warned
    assert all("10 % of the requests to VirtualService demo are answered 503 NC" in event for event in warned)
