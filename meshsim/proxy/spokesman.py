"""The parent of several workers speaks for them: its pages are made from theirs."""

import asyncio
from collections.abc import Callable, Mapping

from meshsim.proxy.own_pages.admin import DONE
from meshsim.proxy.own_pages.drain import Drain
from meshsim.proxy.own_pages.pages import JSON, TEXT, Ask, Page
from meshsim.proxy.own_pages.queries import Add
from meshsim.proxy.own_pages.statuses import clusters_page, merged_clusters
from meshsim.proxy.workers import Worker, asked
from meshsim.telemetry.exposition import CONTENT_TYPE, merged


class Spokesman:
    """Asks each of the workers there are at that moment; `end` ends them all."""

    def __init__(self, workers: Mapping[int, Worker], drain: Drain, end: Callable[[], None]) -> None:
        self._workers = workers
        self._drain = drain
        self._end = end
        self.health_is_failed = False

    async def ready(self, _: Ask) -> Page:
        answers = await self._each("GET", "/ready")
        status, text = max(answers, default=(503, "PRE_INITIALIZING\n"))
        return Page.text(text, status)

    async def stats(self, _: Ask) -> Page:
        return Page((await self._merged_stats()).encode(), kind=CONTENT_TYPE)

    async def clusters(self, ask: Ask) -> Page:
        return clusters_page(merged_clusters([text for _, text in await self._each("GET", "/clusters")]), ask)

    async def listeners(self, ask: Ask) -> Page:
        return await self._first("GET", ask)

    async def config_dump(self, ask: Ask) -> Page:
        return await self._first("GET", ask)

    async def server_info(self, ask: Ask) -> Page:
        return await self._first("GET", ask)

    async def lag(self, ask: Ask) -> Page:
        return await self._first("GET", ask)

    async def change_lag(self, ask: Ask) -> Page:
        return await self._first("PUT", ask)

    async def drain_listeners(self, ask: Ask) -> Page:
        self._drain.begin(ask.query)
        await self._each("POST", ask.target)
        return DONE

    async def fail_health(self, ask: Ask) -> Page:
        self.health_is_failed = True
        await self._each("POST", ask.target)
        return DONE

    async def mend_health(self, ask: Ask) -> Page:
        self.health_is_failed = False
        await self._each("POST", ask.target)
        return DONE

    async def reset_counters(self, ask: Ask) -> Page:
        await self._each("POST", ask.target)
        return DONE

    async def stop_listening(self) -> None:
        """Let every worker there is now close its listeners."""
        await self._each("POST", "/drain_listeners")

    async def quit(self, _: Ask) -> Page:
        self._end()
        return DONE

    async def sample(self) -> Add:
        """The workers' counters, added up."""
        text = await self._merged_stats()
        return lambda history: history.add_text(text)

    async def _merged_stats(self) -> str:
        return merged([text for _, text in await self._each("GET", "/stats/prometheus")])

    async def _first(self, method: str, ask: Ask) -> Page:
        """What one of them says to it, all say."""
        answers = await self._each(method, ask.target)
        status, text = answers[0] if answers else (503, "no worker answers\n")
        return Page(text.encode(), status, JSON if text.startswith("{") else TEXT)

    async def _each(self, method: str, target: str) -> list[tuple[int, str]]:
        """What every worker answers; one that is just ending is left out."""
        addresses = [worker.addresses["admin"] for worker in self._workers.values()]
        answers = await asyncio.gather(*(asked(address, method, target) for address in addresses))
        return [answer for answer in answers if answer is not None]
