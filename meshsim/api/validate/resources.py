"""What a container requests and may use at most, as Kubernetes judges it."""

import math
from collections.abc import Mapping
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.quantities import canonical_quantity, exact_quantity, is_quantity
from meshsim.api.validate.fields import NOT_NEGATIVE, forbidden, invalid, qualified_name_errors, required
from meshsim.api.validate.findings import Findings


class Resources(Wire, frozen=True):
    """Quantities by the name of the resource."""

    limits: dict[str, object] = {}
    requests: dict[str, object] = {}


_OF_CONTAINERS: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED: Final = frozenset({
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
})  # fmt: skip
_STANDARD: Final = (
    _OF_CONTAINERS
    | _COUNTED
    | {f"{kind}.{name}" for kind in ("requests", "limits") for name in _OF_CONTAINERS}
    | {"storage", "requests.storage"}
)
_HUGE_PAGES: Final = "hugepages-"


def check_resources(path: str, resources: Resources) -> Findings:
    """Names, amounts, and that nothing requests more than its limit. What is no quantity counts as absent."""
    limits, requests = _amounts(resources.limits), _amounts(resources.requests)
    for name, amount in limits.items():
        yield from _check_amount(f"{path}.limits[{name}]", name, amount)
    for name, amount in requests.items():
        yield from _check_amount(f"{path}.requests[{name}]", name, amount)
        yield from _check_limit(path, name, amount, limits.get(name))
    names = {*limits, *requests}
    if not names & {"cpu", "memory"} and any(name.startswith(_HUGE_PAGES) for name in names):
        yield forbidden(path, "HugePages require cpu or memory")


def _amounts(given: Mapping[str, object]) -> dict[str, str]:
    return {name: _rounded(str(value)) for name, value in given.items() if is_quantity(value)}


def _rounded(text: str) -> str:
    """The amount as it is judged: the defaults of Kubernetes have rounded it up to thousandths."""
    thousandths = exact_quantity(text) * 1000
    return canonical_quantity(text if thousandths.denominator == 1 else f"{math.ceil(thousandths)}m")


def _check_amount(path: str, name: str, amount: str) -> Findings:
    yield from _check_name(path, name)
    if exact_quantity(amount) < 0:
        yield invalid(path, amount, NOT_NEGATIVE)
    is_counted = name in _COUNTED or _is_extended(name)
    if is_counted and exact_quantity(amount).denominator != 1:
        yield invalid(path, amount, "must be an integer")


def _check_name(path: str, name: str) -> Findings:
    errors = qualified_name_errors(name)
    yield from (invalid(path, name, error) for error in errors)
    if "/" in name:
        if not _is_native(name) and not _is_extended(name):
            yield invalid(path, name, "doesn't follow extended resource name standard")
        return
    is_huge_pages = name.startswith((_HUGE_PAGES, f"requests.{_HUGE_PAGES}"))
    if not errors and name not in _STANDARD and not is_huge_pages:
        yield invalid(path, name, "must be a standard resource type or fully qualified")
    if name not in _OF_CONTAINERS and not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource for containers")


def _check_limit(path: str, name: str, amount: str, limit: str | None) -> Findings:
    may_exceed_requests = _is_native(name) and not name.startswith(_HUGE_PAGES)
    if limit is None:
        if not may_exceed_requests:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif not may_exceed_requests and exact_quantity(amount) != exact_quantity(limit):
        yield invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif exact_quantity(amount) > exact_quantity(limit):
        yield invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    """A resource of somebody's own, such as `example.com/gpu`."""
    is_own = not _is_native(name) and not name.startswith("requests.")
    return is_own and not qualified_name_errors(f"requests.{name}")
