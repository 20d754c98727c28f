"""What the controller reports on `/metrics`: Argo's series under Argo's names, so that Argo's dashboard works.

Counters have no `_total`, except where Argo's have it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from controller.manager import Reconciler
from controller.rollout.actions import Emit
from controller.series import family
from meshsim import __version__
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.meta import Condition, Key, key_of
from meshsim.api.rollouts import Rollout, RolloutDuration
from meshsim.client.api import ApiError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import from_rfc3339
from meshsim.telemetry.exposition import Sample, sample

_SINGULAR: Final = {"analysisrun": "analysis_run"}
_RECONCILE_S: Final = (0.01, 0.15, 0.25, 0.5, 1.0)
_DURATIONS: Final = {
    "rollout_duration_seconds": (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800),
    "rollout_progression_duration_seconds": (30, 60, 120, 300, 600, 900, 1800, 3600),
    "rollout_manual_pause_duration_seconds": (0, 60, 300, 600, 1800, 3600, 7200, 14400, 28800),
}
"""Total, without the pauses that waited for a person, and those pauses."""
_PHASES: Final = ("Completed", "Progressing", "Paused", "Timeout", "Error", "Abort")
_PHASE_OF_REASON: Final = {
    "NewReplicaSetAvailable": "Completed",
    "RolloutPaused": "Paused",
    "ReplicaSetCreateError": "Error",
    "ProgressDeadlineExceeded": "Timeout",
    "RolloutAborted": "Abort",
}
_ROUTERS: Final = (
    ("istio", "Istio"),
    ("alb", "ALB"),
    ("nginx", "Nginx"),
    ("smi", "SMI"),
    ("ambassador", "Ambassador"),
    ("app_mesh", "AppMesh"),
)


class EventSink(Protocol):
    """Where events go."""

    def record(self, about: Object, event: Emit) -> None:
        """Take note of an event."""


class Histogram:
    """Counts of values up to some bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, name: str, labels: Sequence[tuple[str, str]]) -> Iterator[Sample]:
        """Its buckets, sum and count."""
        for index, bound in enumerate((*(f"{bound:g}" for bound in self._bounds), "+Inf")):
            yield sample(f"{name}_bucket", (*labels, ("le", bound)), sum(self._counts[: index + 1]))
        yield sample(f"{name}_sum", labels, self._sum)
        yield sample(f"{name}_count", labels, sum(self._counts))


class Reconciles:
    """How the reconciles of one kind went, by key; objects that are gone are forgotten."""

    def __init__(self, objects: Informer) -> None:
        self._objects = objects
        objects.on_change(self._forget)
        self._name = f"{_SINGULAR.get(objects.kind.singular, objects.kind.singular)}_reconcile"
        self._seconds: dict[Key, Histogram] = {}
        self._errors: Counter[Key] = Counter()

    def took(self, key: Key, seconds: float) -> None:
        """One reconcile of the key ended."""
        if self._objects.get(key) is not None:
            self._seconds.setdefault(key, Histogram(_RECONCILE_S)).add(seconds)

    def failed(self, key: Key) -> None:
        """One reconcile of the key was refused."""
        if self._objects.get(key) is not None:
            self._errors[key] += 1

    def samples(self) -> Iterator[Sample]:
        """The histogram and the error counter."""
        yield family(self._name, "histogram")
        for key, seconds in self._seconds.items():
            yield from seconds.samples(self._name, _labels(key))
        yield family(f"{self._name}_error", "counter")
        for key, errors in self._errors.items():
            yield sample(f"{self._name}_error", _labels(key), errors)

    def _forget(self, change: Change) -> None:
        if change.new is None:
            self._seconds.pop(change.key, None)
            self._errors.pop(change.key, None)


class MeasuredReconciler:
    """A reconciler whose durations and failures are counted."""

    def __init__(self, reconciler: Reconciler, clock: Clock, reconciles: Reconciles) -> None:
        self._reconciler = reconciler
        self._clock = clock
        self._reconciles = reconciles

    async def reconcile(self, key: Key) -> float | None:
        began = self._clock.monotonic()
        try:
            return await self._reconciler.reconcile(key)
        except ApiError:
            self._reconciles.failed(key)
            raise
        finally:
            self._reconciles.took(key, self._clock.monotonic() - began)


class CountingRecorder:
    """A recorder that counts what it passes on, and measures how long attempts took.

    Events about objects that are gone are passed on, but their counts are forgotten.
    """

    def __init__(self, events: EventSink, objects: Informer) -> None:
        self._sink = events
        self._objects = objects
        self._events: dict[Key, Counter[tuple[str, str]]] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}
        objects.on_change(self._forget)

    def record(self, about: Object, event: Emit) -> None:
        key = key_of(about)
        if self._objects.get(key) is not None:
            self._events.setdefault(key, Counter())[event.type, event.reason] += 1
        self._sink.record(about, event)

    def record_end(self, attempt: RolloutDuration) -> None:
        total_s = from_rfc3339(attempt.finished_at) - from_rfc3339(attempt.rollout_started_at)
        waited_s = float(attempt.total_manual_pause_duration_seconds or 0)
        for name, value in zip(_DURATIONS, (total_s, total_s - waited_s, waited_s), strict=True):
            key = (name, attempt.completion_status)
            self._durations.setdefault(key, Histogram(_DURATIONS[name])).add(value)

    def samples(self) -> Iterator[Sample]:
        """The event counter and the durations."""
        yield family("rollout_events_total", "counter")
        for key, events in self._events.items():
            for (kind, reason), count in events.items():
                yield sample("rollout_events_total", (*_labels(key), ("type", kind), ("reason", reason)), count)
        for name in _DURATIONS:
            yield family(name, "histogram")
            for (of, status), histogram in self._durations.items():
                if of == name:
                    yield from histogram.samples(name, [("status", status)])

    def _forget(self, change: Change) -> None:
        if change.new is None:
            self._events.pop(change.key, None)


def controller_info() -> Iterator[Sample]:
    """Which version runs."""
    yield family("argo_rollouts_controller_info", "gauge")
    yield sample("argo_rollouts_controller_info", [("version", __version__)], 1)


def rollout_samples(rollouts: Informer) -> Iterator[Sample]:
    """The series about every rollout, from its status."""
    known = list(_decoded(rollouts.all()))
    yield family("rollout_info", "gauge")
    for rollout in known:
        labels = [
            *_labels(rollout.metadata.key),
            ("strategy", strategy_of(rollout)),
            ("traffic_router", router_of(rollout)),
            ("phase", metric_phase(rollout.status.conditions)),
        ]
        yield sample("rollout_info", labels, 1)
    for name in ("desired", "available", "unavailable", "updated"):
        yield family(f"rollout_info_replicas_{name}", "gauge")
        for rollout in known:
            yield sample(f"rollout_info_replicas_{name}", _labels(rollout.metadata.key), _replicas(rollout, name))
    yield family("rollout_phase", "gauge")
    for rollout in known:
        labels = [*_labels(rollout.metadata.key), ("strategy", strategy_of(rollout))]
        current = metric_phase(rollout.status.conditions)
        for phase in _PHASES:
            yield sample("rollout_phase", [*labels, ("phase", phase)], int(phase == current))


def _decoded(objects: Iterable[Object]) -> Iterator[Rollout]:
    for obj in objects:
        try:
            yield decode(Rollout, obj)
        except FieldError:
            continue


def _replicas(rollout: Rollout, name: str) -> int:
    status = rollout.status
    counts = {
        "desired": 1 if rollout.spec.replicas is None else rollout.spec.replicas,
        "available": status.available_replicas,
        "unavailable": status.replicas - status.available_replicas,
        "updated": status.updated_replicas,
    }
    return counts[name]


def strategy_of(rollout: Rollout) -> str:
    """`canary`, `blueGreen` or `none`."""
    if rollout.spec.strategy.blue_green is not None:
        return "blueGreen"
    return "canary" if rollout.spec.strategy.canary is not None else "none"


def router_of(rollout: Rollout) -> str:
    """Who splits its traffic, empty when nobody does."""
    routing = rollout.spec.strategy.canary.traffic_routing if rollout.spec.strategy.canary else None
    return next((name for field, name in _ROUTERS if routing and getattr(routing, field) is not None), "")


def metric_phase(conditions: Iterable[Condition]) -> str:
    """The phase as Argo's metrics have it, which is not `status.phase`: it comes from the conditions."""
    phase = "Progressing"
    for condition in conditions:
        if condition.type == "InvalidSpec":
            return "InvalidSpec"
        if condition.type == "Progressing":
            phase = _PHASE_OF_REASON.get(condition.reason, "Progressing")
    return phase


def _labels(key: Key) -> list[tuple[str, str]]:
    return [("namespace", key.namespace), ("name", key.name)]
