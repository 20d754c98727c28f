"""Routing as it is used for each request: tables, virtual hosts, routes, destinations. All frozen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from meshsim.kit.chance import Draw
from meshsim.mesh.cors import Cors
from meshsim.mesh.fault import FaultPolicy
from meshsim.mesh.hash_policy import HashPolicy
from meshsim.mesh.headers import Stages
from meshsim.mesh.identity import Role
from meshsim.mesh.match import Matcher
from meshsim.mesh.mirror import MirrorPolicy
from meshsim.mesh.reply import FixedReply, RedirectReply
from meshsim.mesh.request import Request
from meshsim.mesh.retry import NO_RETRIES, RetryPolicy
from meshsim.mesh.rewrite import RewriteTarget
from meshsim.mesh.weights import Weighted


@dataclass(frozen=True, slots=True)
class RouteDestination:
    """Where a route leads and what happens to a request on the way there.

    `plain` promises that nothing does: no operation, rewrite or hash; then `tail` ends the head as it is sent.
    `former_authority` is what an upstream is told of the authority before `authority` replaced it: None stands for the
    client's, and nothing is said of it when it is empty.
    """

    cluster: str
    tail: bytes
    plain: bool = True
    request_stages: Stages = ()
    response_stages: Stages = ()
    authority: bytes | None = None
    former_authority: bytes | None = None
    hashes: tuple[HashPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `reply` answers instead of an upstream; otherwise `destination` or `weighted` leads to one.

    `simple` promises that before an upstream is chosen there is nothing to do: no reply, fault or CORS.
    """

    name: str
    matches: Matcher | None = None
    destination: RouteDestination | None = None
    weighted: Weighted[RouteDestination] | None = None
    reply: FixedReply | RedirectReply | None = None
    simple: bool = True
    fault: FaultPolicy | None = None
    cors: Cors | None = None
    rewrite: RewriteTarget | None = None
    timeout_s: float | None = None
    retries: RetryPolicy = NO_RETRIES
    mirrors: tuple[MirrorPolicy, ...] = ()
    response_stages: Stages = ()
    """Operations on answers that no destination gave."""

    def pick(self, draw: Draw) -> RouteDestination:
        """The destination of a request; a single one draws nothing. Only for routes without a reply."""
        if self.weighted is None:
            assert self.destination is not None
            return self.destination
        return self.weighted.pick(draw)


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """The routes of a host, first match wins; `port` is the number that its listener has in the mesh."""

    name: str
    routes: tuple[Route, ...]
    role: Role
    port: int
    redirects_to_https: bool = False

    def route(self, request: Request) -> Route | None:
        """The first route that matches."""
        for route in self.routes:
            if route.matches is None or route.matches(request):
                return route
        return None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The virtual hosts of a listener; `fallback` says what happens to an authority that has none."""

    role: Role
    port: int
    exact: Mapping[bytes, VirtualHost] = field(default_factory=dict)
    suffixes: Mapping[bytes, VirtualHost] = field(default_factory=dict)
    """What stands for more in front, each with its leading dot."""
    suffix_lengths: tuple[int, ...] = ()
    """How long they are, longest first."""
    star: VirtualHost | None = None
    fallback: "Callable[[bytes], VirtualHost | None] | None" = None

    def find(self, authority: bytes) -> VirtualHost | None:
        """The virtual host of an authority: exact before the longest wildcard before `*`; ports don't count."""
        found = self.exact.get(authority)
        if found is not None:
            return found
        host = host_of(authority)
        found = self.exact.get(host)
        if found is not None:
            return found
        size = len(host)
        for length in self.suffix_lengths:
            found = self.suffixes.get(host[-length:])
            if found is not None and size > length:
                return found
        if self.star is not None:
            return self.star
        return self.fallback(authority) if self.fallback is not None else None


def host_of(authority: bytes) -> bytes:
    """The authority in lower case without its port."""
    host = authority.lower()
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


EMPTY_TABLE: Final = RouteTable(Role.GATEWAY, 80)
