"""From what pods use to how many there should be: Kubernetes' replica calculator. Pure.

Amounts are thousandths: of a core, of a byte. Facts: k8s.io/kubernetes pkg/controller/podautoscaler.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from meshsim.api.core import Container, Pod
from meshsim.api.quantities import QuantityError, parse_quantity
from meshsim.kit.timestamps import from_rfc3339

TOLERANCE: Final = 0.1
"""No change while use and target differ by no more than that share."""
_INITIALIZATION_S: Final = 300.0
"""A pod this young may still use CPU for its start."""
_READINESS_DELAY_S: Final = 30.0
"""A pod that was unready from its first so many seconds on has never been ready."""


class UsageError(Exception):
    """Why no number of replicas can be told from what is known."""


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What the containers of a pod use, measured over a window that ended at an instant."""

    containers: Mapping[str, Mapping[str, int]]
    """Thousandths by container and resource."""
    at: float
    window_s: float

    def total(self, resource: str, container: str) -> int | None:
        """What the pod or one container of it uses, None when that is not known of all."""
        wanted = [container] if container else list(self.containers)
        values = [self.containers.get(name, {}).get(resource) for name in wanted]
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out: how many replicas, and what the pods use on the average."""

    replicas: int
    average: int
    utilization: int | None = None


@dataclass(frozen=True, slots=True)
class Tolerances:
    """The shares by which use may be under and over the target without a change."""

    down: float = TOLERANCE
    up: float = TOLERANCE

    def allow(self, ratio: float) -> bool:
        """Whether use is near enough to its target."""
        return 1 - self.down <= ratio <= 1 + self.up


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the pods: which resource, of which container or all, aimed at what."""

    resource: str
    container: str
    utilization: int | None
    average: int | None
    tolerances: Tolerances = Tolerances()


@dataclass(slots=True)
class _Pods:
    ready: int
    unready: list[str]
    missing: list[str]
    values: dict[str, int]


def replicas_for(
    question: Question, current: int, pods: Sequence[Pod], usage: Mapping[str, PodUsage], now: float
) -> Measured:
    """How many replicas it takes for the pods to be at their target. Raises UsageError."""
    if not pods:
        raise UsageError("no pods returned by selector while calculating replica count")
    grouped = _grouped(question, pods, usage, now)
    values = grouped.values
    if not values:
        raise UsageError("did not receive metrics for targeted pods (pods might be unready)")
    requests = _requests(question, pods) if question.utilization is not None else {}
    ratio, utilization, average = _ratio(question, values, requests)
    unready_count = bool(grouped.unready) and ratio > 1
    if not unready_count and not grouped.missing:
        wanted = current if question.tolerances.allow(ratio) else math.ceil(ratio * grouped.ready)
        return Measured(wanted, average, utilization)
    filled = dict(values)
    if ratio < 1:
        # Going down, those nobody knows of count as fully used, so that too many stay rather than too few.
        filled |= {name: _assumed(question, requests.get(name, 0)) for name in grouped.missing}
    elif ratio > 1:
        filled |= dict.fromkeys(grouped.missing, 0)
    if unready_count:
        filled |= dict.fromkeys(grouped.unready, 0)
    again = _ratio(question, filled, requests)[0]
    turns = (ratio < 1 < again) or (again < 1 < ratio)
    wanted = math.ceil(again * len(filled))
    goes_astray = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    if question.tolerances.allow(again) or turns or goes_astray:
        wanted = current
    return Measured(wanted, average, utilization)


def _assumed(question: Question, request: int) -> int:
    if question.utilization is None:
        return question.average or 0
    return request * max(100, question.utilization) // 100


def _ratio(question: Question, values: Mapping[str, int], requests: Mapping[str, int]) -> tuple[float, int | None, int]:
    """Use by target, the use in percent of requests where that is asked, and the average use."""
    if question.utilization is None:
        average = sum(values.values()) // len(values)
        return average / (question.average or 1), None, average
    known = {name: value for name, value in values.items() if name in requests}
    requested = sum(requests[name] for name in known)
    if not requested:
        raise UsageError("no metrics returned matched known pods")
    percent = sum(known.values()) * 100 // requested
    return percent / question.utilization, percent, sum(known.values()) // len(known)


def _grouped(question: Question, pods: Sequence[Pod], usage: Mapping[str, PodUsage], now: float) -> _Pods:
    grouped = _Pods(0, [], [], {})
    for pod in pods:
        name = pod.metadata.name
        if pod.metadata.deletion_timestamp or pod.status.phase == "Failed":
            continue
        used = usage.get(name)
        total = used.total(question.resource, question.container) if used is not None else None
        if pod.status.phase == "Pending":
            grouped.unready.append(name)
        elif used is None or total is None:
            grouped.missing.append(name)
        elif question.resource == "cpu" and _is_unready(pod, used, now):
            grouped.unready.append(name)
        else:
            grouped.ready += 1
            grouped.values[name] = total
    return grouped


def _is_unready(pod: Pod, used: PodUsage, now: float) -> bool:
    """Whether the CPU of the pod says nothing yet: it starts, or it has never been ready."""
    ready = next((each for each in pod.status.conditions if each.type == "Ready"), None)
    if ready is None or not pod.status.start_time:
        return True
    started, changed = from_rfc3339(pod.status.start_time), from_rfc3339(ready.last_transition_time)
    if started + _INITIALIZATION_S > now:
        return ready.status == "False" or used.at < changed + used.window_s
    return ready.status == "False" and started + _READINESS_DELAY_S > changed


def _requests(question: Question, pods: Sequence[Pod]) -> dict[str, int]:
    return {pod.metadata.name: _request(question, pod) for pod in pods}


def _request(question: Question, pod: Pod) -> int:
    containers = [*pod.spec.containers, *pod.spec.sidecars]
    if question.container:
        containers = [each for each in containers if each.name == question.container]
        if not containers:
            raise UsageError(f"container {question.container} not found in Pod {pod.metadata.name}")
    try:
        return sum(_container_request(question.resource, each, pod.metadata.name) for each in containers)
    except QuantityError as error:
        raise UsageError(str(error)) from None


def _container_request(resource: str, container: Container, pod: str) -> int:
    requests = container.resources.get("requests") or {}
    if resource not in requests:
        raise UsageError(f"missing request for {resource} in container {container.name} of Pod {pod}")
    return milli(requests[resource])


def milli(quantity: object) -> int:
    """Thousandths of an amount, rounded up. Raises QuantityError."""
    return math.ceil(Fraction(parse_quantity(str(quantity))).limit_denominator(10**12) * 1000)
