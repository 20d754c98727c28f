"""What pods use, asked of the resource metrics API (metrics.k8s.io)."""

import math
import re
from collections.abc import Mapping
from typing import Final, Protocol

from controller.hpa.usage import PodUsage, milli
from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.loose import mapping, mappings
from meshsim.api.meta import key_of
from meshsim.api.quantities import QuantityError
from meshsim.client.api import ApiError, ListerWatcher
from meshsim.kit.timestamps import from_rfc3339

POD_METRICS: Final = Kind("metrics.k8s.io", ("v1beta1",), "PodMetrics", "pods")
_WINDOW: Final = re.compile(r"(\d+(?:\.\d+)?)s")


class UsageSource(Protocol):
    """Somebody who knows what pods use."""

    async def usage(self, namespace: str, selector: str) -> Mapping[str, PodUsage] | str:
        """The use of each selected pod by its name, or why nobody knows."""


class MetricsApi:
    """The resource metrics API of a cluster."""

    def __init__(self, api: ListerWatcher) -> None:
        self._api = api

    async def usage(self, namespace: str, selector: str) -> Mapping[str, PodUsage] | str:
        try:
            listing = await self._api.list(POD_METRICS, namespace, selector=selector)
        except ApiError as error:
            return f"unable to fetch metrics from resource metrics API: {error}"
        if not listing.items:
            return "no metrics returned from resource metrics API"
        return {key_of(item).name: usage_of(item) for item in listing.items}


def usage_of(metrics: Object) -> PodUsage:
    """What a PodMetrics says; an amount that cannot be read counts as not known."""
    containers = {
        str(each.get("name")): _amounts(mapping(each.get("usage"))) for each in mappings(metrics.get("containers"))
    }
    window = _WINDOW.fullmatch(str(metrics.get("window") or ""))
    try:
        at = from_rfc3339(str(metrics.get("timestamp")))
    except ValueError:
        at = math.inf
    return PodUsage(containers, at, float(window[1]) if window else 0.0)


def _amounts(usage: Object) -> dict[str, int]:
    found: dict[str, int] = {}
    for resource, quantity in usage.items():
        try:
            found[resource] = milli(quantity)
        except QuantityError:
            continue
    return found
