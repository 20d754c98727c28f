"""Choosing a host of a cluster: state in, choice out."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar

from meshsim.api.networking import ConsistentHash, LoadBalancer, seconds
from meshsim.kit.chance import Draw
from meshsim.mesh.hashring import DEFAULT_RING_SIZE, DEFAULT_TABLE_SIZE, Layout, Place, maglev, ring
from meshsim.mesh.steps import Steps


class Candidate(Protocol):
    """A host as balancers see it."""

    active: int
    """Requests in flight."""
    added_at: float
    """When it joined the cluster, in the clock of `now`."""

    @property
    def name(self) -> bytes:
        """Its address, `ip:port`."""


C = TypeVar("C", bound=Candidate)
Chosen_co = TypeVar("Chosen_co", bound=Candidate, covariant=True)


class Balancer(Protocol[Chosen_co]):
    """Picks one of the hosts it was last given."""

    def pick(self, draw: Draw, key: int | None, now: float) -> Chosen_co:
        """A host; there is at least one."""


class Warmup:
    """A new host's share grows from a minimum to its full size."""

    __slots__ = ("aggression", "duration_s", "minimum")

    def __init__(self, duration_s: float, minimum: float, aggression: float) -> None:
        self.duration_s = duration_s
        self.minimum = minimum
        self.aggression = aggression

    def factor(self, age_s: float) -> float:
        """The share of a host that age, at most 1."""
        if age_s >= self.duration_s:
            return 1.0
        grown: float = (max(age_s, 0.0) / self.duration_s) ** (1.0 / self.aggression)
        return max(self.minimum, grown)


class LeastRequest(Generic[C]):
    """Two hosts at random, the less busy one: Envoy's choice for equal weights."""

    __slots__ = ("_hosts",)

    def __init__(self, hosts: Sequence[C]) -> None:
        self._hosts = hosts

    def pick(self, draw: Draw, key: int | None, now: float) -> C:  # noqa: ARG002
        hosts = self._hosts
        count = len(hosts)
        if count == 1:
            return hosts[0]
        one, other = hosts[int(draw() * count)], hosts[int(draw() * count)]
        return other if other.active < one.active else one


class RoundRobin(Generic[C]):
    """Each in turn."""

    __slots__ = ("_hosts", "_next")

    def __init__(self, hosts: Sequence[C], first: int = 0) -> None:
        self._hosts = hosts
        self._next = first

    def pick(self, draw: Draw, key: int | None, now: float) -> C:  # noqa: ARG002
        at = self._next % len(self._hosts)
        self._next = at + 1
        return self._hosts[at]


class RandomChoice(Generic[C]):
    """Any, all alike."""

    __slots__ = ("_hosts",)

    def __init__(self, hosts: Sequence[C]) -> None:
        self._hosts = hosts

    def pick(self, draw: Draw, key: int | None, now: float) -> C:  # noqa: ARG002
        return self._hosts[int(draw() * len(self._hosts))]


class WarmingUp(Generic[C]):
    """By share while some hosts are new; `then` is asked once all of them have grown."""

    __slots__ = ("_hosts", "_then", "_warm_at", "_warmup")

    def __init__(self, hosts: Sequence[C], warmup: Warmup, then: Balancer[C]) -> None:
        self._hosts = hosts
        self._warmup = warmup
        self._then = then
        self._warm_at = max(host.added_at for host in hosts) + warmup.duration_s

    def pick(self, draw: Draw, key: int | None, now: float) -> C:
        if now >= self._warm_at:
            return self._then.pick(draw, key, now)
        shares = [self._warmup.factor(now - host.added_at) / (host.active + 1) for host in self._hosts]
        left = draw() * sum(shares)
        for host, share in zip(self._hosts, shares, strict=True):
            left -= share
            if left < 0:
                return host
        return self._hosts[-1]


class Consistent(Generic[C]):
    """The host that the key belongs to; a random key when there is none.

    Laying hosts out takes long. Until it is done a key stays where it was, if that host is still there, and the
    other keys are dealt out among the hosts.
    """

    __slots__ = ("_hosts", "_laid_out", "_layout", "_members", "_place")

    def __init__(self, hosts: Sequence[C], layout: Layout) -> None:
        self._layout = layout
        self._place: Place | None = None
        self._laid_out: Sequence[C] = ()
        self._hosts = hosts
        self._members: Collection[C] = frozenset(hosts)

    def follow(self, hosts: Sequence[C]) -> None:
        """There are these hosts from now on; there is at least one."""
        self._hosts = hosts
        self._members = frozenset(hosts)

    def lay_out(self) -> Steps[None]:
        """Lay out the hosts, and those that are there by then, until there are no others."""
        while self._laid_out is not self._hosts:
            hosts = self._hosts
            self._place = yield from self._layout([host.name for host in hosts])
            self._laid_out = hosts

    def pick(self, draw: Draw, key: int | None, now: float) -> C:  # noqa: ARG002
        hosts = self._hosts
        if key is None:
            key = int(draw() * 2**64)
        if self._place is not None:
            host = self._laid_out[self._place(key)]
            if self._laid_out is hosts or host in self._members:
                return host
        return hosts[key % len(hosts)]


def balancer_of(policy: LoadBalancer | None, hosts: Sequence[C], draw: Draw) -> Balancer[C]:
    """The balancer that a policy asks for, over these hosts; LEAST_REQUEST is the default.

    A consistent one has still to lay them out.
    """
    if policy is None:
        return LeastRequest(hosts)
    if policy.consistent_hash is not None:
        return Consistent(hosts, _layout(policy.consistent_hash))
    if policy.simple == "RANDOM":
        return RandomChoice(hosts)
    even: Balancer[C] = LeastRequest(hosts)
    if policy.simple == "ROUND_ROBIN":
        even = RoundRobin(hosts, int(draw() * len(hosts)))
    warmup = _warmup(policy)
    return even if warmup is None else WarmingUp(hosts, warmup, even)


def _layout(consistent: ConsistentHash) -> Layout:
    if consistent.maglev is not None:
        return partial(maglev, table_size=consistent.maglev.table_size or DEFAULT_TABLE_SIZE)
    given = consistent.ring_hash.minimum_ring_size if consistent.ring_hash else consistent.minimum_ring_size
    return partial(ring, minimum_size=given or DEFAULT_RING_SIZE)


def _warmup(policy: LoadBalancer) -> Warmup | None:
    given = policy.warmup
    duration_s = seconds(given.duration if given else policy.warmup_duration_secs)
    if not duration_s:
        return None
    minimum = given.minimum_percent if given and given.minimum_percent is not None else 10.0
    return Warmup(duration_s, minimum / 100.0, (given.aggression if given else None) or 1.0)
