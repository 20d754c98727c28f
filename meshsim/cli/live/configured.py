"""Which share of the traffic each version is configured to get: weights × the endpoints behind them. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from meshsim.api.core import SERVICE_NAME_LABEL, EndpointSlice
from meshsim.api.networking import HttpRoute

Split = Mapping[str, float]
"""Version → share, 0 to 1. Empty while nothing serves."""


def configured_split(route: HttpRoute, slices: Iterable[EndpointSlice], versions: Mapping[str, str]) -> Split:
    """The shares that a route gives each version, endpoints of one service being equal.

    `versions` names the version of each pod. A destination without a ready endpoint leaves its share to nobody:
    the shares then add up to less than 1.
    """
    endpoints: dict[str, Counter[str]] = defaultdict(Counter)
    for one in slices:
        service = one.metadata.labels.get(SERVICE_NAME_LABEL, "")
        endpoints[service].update(
            versions.get(endpoint.target_ref.name, "")
            for endpoint in one.endpoints
            if endpoint.conditions.ready is not False and endpoint.target_ref is not None
        )
    # The only destination of a route needs no weight.
    weights = [100 if len(route.route) == 1 else one.weight or 0 for one in route.route]
    shares: dict[str, float] = defaultdict(float)
    for destination, weight in zip(route.route, weights, strict=True):
        behind = endpoints[destination.destination.host.partition(".")[0]] if weight else Counter[str]()
        for version, count in behind.items():
            shares[version] += weight / sum(weights) * count / behind.total()
    return dict(shares)


def same_split(one: Split, other: Split) -> bool:
    """They say the same, but for rounding."""
    return all(math.isclose(one.get(version, 0.0), other.get(version, 0.0), abs_tol=1e-9) for version in {*one, *other})
