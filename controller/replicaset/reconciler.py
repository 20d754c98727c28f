"""Keeps the pods of each ReplicaSet: reads the caches, lets `plan` decide, writes."""

from typing import Final

from controller.events import EventRecorder
from controller.manager import Manager, own_key
from controller.owned import controller_reference, pod_of_template
from controller.replicaset.plan import Plan, plan, with_failure
from controller.rollout.actions import Emit
from meshsim.api.core import Pod, ReplicaSet, ReplicaSetStatus
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import POD, REPLICA_SET
from meshsim.api.meta import Key, LabelSelector
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock

_COMPONENT: Final = "replicaset-controller"
_BURST: Final = 500
"""No reconcile creates or deletes more pods than that."""


def setup(manager: Manager, api: Api, clock: Clock, recorder: EventRecorder) -> None:
    """Have the manager run the ReplicaSet controller."""
    replica_sets, pods = manager.informer(REPLICA_SET), manager.informer(POD)
    reconciler = ReplicaSetReconciler(api, clock, recorder, replica_sets, pods)
    manager.add("replicaset", reconciler, {replica_sets: own_key, pods: reconciler.keys_of_pod})


class ReplicaSetReconciler:
    """Brings the number of pods of a ReplicaSet to what its spec asks for.

    A cache may be a moment behind its own writes. Pods it created are told to the cache at once; pods it deleted
    are remembered until the cache knows: neither is done twice.
    """

    def __init__(self, api: Api, clock: Clock, recorder: EventRecorder, replica_sets: Informer, pods: Informer) -> None:
        self._api = api
        self._clock = clock
        self._recorder = recorder
        self._replica_sets = replica_sets
        self._pods = pods
        self._deleted: set[str] = set()
        pods.on_change(self._forget_deleted)

    async def reconcile(self, key: Key) -> float | None:
        obj = self._replica_sets.get(key)
        if obj is None:
            return None
        replica_set = decode(ReplicaSet, obj)
        decided = plan(replica_set, self._pods_for(replica_set), self._clock.now())
        failure: ApiError | None = None
        try:
            await self._act(obj, replica_set, decided)
        except ApiError as error:
            failure = error
        await self._report(obj, replica_set, decided.status, str(failure or ""))
        if failure is not None:
            raise failure
        return decided.wake_at

    def keys_of_pod(self, change: Change) -> set[Key]:
        """The ReplicaSets that a changed pod concerns: its owners, or for an orphan all that select it."""
        keys: set[Key] = set()
        for pod in (change.old, change.new):
            if pod is None:
                continue
            owner = _controller(pod)
            if owner is None:
                keys.update(self._selecting(pod))
            elif owner["kind"] == REPLICA_SET.kind:
                keys.add(Key(change.key.namespace, owner["name"]))
        return keys

    def _selecting(self, pod: Object) -> set[Key]:
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        return {
            Key(metadata["namespace"], obj["metadata"]["name"])
            for obj in self._replica_sets.all()
            if obj["metadata"]["namespace"] == metadata["namespace"]
            and decode(LabelSelector, obj["spec"]["selector"]).matches(labels)
        }

    def _pods_for(self, replica_set: ReplicaSet) -> list[Pod]:
        """The pods that are its own or nobody's, without those it has deleted."""
        metadata = replica_set.metadata
        return [
            decode(Pod, obj)
            for obj in self._pods.all()
            if obj["metadata"].get("namespace") == metadata.namespace
            and obj["metadata"]["uid"] not in self._deleted
            and ((owner := _controller(obj)) is None or owner["uid"] == metadata.uid)
        ]

    async def _act(self, obj: Object, replica_set: ReplicaSet, decided: Plan) -> None:
        # One by one: what the API refuses once it is not asked a hundred times more.
        if decided.adopt:
            await self._check_it_still_lives(replica_set)
        for pod in decided.adopt:
            await self._set_owners(
                pod,
                [*map(encode, pod.metadata.owner_references), controller_reference(REPLICA_SET, replica_set.metadata)],
            )
        for pod in decided.release:
            others = [owner for owner in pod.metadata.owner_references if owner.uid != replica_set.metadata.uid]
            await self._set_owners(pod, list(map(encode, others)))
        for _ in range(min(decided.create, _BURST)):
            await self._create(obj, replica_set)
        for pod in decided.delete[:_BURST]:
            await self._delete(obj, pod)

    async def _create(self, obj: Object, replica_set: ReplicaSet) -> None:
        wanted = pod_of_template(REPLICA_SET, replica_set.metadata, replica_set.spec.template)
        try:
            created = await self._api.create(POD, wanted)
        except ApiError as error:
            self._tell(obj, "FailedCreate", f"Error creating: {error}", "Warning")
            raise
        self._pods.learn(created)
        self._tell(obj, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    def _tell(self, obj: Object, reason: str, message: str, kind: str = "Normal") -> None:
        self._recorder.record(obj, Emit(reason, message, kind), _COMPONENT)

    async def _check_it_still_lives(self, replica_set: ReplicaSet) -> None:
        """Raises ApiError when the cache is behind: a ReplicaSet that is gone must not adopt."""
        metadata = (await self._api.get(REPLICA_SET, replica_set.metadata.key))["metadata"]
        if metadata["uid"] != replica_set.metadata.uid or metadata.get("deletionTimestamp"):
            raise NotFoundError(404, "NotFound", f'replicasets.apps "{replica_set.metadata.name}" is being replaced')

    async def _set_owners(self, pod: Pod, owners: list[Object]) -> None:
        metadata = pod.metadata
        precondition = {"uid": metadata.uid, "resourceVersion": metadata.resource_version}
        patch = {"metadata": {**precondition, "ownerReferences": owners}}
        self._pods.learn(await self._api.patch(POD, metadata.key, patch))

    async def _delete(self, obj: Object, pod: Pod) -> None:
        uid = pod.metadata.uid
        if self._pods.get(pod.metadata.key) is None:
            return
        # Before the call: the watch may tell of the deletion before the answer comes.
        self._deleted.add(uid)
        try:
            await self._api.delete(POD, pod.metadata.key, uid=uid)
        except NotFoundError:
            pass
        except ApiError as error:
            self._deleted.discard(uid)
            self._tell(obj, "FailedDelete", f"Error deleting: {error}", "Warning")
            raise
        else:
            self._tell(obj, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    def _forget_deleted(self, change: Change) -> None:
        for pod in (change.old, change.new):
            if pod is not None and (change.new is None or "deletionTimestamp" in pod["metadata"]):
                self._deleted.discard(pod["metadata"]["uid"])

    async def _report(self, obj: Object, replica_set: ReplicaSet, status: ReplicaSetStatus, failure: str) -> None:
        status = with_failure(status, replica_set.status.conditions, failure, self._clock.now())
        if status == replica_set.status:
            return
        # Kubernetes leaves zero counters out, this one excepted.
        written = {"replicas": 0, **encode(status)}
        self._replica_sets.learn(await self._api.replace(REPLICA_SET, {**obj, "status": written}, subresource="status"))


def _controller(obj: Object) -> Object | None:
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
