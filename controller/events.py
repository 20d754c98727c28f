"""Kubernetes events, written beside the work: none of it waits for them or fails because of them.

As client-go does, an event that is repeated is counted up, and more than ten alike become one. Unlike there, no
object is silenced for telling much: in a fast release the end of the story would be missing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from controller.rollout.actions import Emit
from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT
from meshsim.api.meta import Key
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import to_rfc3339

_log: Final = logging.getLogger(__name__)

_COMPONENT: Final = "rollouts-controller"
_QUEUED: Final = 10_000
_REMEMBERED: Final = 4096
_MOST_ALIKE: Final = 10
_ALIKE_WITHIN_S: Final = 600.0

Value = TypeVar("Value")


@dataclass(slots=True)
class _Written:
    name: str
    count: int = 1


@dataclass(slots=True)
class _Alike:
    messages: set[str] = field(default_factory=set)
    last_s: float = 0.0


class EventRecorder:
    """Writes what is recorded while `run` runs."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.dropped = 0
        self._api = api
        self._clock = clock
        self._queue: asyncio.Queue[tuple[Object, Emit, str, float]] = asyncio.Queue(_QUEUED)
        self._written: OrderedDict[Hashable, _Written] = OrderedDict()
        self._alike: OrderedDict[Hashable, _Alike] = OrderedDict()
        self._made = 0

    def record(self, about: Object, event: Emit, component: str = _COMPONENT) -> None:
        """Take note of an event about an object and of who tells it; it is written soon."""
        try:
            self._queue.put_nowait((about, event, component, self._clock.now()))
        except asyncio.QueueFull:
            if not self.dropped:
                _log.warning("events come faster than they can be written: some are lost")
            self.dropped += 1

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            about, event, component, instant = await self._queue.get()
            try:
                await self._write(about, event, component, instant)
            except ApiError as error:
                _log.info("an event about %s is lost: %s", about["metadata"]["name"], error)
            finally:
                self._queue.task_done()

    async def drained(self) -> None:
        """Wait until everything recorded so far is written."""
        await self._queue.join()

    async def _write(self, about: Object, event: Emit, component: str, instant: float) -> None:
        kind = (about["metadata"].get("uid") or "", event.type, event.reason)
        is_one_of_many = self._are_many(kind, event.message, instant)
        key = (*kind, "") if is_one_of_many else (*kind, event.message)
        message = f"(combined from similar events): {event.message}" if is_one_of_many else event.message
        written = self._written.get(key)
        if written is None or not await self._count_up(about, written, message, instant):
            written = _Written(f"{about['metadata']['name']}.{self._stamp(instant)}")
            await self._api.create(EVENT, _event(about, event, component, message, written.name, instant))
        _remember(self._written, key, written)

    async def _count_up(self, about: Object, written: _Written, message: str, instant: float) -> bool:
        """Count a repeated event; false when its object is gone meanwhile."""
        patch = {"count": written.count + 1, "message": message, "lastTimestamp": to_rfc3339(instant)}
        key = Key(about["metadata"].get("namespace") or "default", written.name)
        try:
            await self._api.patch(EVENT, key, patch)
        except NotFoundError:
            return False
        written.count += 1
        return True

    def _stamp(self, instant: float) -> str:
        """Names an event: the instant, made unique."""
        self._made += 1
        return f"{int(instant * 1_000_000_000) + self._made:x}"

    def _are_many(self, kind: Hashable, message: str, instant: float) -> bool:
        """More than ten different messages of one kind within ten minutes."""
        alike = self._alike.get(kind) or _Alike(last_s=instant)
        if instant - alike.last_s > _ALIKE_WITHIN_S:
            alike = _Alike()
        if len(alike.messages) <= _MOST_ALIKE:
            alike.messages.add(message)
        alike.last_s = instant
        _remember(self._alike, kind, alike)
        return len(alike.messages) > _MOST_ALIKE


def _remember(known: OrderedDict[Hashable, Value], key: Hashable, value: Value) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _event(about: Object, event: Emit, component: str, message: str, name: str, instant: float) -> Object:
    metadata, stamp = about["metadata"], to_rfc3339(instant)
    namespace = metadata.get("namespace") or "default"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "namespace": namespace,
            "uid": metadata.get("uid") or "",
            "resourceVersion": metadata.get("resourceVersion") or "",
        },
        "reason": event.reason,
        "message": message,
        "type": event.type,
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }
