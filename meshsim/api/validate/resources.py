"""What a container requests and may use at most, as Kubernetes judges it."""

import math
from collections.abc import Mapping
from fractions import Fraction
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
    return {name: str(value) for name, value in given.items() if is_quantity(value)}


def _rounded(amount: str) -> Fraction:
    """As it is judged: the defaults of Kubernetes have rounded it up to thousandths."""
    exact = exact_quantity(amount)
    return exact if 1000 % exact.denominator == 0 else Fraction(math.ceil(exact * 1000), 1000)


def _shown(amount: str) -> str:
    exact, rounded = exact_quantity(amount), _rounded(amount)
    return canonical_quantity(amount if exact == rounded else f"{int(rounded * 1000)}m")


def _check_amount(path: str, name: str, amount: str) -> Findings:
    yield from _check_name(path, name)
    if _rounded(amount) < 0:
        yield invalid(path, _shown(amount), NOT_NEGATIVE)
    if (name in _COUNTED or _is_extended(name)) and _rounded(amount).denominator != 1:
        yield invalid(path, _shown(amount), "must be an integer")


def _check_name(path: str, name: str) -> Findings:
    if name in _OF_CONTAINERS:
        return
    errors = qualified_name_errors(name)
    yield from (invalid(path, name, error) for error in errors)
    if "/" in name:
        if not _is_native(name) and not _is_extended(name):
            yield invalid(path, name, "doesn't follow extended resource name standard")
        return
    is_huge_pages = name.startswith((_HUGE_PAGES, f"requests.{_HUGE_PAGES}"))
    if not errors and name not in _STANDARD and not is_huge_pages:
        yield invalid(path, name, "must be a standard resource type or fully qualified")
    if not name.startswith(_HUGE_PAGES):
        yield invalid(path, name, "must be a standard resource for containers")


def _check_limit(path: str, name: str, amount: str, limit: str | None) -> Findings:
    may_exceed_requests = _is_native(name) and not name.startswith(_HUGE_PAGES)
    if limit is None:
        if not may_exceed_requests:
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif not may_exceed_requests and _rounded(amount) != _rounded(limit):
        yield invalid(f"{path}.requests", _shown(amount), f"must be equal to {name} limit of {_shown(limit)}")
    elif _rounded(amount) > _rounded(limit):
        text = f"must be less than or equal to {name} limit of {_shown(limit)}"
        yield invalid(f"{path}.requests", _shown(amount), text)


def _is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _is_extended(name: str) -> bool:
    """A resource of somebody's own, such as `example.com/gpu`."""
    is_own = not _is_native(name) and not name.startswith("requests.")
    return is_own and not qualified_name_errors(f"requests.{name}")
