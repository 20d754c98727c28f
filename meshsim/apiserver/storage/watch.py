"""A watch: the events of a selection from some version on, for a reader that may be slow.

The store pushes, the reader pulls. A reader that falls too far behind is cut off rather than waited for: it
resumes from the last version it saw.
"""

import asyncio
from collections import deque
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.apiserver.storage.selection import Selection, Told, seen
from meshsim.apiserver.storage.store import Event, Store

MAX_BEHIND: Final = 1000
"""Events that may wait for one reader."""


_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class Watch:
    """Events of a selection after `version`; without a version, first what is there now as ADDED.

    Raises ExpiredError when the history doesn't reach back to that version.
    """

    def __init__(self, store: Store, kind: Kind, selection: Selection, version: int | None) -> None:
        self._store = store
        self._kind = kind
        self._selection = selection
        self._ended = False
        self._woken = asyncio.Event()
        self._waiting: deque[Told] = deque()
        if version is None:
            present = store.all_published(kind, selection.namespace)
            self._waiting.extend(Told("ADDED", obj) for obj in present if selection.matches(obj))
        else:
            for event in store.since(kind, version):
                self._take(event)
        self._unfollow = store.follow(kind, self._push)

    async def next(self) -> list[Told]:
        """What happened since the last call, waiting for something to happen; empty when the watch has ended."""
        if not self._waiting and not self._ended:
            self._woken.clear()
            await self._woken.wait()
        told = list(self._waiting)
        self._waiting.clear()
        return told

    def bookmark(self, *, ends_initial_events: bool = False) -> None:
        """Tell the reader how far the history has come, so that it can resume from there."""
        metadata: Object = {"resourceVersion": str(self._store.version)}
        if ends_initial_events:
            metadata["annotations"] = {_INITIAL_EVENTS_END: "true"}
        bookmark = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        self._waiting.append(Told("BOOKMARK", bookmark))
        self._woken.set()

    def end(self) -> None:
        """Nothing more comes; the reader still gets what waits."""
        self._ended = True
        self._unfollow()
        self._woken.set()

    def _take(self, event: Event) -> None:
        told = seen(self._selection, event)
        if told is not None:
            self._waiting.append(told)

    def _push(self, event: Event) -> None:
        self._take(event)
        if len(self._waiting) > MAX_BEHIND:
            self._waiting.clear()
            self.end()
        elif self._waiting:
            self._woken.set()
