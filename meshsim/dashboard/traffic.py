"""What the proxies count of each version: requests and errors a second, from one scrape to the next."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from meshsim.kit.clock import Clock

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_METRIC: Final = "istio_requests_total"


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests and failed requests of one version in a second."""

    requests: float
    errors: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests and failures by version since the proxy started."""

    requests: Counter[str]
    errors: Counter[str]


def counts_in(exposition: str) -> Counts:
    """The counts in the text of a proxy's metrics. An error is a 5xx, or no answer at all."""
    counts = Counts(Counter(), Counter())
    lines = [line for line in exposition.splitlines() if line.startswith(_METRIC)]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.labels.get("reporter") == "destination":
                continue
            version = sample.labels.get("destination_version", "unknown")
            counts.requests[version] += int(sample.value)
            if sample.labels.get("response_code", "")[:1] in ("5", "0"):
                counts.errors[version] += int(sample.value)
    return counts


def rates_between(before: Counts, after: Counts, seconds: float) -> dict[str, Rate]:
    """What happened between two scrapes, by version. A proxy that started anew began at zero."""
    return {
        version: Rate(
            _increase(before.requests[version], total) / seconds,
            _increase(before.errors[version], after.errors[version]) / seconds,
        )
        for version, total in after.requests.items()
    }


def _increase(before: int, after: int) -> int:
    return after - before if after >= before else after


class Traffic:
    """The rates of the proxies at some addresses, for any number of viewers. `clock` is real time, as traffic is."""

    def __init__(self, urls: Iterable[str], clock: Clock) -> None:
        self._urls = tuple(urls)
        self._clock = clock

    async def rates(self, every_s: float) -> dict[str, Rate] | None:
        """The rates over the next `every_s` seconds; None when a proxy cannot be asked."""
        if not self._urls:
            await self._clock.sleep(every_s)
            return None
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            try:
                before, started = await self._counts(session), self._clock.monotonic()
                await self._clock.sleep(every_s)
                return rates_between(before, await self._counts(session), self._clock.monotonic() - started)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                await self._clock.sleep(every_s)
                return None

    async def _counts(self, session: aiohttp.ClientSession) -> Counts:
        total = Counts(Counter(), Counter())
        for url in self._urls:
            async with session.get(url) as reply:
                reply.raise_for_status()
                counts = counts_in(await reply.text())
            total.requests.update(counts.requests)
            total.errors.update(counts.errors)
        return total
