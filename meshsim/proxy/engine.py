"""What every exchange of a proxy shares: the snapshot in force, the living clusters, chance, time, counters."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from meshsim.http1.errors import MessageError
from meshsim.http1.memo import request_heads, response_heads
from meshsim.kit.chance import draws
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.clusters import ClusterPlan
from meshsim.mesh.compile import Snapshot
from meshsim.mesh.endpoints import Workload
from meshsim.mesh.format import FormatContext
from meshsim.mesh.retry import Reset
from meshsim.proxy.cluster import Cluster, Host
from meshsim.proxy.departures import Departures
from meshsim.proxy.heads import DateLine, RequestIds
from meshsim.proxy.memory import Trimmer, system_trim
from meshsim.proxy.peers import Closable, Timed
from meshsim.proxy.settings import Settings
from meshsim.proxy.slices import Slices
from meshsim.proxy.timeouts import TimeoutQueue
from meshsim.proxy.upstream import Upstream
from meshsim.telemetry.istio import NO_WORKLOAD, RequestMetrics

GATEWAY_WORKLOAD: Final = Workload(
    "istio-ingressgateway", "istio-system", "istio-ingressgateway", "unknown", "istio-ingressgateway", "latest"
)
_SWEEP_S: Final = 0.25
_LINGER_S: Final = 1.0


class Engine:
    """The state of a proxy process."""

    def __init__(
        self,
        settings: Settings,
        tasks: TaskOwner,
        *,
        seed: int | None = None,
        sidecar: Workload = NO_WORKLOAD,
        trusted_proxies: int = 0,
    ) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = self.loop.time
        self.snapshot = Snapshot()
        self.clusters: dict[str, Cluster] = {}
        self.split = draws(seed, "split")
        self.chance = draws(seed, "fault")
        self.backoff = draws(seed, "backoff")
        self._balance = partial(draws, seed)
        self.metrics = RequestMetrics()
        self.sources = {True: GATEWAY_WORKLOAD, False: sidecar}
        self.request_ids = RequestIds()
        self.date = DateLine(self.loop)
        self.request_heads = request_heads(settings.max_head_bytes)
        self.response_heads = response_heads()
        self.mirror = draws(seed, "mirror")
        self.trusted_proxies = trusted_proxies
        self.connections: set[Closable] = set()
        self.connections_refused = 0
        self.is_draining = False
        self.tells_to_close = False
        """Every response asks its client to close the connection."""
        self.health_is_failed = False
        self._lets_clients_go = False
        self.drained = asyncio.Event()
        self.refusals: dict[tuple[int, str], int] = {}
        self.access_log: Callable[[FormatContext], None] | None = None
        header_s, body_s = settings.header_timeout_s, settings.body_timeout_s
        self.header_timeouts = None if header_s is None else TimeoutQueue(self.loop, header_s, _expire)
        self.body_timeouts = None if body_s is None else TimeoutQueue(self.loop, body_s, _end_stalled)
        self.idle_timeouts = TimeoutQueue(self.loop, settings.idle_timeout_s, _expire)
        self.lingering = TimeoutQueue(self.loop, _LINGER_S, _expire)
        self.departures = Departures(self.loop)
        self._slices = Slices(self.loop)
        self._response_timeouts: dict[float, TimeoutQueue[Timed]] = {}
        self._per_try_timeouts: dict[float, TimeoutQueue[Timed]] = {}
        self._tasks = tasks

    def response_timeouts(self, duration_s: float) -> TimeoutQueue[Timed]:
        """Exchanges whose route allows that long."""
        queue = self._response_timeouts.get(duration_s)
        if queue is None:
            queue = self._response_timeouts[duration_s] = TimeoutQueue(self.loop, duration_s, _end_late)
        return queue

    def per_try_timeouts(self, duration_s: float) -> TimeoutQueue[Timed]:
        """Exchanges whose route allows that long for an attempt."""
        queue = self._per_try_timeouts.get(duration_s)
        if queue is None:
            queue = self._per_try_timeouts[duration_s] = TimeoutQueue(self.loop, duration_s, _end_attempt)
        return queue

    def refused(self, error: MessageError) -> None:
        """Count a message that was no acceptable request."""
        key = (error.status, error.details)
        self.refusals[key] = self.refusals.get(key, 0) + 1

    def tell_to_close(self) -> None:
        """Let clients go from now on, each with its next response."""
        self.tells_to_close = self._lets_clients_go = True

    def fail_health(self, *, is_failed: bool) -> None:
        """Be unready, and let clients go for as long as that lasts, as Envoy does when an operator says so."""
        self.health_is_failed = is_failed
        self.tells_to_close = is_failed or self._lets_clients_go

    def reset_counters(self) -> None:
        """Begin to count anew. Gauges, histograms and what hosts count for themselves go on, as Envoy's do."""
        self.metrics.reset_counters()
        for cluster in self.clusters.values():
            cluster.reset_counters()
        self.connections_refused = 0
        self.refusals.clear()

    def drain(self) -> None:
        """Let exchanges in flight finish; close connections as soon as they have none."""
        self.is_draining = True
        self.tell_to_close()
        for connection in list(self.connections):
            connection.drain()
        self.connection_closed()

    def close(self) -> None:
        """End everything at once: connections on both sides, and what waits."""
        for connection in list(self.connections):
            connection.abort()
        for cluster in self.clusters.values():
            cluster.retire()
        queues: list[TimeoutQueue[Any] | None] = [self.idle_timeouts, self.lingering]
        queues += [self.header_timeouts, self.body_timeouts]
        for queue in (*queues, *self._response_timeouts.values(), *self._per_try_timeouts.values()):
            if queue is not None:
                queue.close()
        self.departures.close()
        self._slices.close()

    def connection_closed(self) -> None:
        """A client connection is gone; the last one ends a drain."""
        if self.is_draining and not self.connections:
            self.drained.set()

    def publish(self, snapshot: Snapshot) -> None:
        """Put a snapshot in force, whole. Exchanges in flight keep the route and cluster they began with."""
        for name, plan in snapshot.clusters.items():
            cluster = self.clusters.get(name)
            if cluster is None:
                self.clusters[name] = self._cluster(plan)
            elif cluster.plan is not plan:
                cluster.update(plan)
        for name in [name for name in self.clusters if name not in snapshot.clusters]:
            self.clusters.pop(name).retire()
        if not self.snapshot.clusters:
            # Nobody has been answered yet, and each key shall begin where it belongs.
            self._slices.finish()
        self.snapshot = snapshot

    def _cluster(self, plan: ClusterPlan) -> Cluster:
        draw = self._balance(f"balance/{plan.name}")
        return Cluster(plan, draw, self.now, self._dial, self._refresh_later, self._slices.start)

    def _refresh_later(self, cluster: Cluster, wait_s: float) -> None:
        self.loop.call_later(wait_s, cluster.refresh)

    def _dial(self, host: Host) -> None:
        self._tasks.start(self._connect(host), f"dial {host.address}")

    async def _connect(self, host: Host) -> None:
        timeout_s = host.cluster.plan.limits.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                _, upstream = await self.loop.create_connection(
                    lambda: Upstream(host, self.response_heads), host.endpoint.ip, host.endpoint.port
                )
        except TimeoutError:
            host.dial_failed(Reset.CONNECTION_TIMEOUT)
        except OSError:
            host.dial_failed(Reset.CONNECTION_FAILURE)
        else:
            upstream.connected()

    async def sweep(self) -> None:
        """Close upstream connections that were idle too long; give ejected hosts their chance. Runs for ever."""
        looked_at: dict[str, float] = {}
        clock = LoopClock()
        trimmer = Trimmer(system_trim())
        while True:
            await clock.sleep(_SWEEP_S)
            trimmer.look(len(self.connections))
            now = self.now()
            for cluster in list(self.clusters.values()):
                cluster.close_idle(now - cluster.plan.limits.idle_timeout_s)
            for cluster in list(self.clusters.values()):
                policy = cluster.plan.outlier
                if policy is not None and now - looked_at.get(cluster.name, 0.0) >= policy.interval_s:
                    looked_at[cluster.name] = now
                    cluster.look_at_ejected()


def _expire(connection: Closable) -> None:
    connection.expire()


def _end_late(exchange: Timed) -> None:
    exchange.on_response_timeout()


def _end_attempt(exchange: Timed) -> None:
    exchange.on_per_try_timeout()


def _end_stalled(exchange: Timed) -> None:
    exchange.on_body_timeout()
