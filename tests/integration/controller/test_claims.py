"""Whose ReplicaSets are whose."""

import pytest

from controller.rollout.references import controller_uid
from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, DEPLOYMENT, REPLICA_SET, ROLLOUT
from meshsim.api.meta import Key
from tests.kits.releases import plain_canary
from tests.kits.rollout_world import NAMESPACE, RolloutWorld, living, replica_set

pytestmark = pytest.mark.asyncio


async def relabel(world: RolloutWorld, label: str) -> None:
    template = {"metadata": {"labels": {"app": label}}}
    await world.patch_spec({"selector": {"matchLabels": {"app": label}}, "template": template})


async def test_a_replica_set_that_the_selector_no_longer_matches_is_let_go_with_its_pods_and_taken_back() -> None:
    world = await living(plain_canary([]))
    uid, first = world.rollout.metadata.uid, replica_set(world, "demo:v1")

    await relabel(world, "other")
    await world.live(10)

    by_label = {obj["metadata"]["labels"]["app"]: obj for obj in world.api.store.objects(REPLICA_SET)}
    assert controller_uid(by_label["demo"]) == ""
    assert by_label["demo"]["spec"]["replicas"] == first["spec"]["replicas"]
    assert controller_uid(by_label["other"]) == uid
    assert world.rollout.status.replicas == first["spec"]["replicas"]

    await relabel(world, "demo")
    await world.live(10)

    by_label = {obj["metadata"]["labels"]["app"]: obj for obj in world.api.store.objects(REPLICA_SET)}
    assert [controller_uid(by_label[label]) for label in ("demo", "other")] == [uid, ""]
    assert world.rollout.status.phase == "Healthy"


async def test_one_that_belongs_to_somebody_else_is_left_to_them() -> None:
    world = await living(plain_canary([]))
    somebody = await world.api.create(CONFIG_MAP, {"metadata": {"name": "somebody", "namespace": NAMESPACE}})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "somebody", "controller": True}
    theirs = [owner | {"uid": somebody["metadata"]["uid"]}]
    mine = replica_set(world, "demo:v1")
    stranger = mine | {"metadata": {"name": "stranger", "namespace": NAMESPACE, "labels": {"app": "demo"}}}
    stranger["metadata"]["ownerReferences"] = theirs
    await world.api.create(REPLICA_SET, stranger)

    await world.live(5)

    kept = await world.api.get(REPLICA_SET, Key(NAMESPACE, "stranger"))
    assert kept["metadata"]["ownerReferences"] == theirs


async def test_without_the_workload_that_has_the_selector_everything_is_let_go_until_it_is_back() -> None:
    (rollout,) = plain_canary([])
    template, selector = rollout["spec"].pop("template"), rollout["spec"].pop("selector")
    rollout["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo"}
    deployment: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "demo", "namespace": NAMESPACE},
        "spec": {"replicas": 0, "selector": selector, "template": template},
    }
    world = await living([deployment, rollout])
    uid = world.rollout.metadata.uid
    assert controller_uid(replica_set(world, "demo:v1")) == uid

    await world.api.delete(DEPLOYMENT, Key(NAMESPACE, "demo"))
    await world.live(2)
    assert controller_uid(replica_set(world, "demo:v1")) == ""
    assert world.rollout.status.phase == "Degraded"

    await world.api.create(DEPLOYMENT, deployment)
    await world.live(25)
    assert controller_uid(replica_set(world, "demo:v1")) == uid
    assert world.rollout.status.phase == "Healthy"


async def test_a_selector_with_an_unknown_operator_stops_the_reconcile_before_anything_is_judged() -> None:
    world = await living(plain_canary([]))
    wrong = {"matchLabels": None, "matchExpressions": [{"key": "app", "operator": "Is", "values": ["demo"]}]}
    await world.api.patch(ROLLOUT, world.key, {"spec": {"selector": wrong}})

    error = await world.reconcile()

    assert error == f"rollout {NAMESPACE}/demo has invalid label selector"
    assert world.rollout.status.phase == "Healthy"
    assert controller_uid(replica_set(world, "demo:v1")) == world.rollout.metadata.uid
