"""Keeps the ReplicaSets of each Deployment: reads the caches, lets `plan` decide, writes."""

from typing import Final

from controller.deployment.plan import Plan, plan
from controller.events import EventRecorder
from controller.manager import Manager, own_key, owner_key
from controller.rollout.actions import Emit
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import DEPLOYMENT, REPLICA_SET
from meshsim.api.meta import Key
from meshsim.api.workloads import REVISION_ANNOTATION, Deployment, DeploymentStatus
from meshsim.client.api import Api, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock

_COMPONENT: Final = "deployment-controller"


def setup(manager: Manager, api: Api, clock: Clock, recorder: EventRecorder) -> None:
    """Have the manager run the Deployment controller."""
    deployments, replica_sets = manager.informer(DEPLOYMENT), manager.informer(REPLICA_SET)
    reconciler = DeploymentReconciler(api, clock, recorder, deployments, replica_sets)
    manager.add("deployment", reconciler, {deployments: own_key, replica_sets: owner_key(DEPLOYMENT)})


class DeploymentReconciler:
    """Moves the pods of a Deployment to its template, by the ReplicaSets it owns."""

    def __init__(
        self, api: Api, clock: Clock, recorder: EventRecorder, deployments: Informer, replica_sets: Informer
    ) -> None:
        self._api = api
        self._clock = clock
        self._recorder = recorder
        self._deployments = deployments
        self._replica_sets = replica_sets

    async def reconcile(self, key: Key) -> float | None:
        obj = self._deployments.get(key)
        if obj is None:
            return None
        deployment = decode(Deployment, obj)
        owned = {each.metadata.name: each for each in self._owned(deployment)}
        decided = plan(deployment, list(owned.values()), self._clock.now())
        await self._act(obj, deployment, owned, decided)
        await self._report(key, deployment, decided.status)
        return decided.wake_at

    def _owned(self, deployment: Deployment) -> list[ReplicaSet]:
        return [
            decode(ReplicaSet, obj)
            for obj in self._replica_sets.all()
            if obj["metadata"].get("namespace") == deployment.metadata.namespace
            for owner in obj["metadata"].get("ownerReferences") or ()
            if owner.get("controller") and owner["uid"] == deployment.metadata.uid
        ]

    async def _act(self, obj: Object, deployment: Deployment, owned: dict[str, ReplicaSet], decided: Plan) -> None:
        if decided.create is not None:
            self._replica_sets.learn(await self._api.create(REPLICA_SET, decided.create))
            self._tell_of_scale(obj, decided.create["metadata"]["name"], 0, decided.create["spec"]["replicas"])
        for name, revision in decided.revise.items():
            await self._patch(owned[name], {"metadata": {"annotations": {REVISION_ANNOTATION: revision}}})
        if decided.revision and deployment.metadata.annotations.get(REVISION_ANNOTATION) != decided.revision:
            patch = {"metadata": {"annotations": {REVISION_ANNOTATION: decided.revision}}}
            self._deployments.learn(await self._api.patch(DEPLOYMENT, deployment.metadata.key, patch))
        for name, replicas in decided.scale.items():
            if await self._patch(owned[name], {"spec": {"replicas": replicas}}):
                self._tell_of_scale(obj, name, owned[name].spec.replicas, replicas)
        for name in decided.delete:
            try:
                await self._api.delete(REPLICA_SET, owned[name].metadata.key, uid=owned[name].metadata.uid)
            except NotFoundError:
                continue

    def _tell_of_scale(self, obj: Object, name: str, before: int, replicas: int) -> None:
        """As client-go's users know it; a ReplicaSet that begins with no pods is not told of."""
        if replicas != before:
            way = "up" if replicas > before else "down"
            message = f"Scaled {way} replica set {name} from {before} to {replicas}"
            self._recorder.record(obj, Emit("ScalingReplicaSet", message), _COMPONENT)

    async def _patch(self, replica_set: ReplicaSet, patch: Object) -> bool:
        """Change it as it was last seen: what was decided on an older one is refused, and decided again.

        False when it is gone.
        """
        key = replica_set.metadata.key
        seen = self._replica_sets.get(key)
        if seen is None:
            return False
        precondition = {"uid": replica_set.metadata.uid, "resourceVersion": seen["metadata"]["resourceVersion"]}
        patch = {**patch, "metadata": {**precondition, **patch.get("metadata", {})}}
        self._replica_sets.learn(await self._api.patch(REPLICA_SET, key, patch))
        return True

    async def _report(self, key: Key, deployment: Deployment, status: DeploymentStatus) -> None:
        obj = self._deployments.get(key)
        if obj is None or status == deployment.status:
            return
        self._deployments.learn(
            await self._api.replace(DEPLOYMENT, {**obj, "status": encode(status)}, subresource="status")
        )
