"""Laws that hold for every rollout, whatever is released, promoted, aborted, edited, scaled or dies."""

import asyncio
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.rollout.observe import observe
from controller.rollout.plan import plan
from controller.rollout.replicas import max_unavailable
from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET, VIRTUAL_SERVICE
from meshsim.api.meta import Key
from tests.kits.releases import blue_green, plain_canary, routed_canary, subset_canary
from tests.kits.rollout_world import NAMESPACE, RolloutWorld, StoreView, image_of

_MOST_PAUSES: Final = 8
_WEIGHTS: Final = st.integers(0, 100)
_STEPS: Final = st.lists(
    st.one_of(
        st.builds(lambda weight: {"setWeight": weight}, _WEIGHTS),
        st.just({"pause": {}}),
        st.builds(lambda seconds: {"pause": {"duration": seconds}}, st.integers(0, 5)),
    ),
    max_size=4,
)
_ROUTED_STEPS: Final = st.lists(
    st.one_of(
        st.builds(lambda weight: {"setWeight": weight}, _WEIGHTS),
        st.just({"pause": {}}),
        st.builds(lambda seconds: {"pause": {"duration": seconds}}, st.integers(0, 5)),
        st.builds(lambda weight: {"setCanaryScale": {"weight": weight}}, _WEIGHTS),
        st.builds(lambda replicas: {"setCanaryScale": {"replicas": replicas}}, st.integers(0, 6)),
        st.just({"setCanaryScale": {"matchTrafficWeight": True}}),
    ),
    max_size=5,
)
_FENCEPOST: Final = st.one_of(st.integers(0, 4), st.sampled_from(["25%", "0%", "100%"]))
_REPLICAS: Final = st.integers(1, 6)


@st.composite
def releases(draw: st.DrawFn) -> list[Object]:
    """Any rollout with what it needs."""
    kind = draw(st.sampled_from(["routed", "dynamic", "subset", "plain", "blueGreen"]))
    replicas = draw(_REPLICAS)
    if kind == "plain":
        surge, unavailable = draw(_FENCEPOST), draw(_FENCEPOST)
        if surge in (0, "0%") and unavailable in (0, "0%"):
            surge = 1
        return plain_canary(draw(_STEPS), replicas=replicas, maxSurge=surge, maxUnavailable=unavailable)
    if kind == "blueGreen":
        return blue_green(
            replicas=replicas,
            scaleDownDelaySeconds=draw(st.integers(1, 5)),
            autoPromotionEnabled=draw(st.booleans()),
            autoPromotionSeconds=draw(st.integers(0, 4)),
        )
    if kind == "subset":
        return subset_canary(draw(_ROUTED_STEPS), replicas=replicas)
    options: dict[str, Any] = {"dynamicStableScale": True} if kind == "dynamic" else {"scaleDownDelaySeconds": 3}
    if draw(st.booleans()):
        options["abortScaleDownDelaySeconds"] = draw(st.integers(0, 5))
    if draw(st.booleans()):
        options["minPodsPerReplicaSet"] = draw(st.integers(1, 3))
    return routed_canary(draw(_ROUTED_STEPS), replicas=replicas, **options)


class Releases(RuleBasedStateMachine):
    """People and pods do what they like; the controller goes on one reconcile at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner()
        self._world = RolloutWorld()
        self._version = 1

    def teardown(self) -> None:
        try:
            if self._world.key.name:
                self._in_the_end_it_is_healthy()
        finally:
            self._loop.close()

    def _in_the_end_it_is_healthy(self) -> None:
        """With pods that become ready and people who let it go on, every release ends."""
        self._world.caps.clear()
        self._do(self._world.patch_spec({"paused": False}))
        self._do(self._world.patch_status({"abort": False}))
        for _ in range(_MOST_PAUSES):
            self._do(self._world.live(40))
            if self._world.rollout.status.phase == "Healthy":
                break
            self._do(self._world.patch_status({"pauseConditions": None}))
        rollout = self._world.rollout
        assert rollout.status.phase == "Healthy", rollout.status.message
        assert rollout.status.stable_rs == rollout.status.current_pod_hash
        assert list(self._world.sizes().values()) == [rollout.spec.replicas]

    def _do(self, coroutine: Any) -> None:
        self._loop.run(coroutine)

    @initialize(objects=releases())
    def _deploy(self, objects: list[Object]) -> None:
        self._do(self._world.apply(objects))

    @rule()
    def _reconcile(self) -> None:
        before = self._world.rollout.status
        self._check_scale_down()
        self._do(self._world.reconcile())
        after = self._world.rollout.status
        index, new_index = before.current_step_index, after.current_step_index
        is_same = (
            before.current_pod_hash == after.current_pod_hash and before.current_step_hash == after.current_step_hash
        )
        if index is not None and new_index is not None and is_same and not (before.abort or after.abort):
            assert new_index >= index, "the step never falls by itself"

    def _check_scale_down(self) -> None:
        """No reconcile takes away pods that are needed to stay at min available, as far as they are there."""
        rollout = self._world.rollout
        if rollout.spec.strategy.canary is None or rollout.spec.strategy.canary.traffic_routing is not None:
            return
        sizes = {obj["metadata"]["name"]: obj for obj in self._world.api.store.objects(REPLICA_SET)}
        available = {name: (obj.get("status") or {}).get("availableReplicas", 0) for name, obj in sizes.items()}
        planned = dict(available)
        for action in self._planned().actions:
            spec = getattr(action, "patch", {}).get("spec") or {}
            if getattr(action, "kind", None) == REPLICA_SET and "replicas" in spec:
                planned[action.key.name] = min(available.get(action.key.name, 0), spec["replicas"])
        needed = (rollout.spec.replicas or 0) - max_unavailable(rollout)
        assert sum(planned.values()) >= min(sum(available.values()), needed)

    def _planned(self) -> Any:
        observed = observe(StoreView(self._world.api), self._world.key, self._world.clock.now())
        assert observed is not None
        now = self._world.clock.now()
        planned = plan(observed, now)
        assert planned == plan(observed, now), "the same is decided for the same"
        assert planned.wake_at is None or planned.wake_at > now, "it never looks again without time having passed"
        return planned

    @rule()
    def _pods_follow(self) -> None:
        self._do(self._world.step_pods())

    @rule(seconds=st.integers(1, 8))
    def _wait(self, seconds: int) -> None:
        self._do(self._world.clock.advance(seconds))

    @rule()
    def _release(self) -> None:
        self._version += 1
        self._do(self._world.set_image(f"demo:v{self._version}"))

    @rule(version=st.integers(1, 3))
    def _go_back(self, version: int) -> None:
        self._do(self._world.set_image(f"demo:v{version}"))

    @rule()
    def _resume(self) -> None:
        self._do(self._world.patch_status({"pauseConditions": None}))

    @rule()
    def _promote_in_full(self) -> None:
        self._do(self._world.patch_status({"promoteFull": True}))

    @rule(abort=st.booleans())
    def _abort_or_retry(self, abort: bool) -> None:
        self._do(self._world.patch_status({"abort": abort}))

    @rule(paused=st.booleans())
    def _pause(self, paused: bool) -> None:
        self._do(self._world.patch_spec({"paused": paused}))

    @rule(replicas=_REPLICAS)
    def _scale(self, replicas: int) -> None:
        self._do(self._world.patch_spec({"replicas": replicas}))

    @rule(steps=_STEPS)
    def _edit_steps(self, steps: list[Object]) -> None:
        if self._world.rollout.spec.strategy.canary is not None:
            self._do(self._world.patch_spec({"strategy": {"canary": {"steps": steps}}}))

    @rule(left=st.one_of(st.none(), st.integers(0, 3)))
    def _pods_die_or_return(self, left: int | None) -> None:
        images = {image_of(obj) for obj in self._world.api.store.objects(REPLICA_SET)}
        for image in images:
            self._world.caps.pop(image, None)
            if left is not None:
                self._world.caps[image] = left

    @rule()
    def _the_controller_forgets_everything(self) -> None:
        self._world.restart_controller()

    @invariant()
    def _weights_are_all_the_traffic(self) -> None:
        virtual_service = self._world.api.store.get(VIRTUAL_SERVICE, Key(NAMESPACE, "demo"))
        if virtual_service is not None:
            route = virtual_service["spec"]["http"][0]["route"]
            assert sum(item.get("weight", 0) for item in route) == 100
        if self._world.key.name:
            weights = self._world.rollout.status.canary.weights
            assert weights is None or weights.canary.weight + weights.stable.weight == 100

    @rule()
    def _left_alone_it_comes_to_rest(self) -> None:
        """A fixpoint: what was applied is not planned again."""
        self._do(self._world.settle())
        planned = self._planned()
        assert planned.error or planned.status_patch is None


Releases.TestCase.settings = settings(stateful_step_count=50)
TestReleases = Releases.TestCase
