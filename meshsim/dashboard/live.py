"""What a page is told while it is open: every change of the objects it shows, the time, the traffic."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import ANALYSIS_RUN, POD, REPLICA_SET, ROLLOUT, Kind
from meshsim.client.api import Api, ApiError
from meshsim.dashboard.traffic import Traffic
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner

SHOWN: Final[tuple[Kind, ...]] = (ROLLOUT, REPLICA_SET, POD, ANALYSIS_RUN)
_TICK_S: Final = 1.0
_MAX_WAITING: Final = 1000
_ENDED: Final = b""


class Live:
    """Streams of messages, one for each page that is open. `clock` is the cluster's, by which pauses are measured."""

    def __init__(self, api: Api, clock: Clock, traffic: Traffic) -> None:
        self._api = api
        self._clock = clock
        self._traffic = traffic

    async def messages(self) -> AsyncIterator[bytes]:
        """JSON messages: first every object as it is, then what changes; it ends when a watch does."""
        waiting: asyncio.Queue[bytes] = asyncio.Queue(_MAX_WAITING)
        async with TaskOwner() as tasks:
            for kind in SHOWN:
                tasks.start(self._follow(kind, waiting), f"dashboard: {kind}")
            tasks.start(self._tick(waiting), "dashboard: time and traffic")
            while message := await waiting.get():
                yield message

    async def _follow(self, kind: Kind, waiting: asyncio.Queue[bytes]) -> None:
        try:
            async for event in self._api.watch(kind, "0"):
                if event.type != "BOOKMARK":
                    change = {"kind": kind.kind, "type": event.type, "object": _shown(event.object)}
                    await waiting.put(write_json(change))
        except ApiError:
            pass  # The page opens the stream again by itself.
        await waiting.put(_ENDED)

    async def _tick(self, waiting: asyncio.Queue[bytes]) -> None:
        while True:
            await waiting.put(write_json({"kind": "Clock", "now": self._clock.now()}))
            rates = await self._traffic.rates(_TICK_S)
            if rates is not None:
                versions = {version: {"rps": rate.requests, "errors": rate.errors} for version, rate in rates.items()}
                await waiting.put(write_json({"kind": "Traffic", "versions": versions}))


def _shown(obj: Object) -> Object:
    """The object without what no page shows."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}
