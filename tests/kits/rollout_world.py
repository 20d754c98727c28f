"""A small world for the rollout controller: an API in memory, a clock that tests advance, pods that become ready.

The controller sees the store itself, so that nothing is ever behind; what runs pods and analyses is stood in for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from controller.rollout.actions import Emit
from controller.rollout.reconciler import RolloutReconciler
from controller.rollout.references import controller_uid
from controller.rollout.rules import Rules
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    DESTINATION_RULE,
    EXPERIMENT,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
    kind_named,
)
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import HASH_LABEL, Rollout, RolloutDuration
from meshsim.api.validate.schemas import schema_of
from meshsim.client.api import Api, ApiError
from meshsim.kit.clock import VirtualClock
from tests.kits.api import InProcessApi

NAMESPACE: Final = "default"

# Read from disk once, here rather than on a test's loop.
for _kind in (ROLLOUT, VIRTUAL_SERVICE):
    schema_of(_kind.group, _kind.kind)

_LOOKED_AT: Final = (ROLLOUT, REPLICA_SET, SERVICE, VIRTUAL_SERVICE, DESTINATION_RULE, ANALYSIS_RUN, EXPERIMENT)
_COMPLETED: Final = ("Successful", "Failed", "Error", "Inconclusive")


class StoreView:
    """A memory that is never behind: the store itself."""

    def __init__(self, api: InProcessApi) -> None:
        self._store = api.store

    def get(self, kind: Kind, key: Key) -> Object | None:
        return self._store.get(kind, key)

    def owned(self, kind: Kind, owner_uid: str) -> list[Object]:
        owned = [obj for obj in self._store.objects(kind) if controller_uid(obj) == owner_uid]
        return sorted(owned, key=key_of)

    def names_in(self, kind: Kind, namespace: str, prefix: str) -> Iterable[Object]:
        objects = self._store.objects(kind, namespace)
        return (obj for obj in objects if obj["metadata"]["name"].startswith(prefix))

    def expect(self, kind: Kind, key: Key) -> None:
        """Nobody is told of events."""

    def learn(self, kind: Kind, obj: Object) -> None:
        """The store knows already."""


class Told:
    """The events of the reconciles since it was last emptied: `Normal Reason message`."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.ended: list[str] = []
        """How attempts ended."""

    def record(self, about: Object, event: Emit) -> None:
        self.events.append(f"{event.type} {event.reason} {event.message}")

    def record_end(self, attempt: RolloutDuration) -> None:
        self.ended.append(attempt.completion_status)


class RolloutWorld:
    """One rollout and what is around it."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.clock = VirtualClock()
        self.start = self.clock.now()
        self.api = InProcessApi(self.clock)
        self.told = Told()
        self.key = Key(NAMESPACE, "")
        self.ready_after_s: Mapping[str, float] = {"*": 1}
        """How long pods of an image take to become available; below zero they never do."""
        self.caps: dict[str, int] = {}
        """How many pods of an image become available at most."""
        self._rules = rules or Rules()
        self._pods: dict[str, list[float]] = {}
        self._runs: dict[str, float] = {}
        self._reconciler = self.new_controller()

    def new_controller(self, api: Api | None = None) -> RolloutReconciler:
        """A controller that remembers nothing."""
        return RolloutReconciler(api or self.api, StoreView(self.api), self.clock, self.told, self._rules)

    def restart_controller(self, api: Api | None = None) -> None:
        """From now on a new one reconciles."""
        self._reconciler = self.new_controller(api)

    async def apply(self, objects: Iterable[Object]) -> None:
        """Create the objects; the Rollout among them is the one that is reconciled."""
        for obj in objects:
            kind = kind_named(obj["apiVersion"], obj["kind"])
            assert kind is not None, obj["kind"]
            obj["metadata"].setdefault("namespace", NAMESPACE)
            created = await self.api.create(kind, obj | {"apiVersion": kind.api_version})
            if kind == ROLLOUT:
                self.key = key_of(created)

    async def reconcile(self) -> str:
        """One reconcile; returns why it is to be tried again, empty when it isn't."""
        self.wake_at = None
        try:
            self.wake_at = await self._reconciler.reconcile(self.key)
        except ApiError as error:
            return str(error)
        return ""

    wake_at: float | None = None
    """When the last reconcile wanted to look again."""

    async def settle(self, most: int = 80) -> None:
        """Reconcile, with pods following, until nothing visible changes any more at this instant."""
        for _ in range(most):
            before = self.visible()
            await self.reconcile()
            await self.step_pods()
            if self.visible() == before:
                return
        raise AssertionError(f"still changing after {most} reconciles: {self.told.events[-6:]}")

    def visible(self) -> dict[str, Object]:
        """What an object asks for and how it is, without versions and stamps of writing."""
        return {
            f"{kind.kind}/{obj['metadata']['name']}": {
                "annotations": obj["metadata"].get("annotations") or {},
                "spec": obj.get("spec"),
                "status": obj.get("status"),
            }
            for kind in _LOOKED_AT
            for obj in self.api.store.objects(kind)
        }

    async def live(self, seconds: float) -> None:
        """Let time pass, from one instant at which something is due to the next."""
        end = self.clock.now() + seconds
        await self.step_pods()
        await self.settle()
        while self.clock.now() < end:
            due = min((instant for instant in self._due() if instant > self.clock.now()), default=end)
            await self.clock.advance(min(due, end) - self.clock.now())
            await self.step_pods()
            await self.settle()

    def _due(self) -> Iterable[float]:
        """When the controller wants to look again, and when pods become available."""
        if self.wake_at is not None:
            yield self.wake_at
        for obj in self.api.store.objects(REPLICA_SET):
            image = image_of(obj)
            delay = self.ready_after_s.get(image, self.ready_after_s.get("*", 0))
            yield from (made + delay for made in self._pods.get(obj["metadata"]["uid"], ()))

    async def step_pods(self) -> None:
        """Let ReplicaSets have the pods they were asked for, and pods become available."""
        now = self.clock.now()
        for obj in self.api.store.objects(REPLICA_SET):
            image, wanted = image_of(obj), obj["spec"].get("replicas", 1)
            pods = self._pods.setdefault(obj["metadata"]["uid"], [])
            pods[:] = (pods + [now] * wanted)[:wanted]
            delay = self.ready_after_s.get(image, self.ready_after_s.get("*", 0))
            available = sum(delay >= 0 and made + delay <= now for made in pods)
            available = min(available, self.caps.get(image, available))
            status = {
                "replicas": wanted,
                "readyReplicas": available,
                "availableReplicas": available,
                "observedGeneration": obj["metadata"].get("generation", 0),
            }
            if obj.get("status") != status:
                await self.api.patch(REPLICA_SET, key_of(obj), {"status": status}, subresource="status")

    async def step_runs(self, after_s: float, phase: str, message: str) -> None:
        """Let analysis runs run, and end that way once so much time has passed."""
        now = self.clock.now()
        for obj in self.api.store.objects(ANALYSIS_RUN):
            begun = self._runs.setdefault(obj["metadata"]["name"], now)
            before: Object = obj.get("status") or {}
            if before.get("phase") in _COMPLETED:
                continue
            if obj["spec"].get("terminate"):
                status = {"phase": "Successful", "message": "Run Terminated"}
            elif 0 <= after_s <= now - begun:
                status = {"phase": phase, "message": message}
            else:
                status = {"phase": "Running"}
            if status != before:
                await self.api.patch(ANALYSIS_RUN, key_of(obj), {"status": status})

    async def set_image(self, image: str) -> None:
        """Release that image."""
        template = (await self.api.get(ROLLOUT, self.key))["spec"]["template"]
        containers = [container | {"image": image} for container in template["spec"]["containers"]]
        await self.patch_spec({"template": {"spec": {"containers": containers}}})

    async def patch_spec(self, spec: Object) -> None:
        """Edit the rollout."""
        await self.api.patch(ROLLOUT, self.key, {"spec": spec})

    async def patch_status(self, status: Object) -> None:
        """Do what a command does: write into the status."""
        await self.api.patch(ROLLOUT, self.key, {"status": status}, subresource="status")

    @property
    def raw(self) -> Object:
        """The Rollout as it is."""
        obj = self.api.store.get(ROLLOUT, self.key)
        assert obj is not None
        return obj

    @property
    def rollout(self) -> Rollout:
        """The same, typed."""
        return decode(Rollout, self.raw)

    def sizes(self) -> dict[str, int]:
        """Image → pods asked for, those with none left out."""
        sizes = {image_of(obj): obj["spec"].get("replicas", 1) for obj in self.api.store.objects(REPLICA_SET)}
        return {image: size for image, size in sizes.items() if size}

    def selected(self, service: str) -> str:
        """The image of the version that a Service selects, empty without one."""
        obj = self.api.store.get(SERVICE, Key(NAMESPACE, service))
        assert obj is not None
        wanted = (obj["spec"].get("selector") or {}).get(HASH_LABEL)
        images = {
            replica_set["metadata"]["labels"][HASH_LABEL]: image_of(replica_set)
            for replica_set in self.api.store.objects(REPLICA_SET)
        }
        return images.get(wanted, "")

    def weights(self, virtual_service: str) -> dict[str, int]:
        """Host → weight in the first http route."""
        obj = self.api.store.get(VIRTUAL_SERVICE, Key(NAMESPACE, virtual_service))
        assert obj is not None
        return {
            item["destination"]["host"] + item["destination"].get("subset", ""): item.get("weight", 0)
            for item in obj["spec"]["http"][0]["route"]
        }


def image_of(replica_set: Object) -> str:
    """The image of a ReplicaSet's first container."""
    image: str = replica_set["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def replica_set(world: RolloutWorld, image: str) -> Object:
    """The ReplicaSet of that image."""
    return next(obj for obj in world.api.store.objects(REPLICA_SET) if image_of(obj) == image)


async def living(objects: Iterable[Object], rules: Rules | None = None) -> RolloutWorld:
    """A world in which these objects have been for a while, and of which nothing is told yet."""
    world = RolloutWorld(rules)
    await world.apply(objects)
    await world.live(3)
    world.told.events.clear()
    return world
