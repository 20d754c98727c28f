"""What the controller reports on `/metrics`: Argo's series under Argo's names, so that Argo's dashboard works.

Counters have no `_total`, except where Argo's have it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from controller.manager import Reconciler
from controller.rollout.actions import Emit
from controller.rollout.apply import Recorder
from meshsim import __version__
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import Kind
from meshsim.api.meta import Condition, Key, key_of
from meshsim.api.rollouts import Rollout
from meshsim.client.api import ApiError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.telemetry.exposition import Sample, sample

_BUCKETS: Final = (0.01, 0.15, 0.25, 0.5, 1.0)
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


class Reconciles:
    """How the reconciles of one kind went, by key."""

    def __init__(self, kind: Kind) -> None:
        self._name = f"{kind.singular}_reconcile"
        self._buckets: dict[Key, list[int]] = {}
        self._seconds: Counter[Key] = Counter()
        self._errors: Counter[Key] = Counter()

    def took(self, key: Key, seconds: float) -> None:
        """One reconcile of the key ended."""
        buckets = self._buckets.setdefault(key, [0] * (len(_BUCKETS) + 1))
        buckets[next((i for i, bound in enumerate(_BUCKETS) if seconds <= bound), len(_BUCKETS))] += 1
        self._seconds[key] += seconds  # type: ignore[assignment] # a Counter of floats

    def failed(self, key: Key) -> None:
        """One reconcile of the key was refused."""
        self._errors[key] += 1

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._buckets.pop(key, None)
        self._seconds.pop(key, None)
        self._errors.pop(key, None)

    def samples(self) -> Iterator[Sample]:
        """The histogram and the error counter."""
        yield Sample.family(self._name, "histogram")
        for key, buckets in self._buckets.items():
            labels = _labels(key)
            for index, bound in enumerate((*map(str, _BUCKETS), "+Inf")):
                yield sample(f"{self._name}_bucket", (*labels, ("le", bound)), sum(buckets[: index + 1]))
            yield sample(f"{self._name}_sum", labels, float(self._seconds[key]))
            yield sample(f"{self._name}_count", labels, sum(buckets))
        yield Sample.family(f"{self._name}_error", "counter")
        for key, errors in self._errors.items():
            yield sample(f"{self._name}_error", _labels(key), errors)


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
    """A recorder that counts what it passes on."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._events: Counter[tuple[Key, str, str]] = Counter()

    def record(self, about: Object, event: Emit) -> None:
        self._events[key_of(about), event.type, event.reason] += 1
        self._recorder.record(about, event)

    def samples(self) -> Iterator[Sample]:
        """The event counter."""
        yield Sample.family("rollout_events_total", "counter")
        for (key, kind, reason), count in self._events.items():
            yield sample("rollout_events_total", (*_labels(key), ("type", kind), ("reason", reason)), count)


def controller_info() -> Iterator[Sample]:
    """Which version runs."""
    yield Sample.family("argo_rollouts_controller_info", "gauge")
    yield sample("argo_rollouts_controller_info", [("version", __version__)], 1)


def rollout_samples(rollouts: Informer) -> Iterator[Sample]:
    """The series about every rollout, from its status."""
    known = list(_decoded(rollouts.all()))
    yield Sample.family("rollout_info", "gauge")
    for rollout in known:
        labels = [
            *_labels(rollout.metadata.key),
            ("strategy", strategy_of(rollout)),
            ("traffic_router", router_of(rollout)),
            ("phase", metric_phase(rollout.status.conditions)),
        ]
        yield sample("rollout_info", labels, 1)
    for name in ("desired", "available", "unavailable", "updated"):
        yield Sample.family(f"rollout_info_replicas_{name}", "gauge")
        for rollout in known:
            yield sample(f"rollout_info_replicas_{name}", _labels(rollout.metadata.key), _replicas(rollout, name))
    yield Sample.family("rollout_phase", "gauge")
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
