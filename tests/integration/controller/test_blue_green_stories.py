"""What a blueGreen rollout does, told from outside: which version each Service selects, and when."""

import pytest

from meshsim.api.decode import Object
from tests.kits.releases import blue_green
from tests.kits.rollout_world import RolloutWorld

pytestmark = pytest.mark.asyncio


async def releasing(objects: list[Object], *, seconds: float = 3) -> RolloutWorld:
    world = RolloutWorld()
    await world.apply(objects)
    await world.live(3)
    world.told.events.clear()
    await world.set_image("demo:v2")
    await world.live(seconds)
    return world


def services(world: RolloutWorld) -> tuple[str, str]:
    return world.selected("demo-active"), world.selected("demo-preview")


async def test_the_active_service_switches_once_every_pod_is_available_and_the_old_ones_stay_a_while() -> None:
    world = await releasing(blue_green())
    assert services(world) == ("demo:v2", "demo:v2")
    assert (world.rollout.status.phase, world.sizes()) == ("Healthy", {"demo:v1": 3, "demo:v2": 3})

    await world.live(31)
    assert world.sizes() == {"demo:v2": 3}


async def test_without_auto_promotion_it_waits_for_a_person() -> None:
    world = await releasing(blue_green(autoPromotionEnabled=False), seconds=60)
    assert services(world) == ("demo:v1", "demo:v2")
    assert world.rollout.status.message == "BlueGreenPause"

    await world.patch_status({"pauseConditions": None})
    await world.settle()
    assert services(world) == ("demo:v2", "demo:v2")


async def test_auto_promotion_after_some_seconds_begins_when_the_preview_is_ready() -> None:
    world = await releasing(blue_green(autoPromotionSeconds=10), seconds=10)
    assert services(world) == ("demo:v1", "demo:v2")

    await world.live(3)
    assert services(world) == ("demo:v2", "demo:v2")


async def test_a_small_preview_grows_after_it_was_approved_and_switches_when_it_is_whole() -> None:
    world = await releasing(blue_green(autoPromotionEnabled=False, previewReplicaCount=1), seconds=5)
    assert world.sizes() == {"demo:v1": 3, "demo:v2": 1}

    await world.patch_status({"pauseConditions": None})
    await world.settle()
    assert (world.sizes(), services(world)) == ({"demo:v1": 3, "demo:v2": 3}, ("demo:v1", "demo:v2"))

    await world.live(2)
    assert services(world) == ("demo:v2", "demo:v2")


async def test_an_abort_leaves_the_preview_up_for_its_delay() -> None:
    world = await releasing(blue_green(autoPromotionEnabled=False, abortScaleDownDelaySeconds=5))
    await world.patch_status({"abort": True})
    await world.live(2)
    assert (services(world), world.sizes()) == (("demo:v1", "demo:v2"), {"demo:v1": 3, "demo:v2": 3})

    await world.live(5)
    assert world.sizes() == {"demo:v1": 3}
    assert world.rollout.status.phase == "Degraded"


async def test_going_back_while_the_old_pods_are_still_there_skips_the_pause() -> None:
    world = await releasing(blue_green(autoPromotionEnabled=False))
    await world.patch_status({"pauseConditions": None})
    await world.live(2)
    world.told.events.clear()

    await world.set_image("demo:v1")
    await world.settle()

    assert services(world) == ("demo:v1", "demo:v1")
    assert any(event.endswith(": Fast rollback") for event in world.told.events)


async def test_a_halted_rollout_touches_no_service() -> None:
    world = RolloutWorld()
    await world.apply(blue_green())
    await world.live(3)
    await world.patch_spec({"paused": True})
    await world.set_image("demo:v2")
    await world.live(5)

    assert services(world) == ("demo:v1", "demo:v1")
    assert world.rollout.status.message == "manually paused"

    await world.patch_spec({"paused": False})
    await world.live(3)
    assert services(world) == ("demo:v2", "demo:v2")
