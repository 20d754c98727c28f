"""Runs reconcilers: informers tell keys, a workqueue orders them, workers reconcile them.

    manager = Manager(api, clock)
    pods, replica_sets = manager.informer(POD), manager.informer(REPLICA_SET)
    manager.add("replicaset", reconciler, {replica_sets: own_key, pods: owner_key(REPLICA_SET)})
    async with manager: ...

Level-triggered: a key says what to look at, never what happened. A reconciler that raises ApiError is tried again
after a back-off; one that raises anything else has a bug, which is logged with its key, counted and tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Final, Protocol, Self

from controller.workqueue import Workqueue
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import OnFailure, TaskOwner

_log: Final = logging.getLogger(__name__)
_DRAIN_S: Final = 2.0

ToKeys = Callable[[Change], Iterable[Key]]
"""Which keys to look at after a change."""


class Reconciler(Protocol):
    """Brings one object's world to what its spec asks for."""

    async def reconcile(self, key: Key) -> float | None:
        """Look at the object and act once.

        Returns the instant (`clock.now()` scale) to look again, None when only a change is a reason to. Raises
        ApiError when a read or write failed: it is called again after a back-off.
        """


Measure = Callable[[Reconciler, Informer], Reconciler]
"""Wraps a reconciler so that what it does to the informer's objects is counted."""


def always() -> bool:
    """May act whenever there is something to do."""
    return True


def unmeasured(reconciler: Reconciler, _objects: Informer) -> Reconciler:
    """Count nothing."""
    return reconciler


def own_key(change: Change) -> Iterable[Key]:
    """The changed object itself."""
    return (change.key,)


def owner_key(kind: Kind) -> ToKeys:
    """The controller of the changed object, as it was and as it is, when it is of that kind."""

    def keys(change: Change) -> Iterable[Key]:
        return {
            Key(change.key.namespace, owner["name"])
            for obj in (change.old, change.new)
            if obj is not None
            for owner in obj["metadata"].get("ownerReferences") or ()
            if owner.get("controller") and owner["kind"] == kind.kind
        }

    return keys


@dataclass(slots=True)
class Outcomes:
    """How the reconciles of one controller went."""

    succeeded: int = 0
    refused: int = 0
    """Ended by an ApiError."""
    failed: int = 0
    """Ended by a bug."""


class Controller:
    """One reconciler, its queue and how it fared."""

    def __init__(self, name: str, reconciler: Reconciler, clock: Clock, may_act: Callable[[], bool] = always) -> None:
        self.name = name
        self.queue = Workqueue(clock, name)
        self.outcomes = Outcomes()
        self._reconciler = reconciler
        self._may_act = may_act
        self._faulty: set[Key] = set()

    def watch(self, informer: Informer, to_keys: ToKeys) -> None:
        """Look at those keys whenever an object of the informer changes."""

        def add_keys(change: Change) -> None:
            for key in to_keys(change):
                self.queue.add(key)

        informer.on_change(add_keys)

    async def work(self) -> None:
        """Reconcile key after key until the queue is closed."""
        while (key := await self.queue.get()) is not None:
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: Key) -> None:
        if not self._may_act():
            self.queue.add_after_failure(key)
            return
        try:
            again_at = await self._reconciler.reconcile(key)
        except ApiError as error:
            self.outcomes.refused += 1
            _log.debug("%s %s: %s", self.name, key, error)
            self.queue.add_after_failure(key)
        except Exception:  # noqa: BLE001 - a bug in one reconcile stops no other
            self.outcomes.failed += 1
            if key not in self._faulty:
                self._faulty.add(key)
                _log.exception("%s %s: reconcile failed; it will be tried again", self.name, key)
            self.queue.add_after_failure(key)
        else:
            self.outcomes.succeeded += 1
            self._faulty.discard(key)
            self.queue.forget(key)
            if again_at is not None:
                self.queue.add_at(key, again_at)


class Manager:
    """The reconcilers of one process and the informers they share.

    `on_failure` is told of an informer or a worker that ended though it should not have: nobody takes its place.
    `selectors` are, by kind, the labels of the objects that concern this process. While `may_act` says no, keys wait.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        on_failure: OnFailure | None = None,
        selectors: Mapping[Kind, str] = MappingProxyType({}),
        may_act: Callable[[], bool] = always,
    ) -> None:
        self.controllers: list[Controller] = []
        self._api = api
        self._clock = clock
        self._selectors = selectors
        self._may_act = may_act
        self._informers: dict[Kind, Informer] = {}
        self._worker_counts: list[int] = []
        self._workers: list[asyncio.Task[None]] = []
        self._tasks = TaskOwner(on_failure or _report)

    def informer(self, kind: Kind) -> Informer:
        """The cache of that kind, one for all who ask for it. Ask before the manager starts."""
        selector = self._selectors.get(kind, "")
        return self._informers.setdefault(kind, Informer(self._api, kind, selector=selector))

    def add(
        self, name: str, reconciler: Reconciler, watches: Mapping[Informer, ToKeys], *, workers: int = 4
    ) -> Controller:
        """Reconcile the keys that changes in these informers lead to, up to `workers` keys at once."""
        controller = Controller(name, reconciler, self._clock, self._may_act)
        for informer, to_keys in watches.items():
            controller.watch(informer, to_keys)
        self.controllers.append(controller)
        self._worker_counts.append(workers)
        return controller

    async def __aenter__(self) -> Self:
        """Begin to watch; the workers begin once every cache is filled."""
        for informer in self._informers.values():
            self._tasks.start(informer.run(), f"informer {informer.kind}")
        self._tasks.start(self._start_workers(), "workers")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hand out no more keys, let what is being reconciled end within 2 s, and stop."""
        for controller in self.controllers:
            await controller.queue.close()
        if self._workers:
            await asyncio.wait(self._workers, timeout=_DRAIN_S)
        await self._tasks.close()

    async def synced(self) -> None:
        """Wait until every cache is filled."""
        for informer in self._informers.values():
            await informer.synced.wait()

    async def _start_workers(self) -> None:
        await self.synced()
        for controller, count in zip(self.controllers, self._worker_counts, strict=True):
            for number in range(count):
                self._workers.append(self._tasks.start(controller.work(), f"{controller.name} worker {number}"))


def _report(task: str, failure: Exception) -> None:
    _log.error("%s ended unexpectedly", task, exc_info=failure)
