"""Following a rollout: one look at it and all that belongs to it, or another look whenever something changed."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, EXPERIMENT, POD, REPLICA_SET, Kind
from meshsim.api.meta import Key
from meshsim.cli.argo.views import Objects
from meshsim.client.api import Api
from meshsim.client.informer import Informer
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner

Show = Callable[[Object, Objects], bool]
"""Shows what there is; true when nothing more is to be shown."""

_PARTS: Final = (REPLICA_SET, POD, EXPERIMENT, ANALYSIS_RUN)
_REDRAW_EVERY_S: Final = 1.0
_AT_MOST_EVERY_S: Final = 0.2


async def look(api: Api, kind: Kind, key: Key) -> tuple[Object, Objects]:
    """The object, and everything in its namespace that may belong to it. Raises ApiError."""
    obj = await api.get(kind, key)
    parts = [(await api.list(part, key.namespace)).items for part in _PARTS]
    return obj, Objects(*parts)


async def follow(api: Api, kind: Kind, key: Key, show: Show) -> None:
    """Show it at once, after every change (not more than five times a second) and each second, until `show` is done.

    Raises NotFoundError when it isn't there at first; one that is deleted later stays as it was.
    """
    obj = await api.get(kind, key)
    changed = asyncio.Event()
    informers = {one: Informer(api, one, namespace=key.namespace) for one in (kind, *_PARTS)}
    wall = LoopClock()
    async with TaskOwner() as tasks:
        for one, informer in informers.items():
            informer.on_change(lambda _: changed.set())
            tasks.start(informer.run(), f"informer of {one}")
        for informer in informers.values():
            await informer.synced.wait()
        while True:
            changed.clear()
            obj = informers[kind].get(key) or obj
            if show(obj, Objects(*(list(informers[part].all()) for part in _PARTS))):
                return
            await wall.sleep(_AT_MOST_EVERY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _REDRAW_EVERY_S - _AT_MOST_EVERY_S)
