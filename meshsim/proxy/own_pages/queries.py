"""Prometheus' query API on the stats address, over what the proxy counted in the last quarter of an hour."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from meshsim.kit.clock import Clock, LoopClock
from meshsim.proxy.engine import Engine
from meshsim.proxy.own_pages.pages import JSON, Ask, Page
from meshsim.proxy.own_pages.stats import clusters_in_use, own_samples
from meshsim.telemetry.exposition import exposition
from meshsim.telemetry.istio import KINDS, SeriesKey, names_of, numbers_of
from meshsim.telemetry.promql.history import Family, History, Series
from meshsim.telemetry.promql.http_api import Answer, Answering, answering, answering_range, timed_out
from meshsim.telemetry.promql.series_api import (
    answer_build,
    answer_metadata,
    answering_label_values,
    answering_labels,
    answering_series,
)
from meshsim.telemetry.promql.syntax import prepare

KEPT_S: Final = 900
_SLICE_S: Final = 0.002
_SELECTORS: Final = "match[]"
_MOST_WORK_S: Final = 5.0
Add = Callable[[History], None]
"""Adds what was seen to the scrape that a history has begun."""
Sample = Callable[[], Awaitable[Add]]
"""Looks at the metrics."""


class Queries:
    """Keeps a history and answers questions about it. Its time is real: traffic is."""

    def __init__(self, sample: Sample, every_s: float, clock: Clock | None = None) -> None:
        self._sample = sample
        self._every_s = every_s
        self._clock = clock or LoopClock()
        self._history = History(int(KEPT_S / every_s))
        self._is_prepared = False
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Look at the metrics again and again, until cancelled."""
        while True:
            add = await self._sample()
            # At once: a query never sees half a scrape, which would be no data.
            self._history.begin(round(self._clock.now() * 1000))
            add(self._history)
            await self._clock.sleep(self._every_s)

    async def query(self, ask: Ask) -> Page:
        """`/api/v1/query`."""
        await self._prepare()
        return _page(await self._finished(answering(self._history, ask.parameters(), self._clock.now())))

    async def query_range(self, ask: Ask) -> Page:
        """`/api/v1/query_range`."""
        await self._prepare()
        return _page(await self._finished(answering_range(self._history, ask.parameters())))

    async def labels(self, ask: Ask) -> Page:
        """`/api/v1/labels`."""
        await self._prepare()
        return _page(await self._finished(answering_labels(self._history, ask.parameters(), ask.values(_SELECTORS))))

    async def label_values(self, ask: Ask) -> Page:
        """`/api/v1/label/<name>/values`."""
        await self._prepare()
        label, selectors = ask.path().split("/")[-2], ask.values(_SELECTORS)
        return _page(await self._finished(answering_label_values(self._history, label, ask.parameters(), selectors)))

    async def series(self, ask: Ask) -> Page:
        """`/api/v1/series`."""
        await self._prepare()
        return _page(await self._finished(answering_series(self._history, ask.parameters(), ask.values(_SELECTORS))))

    async def metadata(self, ask: Ask) -> Page:
        """`/api/v1/metadata`."""
        return _page(answer_metadata(self._history, ask.parameters()))

    async def build(self, ask: Ask) -> Page:  # noqa: ARG002 - nothing of it matters
        """`/api/v1/status/buildinfo`."""
        return _page(answer_build())

    async def _finished(self, steps: Answering) -> Answer:
        """Work on an answer a slice at a time. All queries together leave half of the processor to the traffic."""
        left_s = _MOST_WORK_S
        while left_s > 0:
            async with self._turn:
                began = self._clock.monotonic()
                while (took := self._clock.monotonic() - began) < _SLICE_S:
                    try:
                        next(steps)
                    except StopIteration as ended:
                        answer: Answer = ended.value
                        return answer
                await self._clock.sleep(took)
            left_s -= took
        return timed_out()

    async def _prepare(self) -> None:
        if not self._is_prepared:
            await asyncio.to_thread(prepare)
            self._is_prepared = True


class EngineSampler:
    """Copies an engine's metrics into a history, those of requests number by number: no text is made of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[SeriesKey, list[list[Series]]] = {}
        self._families = {name: Family(kind) for name, kind in KINDS.items()}

    async def __call__(self) -> Add:
        return self._add

    def _add(self, history: History) -> None:
        history.families.update(self._families)
        for key, series in self._engine.metrics:
            kept = self._kept.get(key)
            if kept is None:
                kept = [[history.series(labels) for labels in names_of(key, reporter)] for reporter in key.reporters]
                self._kept[key] = kept
            numbers = numbers_of(series)
            for reported in kept:
                for known, number in zip(reported, numbers, strict=True):
                    history.add(known, number)
        history.add_text(exposition(own_samples(self._engine, clusters_in_use(self._engine))).decode())


def _page(answer: Answer) -> Page:
    return Page(msgspec.json.encode(answer.body), answer.status, JSON)
