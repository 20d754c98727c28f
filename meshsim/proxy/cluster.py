"""Clusters as they live: hosts with their connections, balancers, limits, ejections and counters.

A snapshot says what a cluster should be; `Cluster.update` makes the living one so and keeps what still holds.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from meshsim.kit.chance import Draw
from meshsim.mesh.balance import Balancer, Consistent, balancer_of
from meshsim.mesh.circuit import UNLIMITED
from meshsim.mesh.clusters import ClusterPlan
from meshsim.mesh.endpoints import Endpoint
from meshsim.mesh.outlier import HostRecord
from meshsim.mesh.retry import Reset
from meshsim.mesh.steps import Steps
from meshsim.proxy.peers import Connection, UpstreamUser
from meshsim.telemetry.istio import Series

Dial = Callable[["Host"], None]
"""Opens a connection to a host; `connected` or `dial_failed` is called when it is decided."""

_MERGE_WINDOW_S: Final = 1.0
"""Changes of health reach a balancer at most this often (Envoy's update_merge_window)."""
_REPICKS: Final = 5


class Host:
    """One endpoint of a cluster and the connections to it."""

    __slots__ = (
        "active", "added_at", "address", "cluster", "connections", "endpoint", "idle", "name", "record", "retired",
        "rq_error", "rq_success", "rq_total", "series", "waiting",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, cluster: "Cluster", now: float) -> None:
        self.endpoint = endpoint
        self.cluster = cluster
        self.address = f"{endpoint.ip}:{endpoint.port}"
        self.name = self.address.encode()
        self.added_at = now
        self.active = 0
        self.connections = 0
        self.idle: list[Connection] = []
        self.waiting: deque[UpstreamUser] = deque()
        self.record = HostRecord()
        self.retired = False
        self.series: dict[tuple[int, bool], Series] = {}
        """Where requests are counted, by status and whether a gateway sent them."""
        self.rq_total = 0
        self.rq_success = 0
        self.rq_error = 0

    def __repr__(self) -> str:
        return f"<Host {self.address} of {self.cluster.name}>"

    def take(self, user: UpstreamUser) -> None:
        """Take a request: its user gets an open connection, the one used last, waits for one, or hears of neither."""
        self.active += 1
        self.rq_total += 1
        self.cluster.rq_total += 1
        idle = self.idle
        while idle:
            upstream = idle.pop()
            if not upstream.is_closing:
                user.on_connected(upstream)
                return
        reset = self._wait(user)
        if reset is not None:
            user.on_reset(reset)

    def _wait(self, user: UpstreamUser) -> Reset | None:
        """Queue for a connection, opening one when the cluster may; OVERFLOW when too many wait already."""
        cluster = self.cluster
        limits = cluster.plan.limits
        if cluster.pending >= limits.max_pending_requests:
            cluster.overflowed += 1
            return Reset.OVERFLOW
        cluster.pending += 1
        self.waiting.append(user)
        if cluster.connections < limits.max_connections or self.connections == 0:
            self.connections += 1
            cluster.connections += 1
            cluster.dial(self)
        return None

    def leave(self, user: object) -> None:
        """Stop waiting."""
        if user in self.waiting:
            self.waiting.remove(user)  # type: ignore[arg-type] # it is one of them
            self.cluster.pending -= 1

    def next_user(self) -> UpstreamUser | None:
        """Who has waited longest."""
        if not self.waiting:
            return None
        self.cluster.pending -= 1
        return self.waiting.popleft()

    def dial_failed(self, reset: Reset) -> None:
        """A connection could not be opened: whoever waited longest has to know."""
        self.closed()
        self.cluster.connect_failures += 1
        self.failed()
        user = self.next_user()
        if user is not None:
            user.on_reset(reset)

    def closed(self) -> None:
        """A connection is gone, or never came."""
        self.connections -= 1
        self.cluster.connections -= 1
        if self.waiting and self.connections < len(self.waiting):
            # Somebody waits for a connection that the limit did not allow until now.
            limits = self.cluster.plan.limits
            if self.cluster.connections < limits.max_connections and limits.max_connections < UNLIMITED:
                self.connections += 1
                self.cluster.connections += 1
                self.cluster.dial(self)

    def retire(self) -> None:
        """It left the cluster: idle connections go now, busy ones when their exchange is over."""
        self.retired = True
        for upstream in self.idle:
            upstream.close()
        self.idle.clear()

    def answered(self, status: int) -> None:
        """Count a response for outlier detection."""
        policy = self.cluster.plan.outlier
        if policy is not None and self.record.on_response(status, policy):
            self.cluster.eject(self)

    def failed(self) -> None:
        """Count an attempt without a response."""
        policy = self.cluster.plan.outlier
        if policy is not None and self.record.on_failure(policy):
            self.cluster.eject(self)


class Cluster:
    """A living cluster."""

    __slots__ = (
        "_balancer",
        "_draw",
        "_health_changed_at",
        "_in_slices",
        "_layout",
        "_now",
        "_refresh_later",
        "active",
        "available",
        "by_address",
        "connect_failures",
        "connections",
        "connections_total",
        "dial",
        "ejections",
        "name",
        "overflowed",
        "pending",
        "plan",
        "resets",
        "retries",
        "retries_active",
        "retries_overflowed",
        "rq_classes",
        "rq_total",
        "timeouts",
    )  # fmt: skip

    def __init__(
        self,
        plan: ClusterPlan,
        draw: Draw,
        now: Callable[[], float],
        dial: Dial,
        refresh_later: Callable[["Cluster", float], None],
        in_slices: Callable[[Steps[None]], None],
    ) -> None:
        """`in_slices` does long work between the turns of the traffic."""
        self.plan = plan
        self.name = plan.name
        self.dial = dial
        self._draw = draw
        self._now = now
        self._refresh_later = refresh_later
        self._in_slices = in_slices
        self._health_changed_at = -_MERGE_WINDOW_S
        self.by_address: dict[tuple[str, int], Host] = {}
        self.available: tuple[Host, ...] = ()
        self._balancer: Balancer[Host] | None = None
        self._layout: Steps[None] | None = None
        self.active = self.pending = self.connections = self.retries_active = 0
        self.reset_counters()
        self.update(plan)

    def reset_counters(self) -> None:
        """Begin to count anew what only grows."""
        self.connections_total = self.rq_total = self.retries = self.retries_overflowed = self.overflowed = 0
        self.connect_failures = self.timeouts = self.resets = self.ejections = 0
        self.rq_classes = [0] * 10

    def __iter__(self) -> Iterator[Host]:
        return iter(self.by_address.values())

    def update(self, plan: ClusterPlan) -> None:
        """Become what the plan says. Hosts that stay keep their connections and records; others are retired."""
        before, self.plan = self.plan, plan
        if plan.outlier is None and before.outlier is not None:
            for known in self:
                known.record = HostRecord()
        elif self.by_address and (before.endpoints, before.load_balancer) == (plan.endpoints, plan.load_balancer):
            return
        kept: dict[tuple[str, int], Host] = {}
        for endpoint in plan.endpoints:
            address = (endpoint.ip, endpoint.port)
            host: Host | None = self.by_address.pop(address, None)
            if host is None:
                host = Host(endpoint, self, self._now())
            elif host.endpoint != endpoint:
                host.endpoint = endpoint
                host.series = {}
            kept[address] = host
        gone, self.by_address = self.by_address, kept
        for host in gone.values():
            host.retire()
        if before.load_balancer != plan.load_balancer:
            self._balancer = None
        self._rebalance()

    def retire(self) -> None:
        """The cluster is gone."""
        for host in self:
            host.retire()
        self.by_address = {}
        self._rebalance()

    def pick(self, key: int | None, now: float, tried: tuple[Host, ...] = ()) -> Host | None:
        """A host for a request; None when none is available. One that was not tried yet, while there is one."""
        balancer = self._balancer
        if balancer is None:
            return None
        host = balancer.pick(self._draw, key, now)
        if tried and host in tried:
            host = self._other(balancer, key, tried, host)
        return host

    def _other(self, balancer: Balancer[Host], key: int | None, tried: tuple[Host, ...], last: Host) -> Host:
        """Ask the balancer a few times more, as Envoy does; it would then take any host, tried or not."""
        now = self._now()
        for _ in range(_REPICKS):
            host = balancer.pick(self._draw, key, now)
            if host not in tried:
                return host
        return next((host for host in self.available if host not in tried), last)

    def eject(self, host: Host) -> None:
        """Take a host out, if the policy lets one more be out."""
        policy = self.plan.outlier
        out = sum(other.record.is_ejected for other in self)
        if policy is None or host.retired or host.record.is_ejected or not policy.may_eject(out, len(self.by_address)):
            return
        host.record.eject(self._now())
        self.ejections += 1
        self._health_changed()

    def look_at_ejected(self) -> None:
        """What outlier detection does at each interval."""
        policy = self.plan.outlier
        returned = [policy is not None and host.record.look(self._now(), policy) for host in self]
        if any(returned):
            self._health_changed()

    def close_idle(self, before: float) -> None:
        """Close connections that have been idle since before then; the first of each host is the oldest."""
        for host in self:
            while host.idle and host.idle[0].idle_since < before:
                host.idle.pop(0).close()

    def refresh(self) -> None:
        """Let the balancer know which hosts are healthy now."""
        self._health_changed_at = self._now()
        self._rebalance()

    def _health_changed(self) -> None:
        wait_s = self._health_changed_at + _MERGE_WINDOW_S - self._now()
        if wait_s <= 0:
            self.refresh()
        else:
            self._refresh_later(self, wait_s)

    def _rebalance(self) -> None:
        healthy = tuple(host for host in self if not host.record.is_ejected)
        outlier = self.plan.outlier
        is_panic = outlier is not None and outlier.is_panic(len(healthy), len(self.by_address))
        self.available = tuple(self) if is_panic else healthy
        if isinstance(self._balancer, Consistent) and self.available:
            self._balancer.follow(self.available)
            self._lay_out(self._balancer)
            return
        if self._layout is not None:
            self._layout.close()
            self._layout = None
        self._balancer = balancer_of(self.plan.load_balancer, self.available, self._draw) if self.available else None
        if isinstance(self._balancer, Consistent):
            self._lay_out(self._balancer)

    def _lay_out(self, balancer: Consistent[Host]) -> None:
        """Let a balancer lay out its hosts; while it does it notices by itself that there are others."""

        def layout() -> Steps[None]:
            yield from balancer.lay_out()
            self._layout = None

        if self._layout is None:
            self._layout = layout()
            self._in_slices(self._layout)
