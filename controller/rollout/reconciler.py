"""The rollout controller: observe, plan, apply, for one key at a time."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, Protocol

from controller.manager import ToKeys, own_key, owner_key
from controller.rollout.actions import Emit
from controller.rollout.apply import Applier, CreationRefusedError, ReconcileError, Recorder
from controller.rollout.cache import REFERENCED, Cache
from controller.rollout.observe import Seen, observe
from controller.rollout.plan import plan, plan_of_refusal
from controller.rollout.rules import Rules
from meshsim.api.decode import FieldError, Object
from meshsim.api.kinds import ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, ROLLOUT, SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.client.api import Api
from meshsim.client.informer import Change, Informer, Listener
from meshsim.kit.clock import Clock

_log: Final = logging.getLogger(__name__)
_RULES: Final = Rules()


class Memory(Seen, Protocol):
    """What has been seen, and is told what was written."""

    def expect(self, kind: Kind, key: Key) -> None:
        """A write of our own to that object is about to begin: its event may come before its answer."""

    def learn(self, kind: Kind, obj: Object) -> None:
        """Take in what a write of our own returned."""


class RolloutReconciler:
    """Brings a rollout one reconcile further. It remembers nothing: what counts is in the API."""

    def __init__(self, api: Api, memory: Memory, clock: Clock, recorder: Recorder, rules: Rules = _RULES) -> None:
        self._memory = memory
        self._clock = clock
        self._rules = rules
        self._applier = Applier(api, recorder, memory)

    async def reconcile(self, key: Key) -> float | None:
        """Observe, plan, apply. Returns the instant to look again."""
        try:
            observed = observe(self._memory, key, self._clock.now())
        except FieldError as error:
            raise ReconcileError(f"{key}: {error}") from None
        if observed is None:
            return None
        planned = plan(observed, self._clock.now(), self._rules)
        if planned.evictions is not None:
            observed = replace(observed, evicted=await self._applier.evict(planned.evictions))
            planned = plan(observed, self._clock.now(), self._rules)
        if planned.error:
            _log.info("rollout %s: %s", key, planned.error)
        try:
            await self._applier.apply(observed.raw, planned)
        except CreationRefusedError as refused:
            said = plan_of_refusal(observed, refused.name, str(refused), self._clock.now())
            await self._applier.apply(observed.raw, said)
            raise
        return planned.wake_at


def rollout_watches(cache: Cache) -> Mapping[Informer, ToKeys]:
    """Which rollouts to look at when something changes."""
    watches: dict[Informer, ToKeys] = {cache.informers[ROLLOUT]: own_key}
    for kind in (ANALYSIS_RUN, EXPERIMENT):
        watches[cache.informers[kind]] = owner_key(ROLLOUT)
    for kind in REFERENCED:
        watches[cache.informers[kind]] = _referrer_keys(cache, kind)
    return watches


def comings_and_goings(recorder: Recorder) -> Listener:
    """Tell of every rollout that the cache takes in, after a start of the controller too, and of those that go."""

    def tell(change: Change) -> None:
        namespace, name = change.key
        if change.old is None and change.new is not None:
            added = Emit("RolloutAddedToInformer", f"Rollout resource added to informer: {namespace}/{name}")
            recorder.record(change.new, added)
        elif change.new is None and change.old is not None:
            # In this order in Argo too.
            recorder.record(change.old, Emit("RolloutDeleted", f"Rollout {name}/{namespace} is deleted."))

    return tell


def _referrer_keys(cache: Cache, kind: Kind) -> ToKeys:
    owners = owner_key(ROLLOUT)

    def keys(change: Change) -> Iterable[Key]:
        if kind == SERVICE and cache.is_own_service_write(change):
            # The plan has a time of its own to look again after it switched a Service.
            return ()
        owned: Iterable[Key] = owners(change) if kind == REPLICA_SET else ()
        return {*owned, *cache.referrers(kind, change.key)}

    return keys
