"""What a rollout keeps in order besides the release itself."""

import pytest

from controller.rollout.conditions import find
from controller.rollout.rules import Rules
from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, POD, POD_TEMPLATE, REPLICA_SET, ROLLOUT, Kind
from meshsim.api.meta import Key
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION, WORKLOAD_GENERATION_ANNOTATION
from meshsim.client.api import InvalidError
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.api import InProcessApi
from tests.kits.releases import blue_green, plain_canary, routed_canary
from tests.kits.rollout_pods import pod_of
from tests.kits.rollout_world import NAMESPACE, RolloutWorld, image_of, living, replica_set

pytestmark = pytest.mark.asyncio


async def test_a_version_that_comes_back_gets_the_next_revision_and_remembers_its_former_ones() -> None:
    world = await living(plain_canary([]))
    for image in ("demo:v2", "demo:v1"):
        await world.set_image(image)
        await world.live(10)

    annotations = replica_set(world, "demo:v1")["metadata"]["annotations"]
    assert annotations[REVISION_ANNOTATION] == "3"
    assert annotations["rollout.argoproj.io/revision-history"] == "1"


async def test_old_versions_beyond_the_history_limit_are_deleted() -> None:
    objects = plain_canary([])
    objects[0]["spec"]["revisionHistoryLimit"] = 1
    world = await living(objects)
    for version in range(2, 6):
        await world.set_image(f"demo:v{version}")
        await world.live(10)

    images = {image_of(obj) for obj in world.api.store.objects(REPLICA_SET)}
    assert images == {"demo:v4", "demo:v5"}


async def test_a_replica_set_of_somebody_else_with_the_same_name_is_a_collision_and_gets_another_hash() -> None:
    first = await living(plain_canary([]))
    taken = replica_set(first, "demo:v1")
    world = RolloutWorld()
    stranger: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": taken["metadata"]["name"]},
        "spec": {"replicas": 0, "selector": taken["spec"]["selector"], "template": taken["spec"]["template"]},
    }
    await world.apply([stranger, *plain_canary([])])
    await world.live(3)

    assert world.rollout.status.collision_count == 1
    assert world.rollout.status.phase == "Healthy"
    assert world.rollout.status.stable_rs != taken["metadata"]["labels"][HASH_LABEL]


async def test_pods_carry_the_metadata_of_their_role_only_while_they_have_it() -> None:
    roles: Object = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}}
    world = await living(routed_canary([{"setWeight": 20}, {"pause": {}}], **roles))
    await world.set_image("demo:v2")
    await world.live(3)

    def role(image: str) -> str | None:
        labels: dict[str, str] = replica_set(world, image)["spec"]["template"]["metadata"]["labels"]
        return labels.get("role")

    assert (role("demo:v1"), role("demo:v2")) == ("stable", "canary")

    await world.patch_status({"pauseConditions": None})
    await world.live(40)
    assert (role("demo:v1"), role("demo:v2")) == (None, "stable")


async def test_living_pods_get_the_metadata_too_and_keep_what_somebody_else_wrote() -> None:
    roles: Object = {"canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"labels": {"role": "stable"}}}
    world = await living(routed_canary([{"setWeight": 20}, {"pause": {}}], **roles))
    await world.set_image("demo:v2")
    await world.live(3)
    for name in ("ours", "theirs"):
        await world.api.create(POD, pod_of(replica_set(world, "demo:v2"), name, to_rfc3339(world.clock.now())))

    await world.patch_spec({"strategy": {"canary": {"canaryMetadata": {"labels": {"tier": "probe"}}}}})
    await world.live(3)
    ours = (await world.api.get(POD, Key(NAMESPACE, "ours")))["metadata"]
    assert (ours["labels"]["role"], ours["labels"]["tier"]) == ("canary", "probe")

    await world.api.patch(POD, Key(NAMESPACE, "theirs"), {"metadata": {"labels": {"role": "special"}}})
    await world.patch_spec({"strategy": {"canary": {"canaryMetadata": {"labels": None}}}})
    await world.live(3)
    ours, theirs = [(await world.api.get(POD, Key(NAMESPACE, name)))["metadata"] for name in ("ours", "theirs")]
    assert "role" not in ours["labels"]
    assert "tier" not in ours["labels"]
    assert theirs["labels"]["role"] == "special"


async def test_a_new_version_keeps_away_from_the_nodes_of_the_stable_one() -> None:
    world = await living(
        plain_canary(
            [{"setWeight": 20}, {"pause": {}}],
            antiAffinity={"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 7}},
        )
    )
    assert "affinity" not in replica_set(world, "demo:v1")["spec"]["template"]["spec"]
    await world.set_image("demo:v2")
    await world.live(3)

    affinity = replica_set(world, "demo:v2")["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    (rule,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    (line,) = rule["podAffinityTerm"]["labelSelector"]["matchExpressions"]
    assert (rule["weight"], line["values"]) == (7, [world.rollout.status.stable_rs])


async def test_a_version_that_is_used_again_keeps_away_from_the_nodes_of_the_stable_one_too() -> None:
    world = await living(plain_canary([], antiAffinity={"requiredDuringSchedulingIgnoredDuringExecution": {}}))
    await world.set_image("demo:v2")
    await world.live(10)
    await world.set_image("demo:v1")
    await world.settle()

    affinity = replica_set(world, "demo:v1")["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    ((rule,),) = affinity.values()
    v2 = replica_set(world, "demo:v2")["metadata"]["labels"][HASH_LABEL]
    assert [line["values"] for line in rule["labelSelector"]["matchExpressions"]] == [[v2]]


def _of_a_deployment(scale_down: str) -> list[Object]:
    (rollout,) = plain_canary([])
    template, selector = rollout["spec"].pop("template"), rollout["spec"].pop("selector")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo", "scaleDown": scale_down}
    rollout["spec"]["workloadRef"] = reference
    deployment: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo"},
        "spec": {"replicas": 5, "selector": selector, "template": template},
    }
    return [deployment, rollout]


async def test_the_template_of_a_deployment_is_released_and_the_deployment_gives_way() -> None:
    world = await living(_of_a_deployment("onsuccess"))

    assert (world.rollout.status.phase, world.sizes()) == ("Healthy", {"demo:v1": 5})
    workload = await world.api.get(DEPLOYMENT, Key(NAMESPACE, "demo"))
    assert workload["spec"]["replicas"] == 0
    generation = str(workload["metadata"]["generation"])
    assert world.raw["metadata"]["annotations"][WORKLOAD_GENERATION_ANNOTATION] == generation
    assert world.rollout.status.workload_observed_generation == generation


async def test_the_template_of_a_pod_template_is_released_with_the_selector_of_the_rollout() -> None:
    (rollout,) = plain_canary([])
    template = rollout["spec"].pop("template")
    rollout["spec"]["workloadRef"] = {"apiVersion": "v1", "kind": "PodTemplate", "name": "demo"}
    pods: Object = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "demo"}, "template": template}
    world = await living([pods, rollout])
    assert (world.rollout.status.phase, world.sizes()) == ("Healthy", {"demo:v1": 5})
    assert world.rollout.status.workload_observed_generation == "1"

    containers = [{**template["spec"]["containers"][0], "image": "demo:v2"}]
    await world.api.patch(POD_TEMPLATE, world.key, {"template": {"spec": {"containers": containers}}})
    await world.live(10)

    assert (world.rollout.status.phase, world.sizes()) == ("Healthy", {"demo:v2": 5})
    assert world.rollout.status.workload_observed_generation == "2"


async def test_the_template_of_a_replica_set_is_released_and_that_stays_as_it_is() -> None:
    (rollout,) = plain_canary([])
    template, selector = rollout["spec"].pop("template"), rollout["spec"].pop("selector")
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "old"}
    spec = {"replicas": 2, "selector": selector, "template": template}
    old: Object = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "old"}, "spec": spec}

    world = await living([old, rollout])

    assert world.rollout.status.phase == "Healthy"
    assert (await world.api.get(REPLICA_SET, Key(NAMESPACE, "old")))["spec"]["replicas"] == 2


@pytest.mark.parametrize(("scale_down", "left"), [("never", 5), ("progressively", 2)])
async def test_a_deployment_gives_way_as_asked(scale_down: str, left: int) -> None:
    world = RolloutWorld()
    world.caps["demo:v1"] = 3
    await world.apply(_of_a_deployment(scale_down))
    await world.live(3)
    assert (await world.api.get(DEPLOYMENT, Key(NAMESPACE, "demo")))["spec"]["replicas"] == left

    world.caps.clear()
    await world.live(3)
    assert world.rollout.status.phase == "Healthy"
    left = 0 if scale_down == "progressively" else 5
    assert (await world.api.get(DEPLOYMENT, Key(NAMESPACE, "demo")))["spec"]["replicas"] == left


async def test_a_missing_workload_is_an_invalid_spec_that_is_looked_at_again() -> None:
    (rollout,) = plain_canary([])
    del rollout["spec"]["template"], rollout["spec"]["selector"]
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "absent"}
    world = RolloutWorld()
    await world.apply([rollout])
    await world.reconcile()

    status = world.rollout.status
    assert status.phase == "Degraded"
    assert status.message == 'InvalidSpec: The Rollout "demo" is invalid: deployments.apps "default/absent" not found'
    assert world.wake_at == world.clock.now() + 20


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (
            {"template": {"metadata": {"labels": {"app": "demo"}}}},
            "template must be empty for workload reference rollout",
        ),
        (
            {"workloadRef": {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "demo"}},
            "workload of type apps/DaemonSet is not supported",
        ),
    ],
)
async def test_a_workload_that_cannot_be_taken_is_an_invalid_spec(spec: Object, fault: str) -> None:
    deployment, rollout = _of_a_deployment("never")
    rollout["spec"].update(spec)
    world = RolloutWorld()
    await world.apply([deployment, rollout])
    await world.reconcile()

    assert world.rollout.status.message == f'InvalidSpec: The Rollout "demo" is invalid: {fault}'


async def test_a_deployment_that_gives_way_is_never_asked_for_fewer_than_no_pods() -> None:
    world = await living(_of_a_deployment("progressively"))
    await world.api.patch(DEPLOYMENT, world.key, {"spec": {"replicas": 1}})
    await world.patch_status({"phase": "Progressing", "readyReplicas": 5})
    await world.patch_spec({"replicas": 3})

    await world.reconcile()

    assert world.rollout.status.ready_replicas == 5
    deployment = world.api.store.get(DEPLOYMENT, world.key) or {}
    assert deployment["spec"]["replicas"] == 0


async def test_what_is_not_emulated_is_refused_by_name() -> None:
    world = RolloutWorld()
    await world.apply(plain_canary([{"plugin": {"name": "somebody/else"}}]))
    error = await world.reconcile()

    assert error == "spec.strategy.canary.steps[0].plugin: Internal error: step plugins are not emulated"
    assert world.rollout.status.message == f'InvalidSpec: The Rollout "demo" is invalid: {error}'


async def test_a_rollout_whose_service_comes_later_heals() -> None:
    objects = routed_canary([{"setWeight": 20}])
    world = RolloutWorld()
    await world.apply([objects[0], *objects[2:]])
    await world.reconcile()
    assert 'service "demo-stable" not found' in world.rollout.status.message

    await world.apply([objects[1]])
    await world.live(3)
    assert world.rollout.status.phase == "Healthy"


async def test_a_rollout_without_a_size_gets_one_pod() -> None:
    (rollout,) = plain_canary([])
    del rollout["spec"]["replicas"]
    world = await living([rollout])

    assert (world.rollout.spec.replicas, world.sizes()) == (1, {"demo:v1": 1})


async def test_a_change_of_size_mid_way_scales_without_touching_weight_or_step() -> None:
    world = await living(routed_canary([{"setWeight": 20}, {"pause": {}}]))
    await world.set_image("demo:v2")
    await world.live(3)
    await world.patch_spec({"replicas": 10})
    await world.live(3)

    assert world.sizes() == {"demo:v1": 10, "demo:v2": 2}
    assert (world.rollout.status.current_step_index, world.weights("demo")["demo-canary"]) == (1, 20)


async def test_hazards_are_pointed_out_and_a_rule_turns_that_off() -> None:
    told: list[bool] = []
    for rules in (Rules(), Rules(warns_of_hazards=False)):
        world = await living(blue_green(scaleDownDelaySeconds=0), rules)
        await world.set_image("demo:v2")
        await world.live(3)
        told.append(any("keeps its 3 pods for ever" in event for event in world.told.events))

    assert told == [True, False]


async def test_pods_on_their_way_out_are_not_counted_on_when_others_are_taken_away() -> None:
    steps: list[Object] = [{"setWeight": 50}, {"pause": {}}]
    world = await living(plain_canary(steps, maxUnavailable=1, maxSurge=1, replicas=4))
    await world.set_image("demo:v2")
    await world.live(5)
    world.ready_after_s = {"demo:v1": 0, "demo:v2": 0, "demo:v3": -1}
    await world.set_image("demo:v3")
    await world.reconcile()
    key = Key(NAMESPACE, replica_set(world, "demo:v2")["metadata"]["name"])
    lingering = {"status": {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}}
    await world.api.patch(REPLICA_SET, key, {"spec": {"replicas": 1}})
    await world.api.patch(REPLICA_SET, key, lingering, subresource="status")

    for _ in range(5):
        await world.reconcile()

    assert replica_set(world, "demo:v2")["spec"]["replicas"] == 1


class _Refusing(InProcessApi):
    """Doesn't take ReplicaSets."""

    def __init__(self, world: RolloutWorld) -> None:
        super().__init__(world.clock)
        self.store, self.registry = world.api.store, world.api.registry

    async def create(self, kind: Kind, obj: Object) -> Object:
        if kind == REPLICA_SET:
            raise InvalidError(422, "Invalid", "there is no room")
        return await super().create(kind, obj)


async def test_a_version_whose_replica_set_is_refused_says_so_and_is_tried_again() -> None:
    world = await living(plain_canary([]))
    world.restart_controller(_Refusing(world))
    await world.set_image("demo:v2")

    assert [await world.reconcile() for _ in range(3)] == ["there is no room"] * 3

    progressing = find(world.rollout.status.conditions, "Progressing")
    said = 'Failed to create new replica set "demo-6758dbd44c": there is no room'
    assert progressing is not None
    assert (progressing.status, progressing.reason, progressing.message) == ("False", "ReplicaSetCreateError", said)
    assert world.told.events == [f"Warning ReplicaSetCreateError {said}"] * 3

    world.restart_controller()
    await world.live(3)
    assert world.rollout.status.phase == "Healthy"


async def test_a_rollout_that_is_made_anew_adopts_the_replica_sets_it_left_behind() -> None:
    world = await living(plain_canary([]))
    (left,) = world.api.store.objects(REPLICA_SET)
    await world.api.delete(ROLLOUT, world.key, propagation="Orphan")
    labels = {"app": "other"}
    other: Object = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "other", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": left["spec"]["template"]["spec"]},
        },
    }

    await world.apply([other, *plain_canary([])])
    await world.live(5)

    adopted = replica_set(world, "demo:v1")
    (owner,) = adopted["metadata"]["ownerReferences"]
    assert (adopted["metadata"]["uid"], owner["uid"]) == (left["metadata"]["uid"], world.raw["metadata"]["uid"])
    assert (world.rollout.status.phase, world.rollout.status.collision_count) == ("Healthy", None)
    untouched = world.api.store.get(REPLICA_SET, Key(NAMESPACE, "other")) or {}
    assert "ownerReferences" not in untouched["metadata"]
