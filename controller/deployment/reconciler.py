"""Keeps the ReplicaSets of each Deployment: reads the caches, lets `plan` decide, writes."""

from controller.deployment.plan import Plan, plan
from controller.manager import Manager, own_key, owner_key
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import DEPLOYMENT, REPLICA_SET
from meshsim.api.meta import Key
from meshsim.api.workloads import REVISION_ANNOTATION, Deployment, DeploymentStatus
from meshsim.client.api import Api, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock


def setup(manager: Manager, api: Api, clock: Clock) -> None:
    """Have the manager run the Deployment controller."""
    deployments, replica_sets = manager.informer(DEPLOYMENT), manager.informer(REPLICA_SET)
    reconciler = DeploymentReconciler(api, clock, deployments, replica_sets)
    manager.add("deployment", reconciler, {deployments: own_key, replica_sets: owner_key(DEPLOYMENT)})


class DeploymentReconciler:
    """Moves the pods of a Deployment to its template, by the ReplicaSets it owns."""

    def __init__(self, api: Api, clock: Clock, deployments: Informer, replica_sets: Informer) -> None:
        self._api = api
        self._clock = clock
        self._deployments = deployments
        self._replica_sets = replica_sets

    async def reconcile(self, key: Key) -> float | None:
        obj = self._deployments.get(key)
        if obj is None:
            return None
        deployment = decode(Deployment, obj)
        owned = {each.metadata.name: each for each in self._owned(deployment)}
        decided = plan(deployment, list(owned.values()), self._clock.now())
        await self._act(deployment, owned, decided)
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

    async def _act(self, deployment: Deployment, owned: dict[str, ReplicaSet], decided: Plan) -> None:
        if decided.create is not None:
            self._replica_sets.learn(await self._api.create(REPLICA_SET, decided.create))
        for name, revision in decided.revise.items():
            await self._patch(owned[name], {"metadata": {"annotations": {REVISION_ANNOTATION: revision}}})
        if decided.revision and deployment.metadata.annotations.get(REVISION_ANNOTATION) != decided.revision:
            patch = {"metadata": {"annotations": {REVISION_ANNOTATION: decided.revision}}}
            self._deployments.learn(await self._api.patch(DEPLOYMENT, deployment.metadata.key, patch))
        for name, replicas in decided.scale.items():
            await self._patch(owned[name], {"spec": {"replicas": replicas}})
        for name in decided.delete:
            try:
                await self._api.delete(REPLICA_SET, owned[name].metadata.key, uid=owned[name].metadata.uid)
            except NotFoundError:
                continue

    async def _patch(self, replica_set: ReplicaSet, patch: Object) -> None:
        """Change it as it was last seen: what was decided on an older one is refused, and decided again."""
        key = replica_set.metadata.key
        seen = self._replica_sets.get(key)
        if seen is not None:
            precondition = {"uid": replica_set.metadata.uid, "resourceVersion": seen["metadata"]["resourceVersion"]}
            patch = {**patch, "metadata": {**precondition, **patch.get("metadata", {})}}
            self._replica_sets.learn(await self._api.patch(REPLICA_SET, key, patch))

    async def _report(self, key: Key, deployment: Deployment, status: DeploymentStatus) -> None:
        obj = self._deployments.get(key)
        if obj is None or status == deployment.status:
            return
        self._deployments.learn(
            await self._api.replace(DEPLOYMENT, {**obj, "status": encode(status)}, subresource="status")
        )
