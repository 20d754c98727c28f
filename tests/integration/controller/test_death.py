"""The controller dies after every single write, in turn, and nothing is lost: the end is the same."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.client.api import PatchType
from tests.kits.api import InProcessApi
from tests.kits.releases import analysis_template, blue_green, plain_canary, routed_canary, subset_canary
from tests.kits.rollout_world import RolloutWorld

_STAMPS: Final = frozenset(
    {
        "lastTransitionTime",
        "lastUpdateTime",
        "startTime",
        "rolloutStartedAt",
        "finishedAt",
        "manualPauseStartedAt",
        "abortedAt",
        "scale-down-deadline",
    }
)


class KilledError(Exception):
    """The process is gone."""


class DyingApi(InProcessApi):
    """The world's API as a controller sees it that is killed right after its n-th write."""

    def __init__(self, api: InProcessApi, dies_after: int) -> None:
        self.clock, self.store, self.registry = api.clock, api.store, api.registry
        self.writes = 0
        self._dies_after = dies_after

    def _written(self, obj: Object) -> Object:
        self.writes += 1
        if self.writes == self._dies_after:
            raise KilledError
        return obj

    async def create(self, kind: Kind, obj: Object) -> Object:
        return self._written(await super().create(kind, obj))

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        return self._written(await super().replace(kind, obj, subresource=subresource))

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        return self._written(await super().patch(kind, key, patch, how=how, subresource=subresource))

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        await super().delete(kind, key, uid=uid, grace_s=grace_s, propagation=propagation)
        self._written({})

    async def evict(self, pod: Key) -> None:
        await super().evict(pod)
        self._written({})


class MortalWorld(RolloutWorld):
    """A world whose controller is killed after its n-th write; another one takes over from nothing.

    Analyses take a second.
    """

    def __init__(self, dies_after: int) -> None:
        super().__init__()
        self.dying = DyingApi(self.api, dies_after)
        self.restart_controller(self.dying)

    async def reconcile(self) -> str:
        try:
            return await super().reconcile()
        except KilledError:
            self.restart_controller()
            return "killed"

    async def step_pods(self) -> None:
        await super().step_pods()
        await self.step_runs(1, "Successful", "")


Story = Callable[[RolloutWorld], Awaitable[None]]

_STEPS: Final[list[Object]] = [
    {"setWeight": 20},
    {"pause": {"duration": 2}},
    {"setWeight": 60},
]


async def _release(world: RolloutWorld) -> None:
    await world.set_image("demo:v2")
    await world.settle()
    await world.live(45)


async def _release_measured(world: RolloutWorld) -> None:
    await world.set_image("demo:v2")
    await world.settle()
    await world.live(1)
    await world.live(1)
    await world.live(45)
    assert world.rollout.status.phase == "Healthy"


async def _release_and_abort(world: RolloutWorld) -> None:
    await world.set_image("demo:v2")
    await world.settle()
    await world.live(2)
    await world.patch_status({"abort": True})
    await world.settle()
    await world.live(8)


async def _release_twice(world: RolloutWorld) -> None:
    await world.set_image("demo:v2")
    await world.settle()
    await world.live(2)
    await world.set_image("demo:v3")
    await world.settle()
    await world.live(45)


_MEASURED: Final[list[Object]] = [
    {"setWeight": 20},
    {"analysis": {"templates": [{"templateName": "rate"}]}},
    {"pause": {"duration": 1}},
    {"setWeight": 60},
]

_WORLDS: Final[dict[str, tuple[list[Object], Story]]] = {
    "routed, stable shrinks": (routed_canary(_STEPS, dynamicStableScale=True), _release),
    "routed and aborted": (routed_canary(_STEPS, abortScaleDownDelaySeconds=4), _release_and_abort),
    "by subsets, a third version during the second": (subset_canary(_STEPS), _release_twice),
    "measured": ([*routed_canary(_MEASURED), analysis_template("rate")], _release_measured),
    "plain": (plain_canary([{"setWeight": 40}, {"pause": {"duration": 1}}]), _release),
    "blueGreen and aborted": (blue_green(autoPromotionEnabled=False), _release_and_abort),
}


async def _end(objects: list[Object], story: Story, dies_after: int) -> tuple[Any, int]:
    world = MortalWorld(dies_after)
    await world.apply([dict(obj) for obj in objects])
    await world.settle()
    await world.live(2)
    await story(world)
    return _timeless(world.visible()), world.dying.writes


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _STAMPS}
    if isinstance(value, list):
        timeless = [_timeless(item) for item in value]
        return sorted(timeless, key=lambda item: item["type"]) if value and "type" in value[0] else timeless
    return value


@pytest.mark.parametrize("name", _WORLDS)
@pytest.mark.asyncio
async def test_a_controller_that_is_killed_after_any_of_its_writes_ends_where_an_undisturbed_one_does(
    name: str,
) -> None:
    objects, story = _WORLDS[name]
    undisturbed, writes = await _end(objects, story, dies_after=0)
    assert writes > 15

    for dies_after in range(1, writes + 1):
        end, _ = await _end(objects, story, dies_after)
        assert end == undisturbed, f"killed after write {dies_after} of {writes}"
