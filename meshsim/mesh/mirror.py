"""Which requests are copied, and to where."""

from collections.abc import Callable
from dataclasses import dataclass

from meshsim.api.networking import Destination, HttpRoute, Percent
from meshsim.kit.chance import Draw
from meshsim.mesh.fault import hits, share_of

_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """A cluster that gets copies of a share (in millionths) of a route's requests."""

    cluster: str
    share: int

    def hits(self, draw: Draw) -> bool:
        """Whether this request is copied."""
        return hits(self.share, draw)


def compile_mirrors(route: HttpRoute, cluster_of: Callable[[Destination], str]) -> tuple[MirrorPolicy, ...]:
    """Every mirror of a rule that can ever get a copy; an absent percentage means all requests."""
    given: list[tuple[Destination, Percent | None]] = [(m.destination, m.percentage) for m in route.mirrors]
    if route.mirror is not None:
        whole = route.mirror_percent if route.mirror_percent is not None else route.mirror_percent_snake
        percent = route.mirror_percentage or (None if whole is None else Percent(value=float(whole)))
        given.append((route.mirror, percent))
    policies = (MirrorPolicy(cluster_of(destination), share_of(percent, _ALL)) for destination, percent in given)
    return tuple(policy for policy in policies if policy.share)
