"""Apply: carry a plan out, in its order. The status comes last; whatever is refused stops the rest."""

from typing import Final, Protocol, assert_never

from controller.rollout.actions import Action, Create, Delete, Emit, Evictions, Patch, Plan, Replace
from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, ROLLOUT, Kind
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import RolloutDuration
from meshsim.client.api import (
    AlreadyExistsError,
    Api,
    ApiError,
    NotFoundError,
    TooManyRequestsError,
    UnreachableError,
)

_ENDED_WHEN_GONE: Final = (ANALYSIS_RUN, EXPERIMENT)
"""They are patched to end them: one that went with its ReplicaSet needs no more."""


class Writes(Protocol):
    """Is told of our own writes, before and after."""

    def expect(self, kind: Kind, key: Key) -> None:
        """A write to that object is about to begin."""

    def learn(self, kind: Kind, obj: Object) -> None:
        """What a write returned."""


class Recorder(Protocol):
    """Tells people what happens to an object."""

    def record(self, about: Object, event: Emit) -> None:
        """Take note of an event; never fails, never waits."""

    def record_end(self, attempt: RolloutDuration) -> None:
        """Take note of how long an attempt took and how it ended."""


class ReconcileError(ApiError):
    """The plan itself says that it must be tried again, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Reconcile", message)


class CreationRefusedError(ApiError):
    """The API doesn't take the ReplicaSet of a new version."""

    def __init__(self, name: str, refusal: ApiError) -> None:
        super().__init__(refusal.code, refusal.reason, str(refusal), refusal.status)
        self.name = name


class Applier:
    """Writes to the API, and lets the caches know what it wrote."""

    def __init__(self, api: Api, recorder: Recorder, writes: Writes) -> None:
        self._api = api
        self._recorder = recorder
        self._writes = writes

    async def apply(self, rollout: Object, plan: Plan) -> None:
        """Do what the plan says about this rollout.

        Raises ApiError when a write is refused, a conflict included: what was done is done, and everything is
        observed and planned again. Raises CreationRefusedError when it was a ReplicaSet that the API doesn't take, and
        ReconcileError when the plan asks for another try.
        """
        written: dict[tuple[Kind, Key], str] = {}
        for action in plan.actions:
            await self._do(rollout, action, written)
        if plan.status_patch is not None:
            key = key_of(rollout)
            # Refused when anybody, a person's `abort` say, wrote the rollout since it was observed.
            version = written.get((ROLLOUT, key)) or rollout["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "status": plan.status_patch}
            self._writes.learn(ROLLOUT, await self._api.patch(ROLLOUT, key, patch, subresource="status"))
        if plan.ended is not None:
            self._recorder.record_end(plan.ended)
        for event in plan.announcements:
            self._recorder.record(rollout, event)
        if plan.error:
            raise ReconcileError(plan.error)

    async def evict(self, evictions: Evictions) -> int:
        """Evict pods; returns how many went. Raises ApiError when one is refused for another reason than a budget."""
        gone = 0
        for pod in evictions.pods:
            if gone == evictions.most:
                break
            try:
                await self._api.evict(pod)
            except TooManyRequestsError:
                continue
            gone += 1
        return gone

    async def _do(self, rollout: Object, action: Action, written: dict[tuple[Kind, Key], str]) -> None:
        match action:
            case Create(kind, obj):
                self._note(kind, await self._create(kind, obj), written)
            case Patch():
                await self._patch(action, written)
            case Replace(kind, obj):
                version = written.get((kind, key_of(obj))) or obj["metadata"].get("resourceVersion")
                latest = obj | {"metadata": obj["metadata"] | {"resourceVersion": version}}
                self._note(kind, await self._api.replace(kind, latest), written)
            case Delete(kind, key, uid):
                await self._delete(kind, key, uid)
            case Emit():
                self._recorder.record(rollout, action)
            case _:
                assert_never(action)

    async def _patch(self, action: Patch, written: dict[tuple[Kind, Key], str]) -> None:
        kind, key = action.kind, action.key
        self._writes.expect(kind, key)
        try:
            patched = await self._api.patch(kind, key, action.patch, how=action.how, subresource=action.subresource)
        except NotFoundError:
            if kind in _ENDED_WHEN_GONE:
                return
            raise
        self._note(kind, patched, written)

    async def _create(self, kind: Kind, obj: Object) -> Object:
        try:
            return await self._api.create(kind, obj)
        except (AlreadyExistsError, UnreachableError):
            raise
        except ApiError as refusal:
            if kind == REPLICA_SET:
                raise CreationRefusedError(obj["metadata"]["name"], refusal) from refusal
            raise

    def _note(self, kind: Kind, obj: Object, written: dict[tuple[Kind, Key], str]) -> None:
        written[kind, key_of(obj)] = obj["metadata"]["resourceVersion"]
        self._writes.learn(kind, obj)

    async def _delete(self, kind: Kind, key: Key, uid: str) -> None:
        try:
            await self._api.delete(kind, key, uid=uid)
        except NotFoundError:
            return
