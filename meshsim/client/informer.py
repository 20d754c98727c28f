"""An informer: list, then watch, for ever; a cache of one kind that is always a little behind and never wrong.

Level-triggered: listeners are told what changed so that they know which key to look at, not what to do. A
watch that breaks is resumed from the last version seen; one that fell out of the API's history lists again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.meta import Key, key_of
from meshsim.client.api import ApiError, ExpiredError, ListerWatcher
from meshsim.kit.clock import Clock, LoopClock

_log: Final = logging.getLogger(__name__)
_BACKOFF_S: Final = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Change:
    """An object as it was and as it is; `old` is None when it is new, `new` is None when it is gone."""

    key: Key
    old: Object | None
    new: Object | None


Listener = Callable[[Change], None]


class Informer:
    """A cache of the objects of one kind.

    Run `run()` as a task; wait for `synced` before deciding anything. The clock is for back-off and is real
    time even where pauses are scaled: the network doesn't run faster.
    """

    def __init__(
        self,
        api: ListerWatcher,
        kind: Kind,
        *,
        namespace: str | None = None,
        selector: str = "",
        clock: Clock | None = None,
    ) -> None:
        self.kind = kind
        self.synced = asyncio.Event()
        self._api = api
        self._namespace = namespace
        self._selector = selector
        self._clock = clock or LoopClock()
        self._cache: dict[Key, Object] = {}
        self._version = ""
        self._listeners: list[Listener] = []

    def __repr__(self) -> str:
        return f"<Informer {self.kind}: {len(self._cache)} objects at {self._version or 'nothing yet'}>"

    def on_change(self, listener: Listener) -> None:
        """Call the listener for every change from now on, after the cache has it."""
        self._listeners.append(listener)

    def get(self, key: Key) -> Object | None:
        """The object as last seen. Shared: copy before changing."""
        return self._cache.get(key)

    def all(self) -> Iterator[Object]:
        """Every object as last seen."""
        return iter(list(self._cache.values()))

    def learn(self, obj: Object) -> None:
        """Take in an object that a write of our own returned, so that the next look doesn't miss it.

        Ignored when the watch has already come that far: then it brought this, something newer, or its end.
        """
        if not self._version or _version_of(obj) > int(self._version):
            self._store_newer(obj)

    async def run(self) -> None:
        """List and watch until cancelled."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._list()
                async for event in self._api.watch(self.kind, self._version, self._namespace, selector=self._selector):
                    failures = 0
                    self._take(event.type, event.object)
            except ExpiredError:
                self._version = ""
            except ApiError as error:
                _log.log(logging.DEBUG if failures == 0 else logging.INFO, "%s: %s", self.kind, error)
            # However a watch ended: one that brings nothing again and again must not become a busy loop.
            await self._clock.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    async def _list(self) -> None:
        listing = await self._api.list(self.kind, self._namespace, selector=self._selector)
        present = {key_of(obj) for obj in listing.items}
        for key in [key for key in self._cache if key not in present]:
            self._drop(key)
        for obj in listing.items:
            known = self._cache.get(key_of(obj))
            if known is None or _version_of(known) != _version_of(obj):
                self._store(obj)
        self._version = listing.resource_version
        self.synced.set()

    def _take(self, event_type: str, obj: Object) -> None:
        self._version = obj["metadata"]["resourceVersion"]
        if event_type == "DELETED":
            known = self._cache.get(key_of(obj))
            # An object learned of since then has the same name and is another one.
            if known is not None and _version_of(known) <= _version_of(obj):
                self._drop(key_of(obj))
        elif event_type != "BOOKMARK":
            self._store_newer(obj)

    def _store_newer(self, obj: Object) -> None:
        known = self._cache.get(key_of(obj))
        if known is None or _version_of(known) < _version_of(obj):
            self._store(obj)

    def _store(self, obj: Object) -> None:
        key = key_of(obj)
        old = self._cache.get(key)
        self._cache[key] = obj
        self._tell(Change(key, old, obj))

    def _drop(self, key: Key) -> None:
        old = self._cache.pop(key, None)
        if old is not None:
            self._tell(Change(key, old, None))

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _version_of(obj: Object) -> int:
    # Our API's versions are numbers; etcd's are too.
    return int(obj["metadata"]["resourceVersion"])
