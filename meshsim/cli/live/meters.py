"""What the node and the proxy say of themselves over HTTP."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from meshsim.api.decode import Object, read_json
from meshsim.cli.live.configured import Split
from meshsim.cli.live.cpu import Usage, usage_by_pod

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class ProxyCounts:
    """How many requests the proxy has answered, and how often it has sent one to a pod."""

    requests: int
    attempts: int


class Meters:
    """The addresses of one mesh. Open it with `async with`; every method raises aiohttp.ClientError or TimeoutError."""

    def __init__(self, addresses: Mapping[str, str], host: str) -> None:
        self._addresses = addresses
        self._host = host
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def status(self) -> int:
        """The status that the host answers with through the proxy."""
        async with self._open().get(self._addresses["traffic"] + "/", headers={"Host": self._host}) as reply:
            await reply.read()
            return reply.status

    async def usage(self) -> dict[str, Usage]:
        """What each pod has used."""
        return usage_by_pod(await self._text(self._addresses["node"] + "/metrics"))

    async def split(self) -> Split:
        """The split that the proxy has now: its weights, and the versions of its endpoints."""
        admin = self._addresses["admin"]
        dump = read_json(await self._text(admin + "/config_dump"))
        return proxy_split(dump, await self._text(admin + "/clusters"), self._host)

    async def proxy_counts(self) -> ProxyCounts:
        """The proxy's own count of everything so far."""
        return proxy_counts(await self._text(self._addresses["stats"] + "/stats/prometheus"))

    async def _text(self, url: str) -> str:
        async with self._open().get(url) as reply:
            reply.raise_for_status()
            return await reply.text()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Meters are used inside `async with`")
        return self._session


def proxy_split(config_dump: Object, clusters: str, host: str) -> Split:
    """The shares by version of a host's first route, from `/config_dump` and the text of `/clusters`. Pure."""
    versions = _versions_by_cluster(clusters)
    shares: dict[str, float] = defaultdict(float)
    weights = _weights(config_dump, host)
    for cluster, weight in weights.items():
        behind = versions[cluster] if weight else Counter[str]()
        for version, count in behind.items():
            shares[version] += weight / sum(weights.values()) * count / behind.total()
    return dict(shares)


def _weights(config_dump: Object, host: str) -> dict[str, int]:
    for config in config_dump["configs"]:
        for dynamic in config.get("dynamic_route_configs", ()):
            for virtual_host in dynamic["route_config"]["virtual_hosts"]:
                if host in virtual_host["domains"]:
                    action = virtual_host["routes"][0]["route"]
                    weighted = action.get("weighted_clusters") or {
                        "clusters": [{"name": action["cluster"], "weight": 1}]
                    }
                    return {one["name"]: one["weight"] for one in weighted["clusters"]}
    return {}


def _versions_by_cluster(clusters: str) -> dict[str, Counter[str]]:
    versions: dict[str, Counter[str]] = defaultdict(Counter)
    for line in clusters.splitlines():
        cluster, *rest = line.split("::")
        if len(rest) == 3 and rest[1] == "version":
            versions[cluster][rest[2]] += 1
    return versions


def proxy_counts(stats: str) -> ProxyCounts:
    """Read them from the text of `/stats/prometheus`. Pure."""
    requests = attempts = 0.0
    for family in text_string_to_metric_families(stats):
        for sample in family.samples:
            if sample.name == "istio_requests_total" and sample.labels["reporter"] == "source":
                requests += sample.value
            elif sample.name == "envoy_cluster_upstream_rq_total":
                attempts += sample.value
    return ProxyCounts(int(requests), int(attempts))
