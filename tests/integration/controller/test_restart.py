"""`restartAt`: old pods are evicted, and disruption budgets are asked."""

from collections.abc import Sequence

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import POD, POD_DISRUPTION_BUDGET, REPLICA_SET
from meshsim.api.meta import Key
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.releases import blue_green, plain_canary
from tests.kits.rollout_pods import run_pod
from tests.kits.rollout_world import NAMESPACE, RolloutWorld

pytestmark = pytest.mark.asyncio


async def test_old_pods_are_evicted_as_many_at_a_time_as_may_be_missed() -> None:
    world = await _restarting(plain_canary([], maxUnavailable=2))

    await world.reconcile()

    assert _kept(world) == ["demo-2", "demo-3", "demo-4"]
    assert world.rollout.status.restarted_at == ""


@pytest.mark.parametrize(
    "objects", [plain_canary([], maxUnavailable=2), blue_green(replicas=5)], ids=["canary", "blueGreen"]
)
async def test_a_pod_that_a_budget_needs_is_passed_over_and_asked_for_again_until_it_may_go(
    objects: Sequence[Object],
) -> None:
    world = await _restarting(objects)
    await _need(world, "demo-0")
    for _ in range(4):
        await world.reconcile()
        await _replace_the_evicted(world)

    assert _kept(world) == ["demo-0", "new-demo-1", "new-demo-2", "new-demo-3", "new-demo-4"]
    assert world.rollout.status.restarted_at == ""
    await world.reconcile()
    assert world.wake_at == world.clock.now() + 30

    await world.api.delete(POD_DISRUPTION_BUDGET, Key(NAMESPACE, "needed"))
    await world.reconcile()

    assert "demo-0" not in _kept(world)
    await world.reconcile()
    assert world.rollout.status.restarted_at == world.rollout.spec.restart_at


async def _restarting(objects: Sequence[Object]) -> RolloutWorld:
    """Five ready pods, and a restart that is due."""
    world = RolloutWorld()
    await world.apply(objects)
    await world.live(3)
    for number in range(5):
        await run_pod(world, world.api.store.objects(REPLICA_SET)[0], f"demo-{number}")
    await world.clock.advance(2)
    await world.patch_spec({"restartAt": to_rfc3339(world.clock.now())})
    await world.clock.advance(1)
    return world


async def _need(world: RolloutWorld, name: str) -> None:
    """Let a disruption budget need that pod."""
    await world.api.patch(POD, Key(NAMESPACE, name), {"metadata": {"labels": {"needed": "yes"}}})
    budget: Object = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "needed", "namespace": NAMESPACE},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"needed": "yes"}}},
    }
    await world.api.create(POD_DISRUPTION_BUDGET, budget)


async def _replace_the_evicted(world: RolloutWorld) -> None:
    """Do what a ReplicaSet controller does."""
    for number in range(5):
        if not {f"demo-{number}", f"new-demo-{number}"} & set(_kept(world)):
            await run_pod(world, world.api.store.objects(REPLICA_SET)[0], f"new-demo-{number}")


def _kept(world: RolloutWorld) -> list[str]:
    metadata = [pod["metadata"] for pod in world.api.store.objects(POD)]
    return sorted(each["name"] for each in metadata if not each.get("deletionTimestamp"))
