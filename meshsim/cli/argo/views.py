"""What `get rollout` and `get experiment` show: the objects of a release put together. Pure.

Objects may be given whole lists of; each view keeps what its owner owns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meshsim.api.analysis import AnalysisRun, Experiment
from meshsim.api.core import ReplicaSet
from meshsim.api.decode import Object, decode
from meshsim.api.meta import ObjectMeta
from meshsim.api.progress import current_set_weight, current_step, max_weight, observed_phase
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION, SCALE_DOWN_DEADLINE_ANNOTATION, Rollout
from meshsim.cli.argo.pod_reason import PodState, pod_state

_EXPERIMENT_TEMPLATE_ANNOTATION: Final = "experiment.argoproj.io/template-name"
_JOB_NAME: Final = "job-name"


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of one namespace, as the API lists them."""

    replica_sets: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    experiments: Sequence[Object] = ()
    analysis_runs: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod."""

    name: str
    created: str
    state: PodState


@dataclass(frozen=True, slots=True)
class ReplicaSetView:
    """A ReplicaSet, its part in the release, and its pods. `roles` are in the order they are shown."""

    name: str
    created: str
    revision: int
    health: str
    replicas: int
    available: int
    images: tuple[str, ...]
    roles: tuple[str, ...]
    template: str
    scale_down_deadline: str
    pods: tuple[PodView, ...]


@dataclass(frozen=True, slots=True)
class JobView:
    """A measurement that was a job."""

    name: str
    started: str
    phase: str


@dataclass(frozen=True, slots=True)
class RunView:
    """An analysis run; `counts` are its measurements by outcome."""

    name: str
    created: str
    revision: int
    phase: str
    counts: Mapping[str, int]
    jobs: tuple[JobView, ...]
    run: AnalysisRun


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """An experiment and what it runs."""

    name: str
    namespace: str
    created: str
    revision: int
    phase: str
    message: str
    replica_sets: tuple[ReplicaSetView, ...]
    runs: tuple[RunView, ...]

    @property
    def all_runs(self) -> tuple[AnalysisRun, ...]:
        """Its analysis runs."""
        return tuple(view.run for view in self.runs)


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A rollout and all that belongs to it."""

    rollout: Rollout
    phase: str
    message: str
    replica_sets: tuple[ReplicaSetView, ...]
    experiments: tuple[ExperimentView, ...]
    runs: tuple[RunView, ...]

    @property
    def strategy(self) -> str:
        """Canary or BlueGreen, empty for neither."""
        strategy = self.rollout.spec.strategy
        return "Canary" if strategy.canary else "BlueGreen" if strategy.blue_green else ""

    @property
    def step(self) -> str:
        """`1/8`, empty without steps."""
        return step_of(self.rollout)

    @property
    def all_runs(self) -> tuple[AnalysisRun, ...]:
        """Its analysis runs and those of its experiments, the newest revision first."""
        views = [*self.runs, *(run for experiment in self.experiments for run in experiment.runs)]
        return tuple(view.run for view in sorted(views, key=lambda view: -view.revision))

    @property
    def actual_weight(self) -> int:
        """The share that the canary really has: the mesh's weight, or its share of the available pods."""
        rollout = self.rollout
        canary, status = rollout.spec.strategy.canary, rollout.status
        if canary is None or current_step(rollout) is None:
            return max_weight(rollout)
        if not status.available_replicas:
            return 0
        if canary.traffic_routing is not None:
            weights = status.canary.weights
            return current_set_weight(rollout) if weights is None else weights.canary.weight
        available = next((rs.available for rs in self.replica_sets if "canary" in rs.roles), 0)
        return available * max_weight(rollout) // status.available_replicas

    @property
    def images(self) -> dict[str, tuple[str, ...]]:
        """Every image that runs, and what runs it: roles, or `Σ:<template>` of an experiment."""
        tagged = [(image, rs.roles) for rs in self.replica_sets for image in _running_images(rs)]
        tagged += [(image, tags) for one in self.experiments for image, tags in experiment_images(one).items()]
        return _merged(tagged)


def rollout_view(rollout: Object, objects: Objects) -> RolloutView:
    """Everything that `get rollout` shows."""
    typed = decode(Rollout, rollout)
    uid = typed.metadata.uid
    phase = observed_phase(typed)
    experiments = [
        _experiment_view(one, objects) for one in map(_experiment, objects.experiments) if _owned(one.metadata, uid)
    ]
    return RolloutView(
        rollout=typed,
        phase=phase.phase,
        message=phase.message,
        replica_sets=_replica_set_views(uid, typed, objects),
        experiments=tuple(sorted(experiments, key=lambda one: (-one.revision, one.created))),
        runs=_run_views(uid, objects.analysis_runs),
    )


def experiment_view(experiment: Object, objects: Objects) -> ExperimentView:
    """Everything that `get experiment` shows."""
    return _experiment_view(_experiment(experiment), objects)


def experiment_images(view: ExperimentView) -> dict[str, tuple[str, ...]]:
    """The images of an experiment and the templates they are of."""
    return _merged(
        (image, (f"Σ:{rs.template}",) if rs.template else ())
        for rs in view.replica_sets
        for image in _running_images(rs)
    )


def step_of(rollout: Rollout) -> str:
    """`1/8`, empty for what has no steps or no step yet."""
    canary, index = rollout.spec.strategy.canary, rollout.status.current_step_index
    return f"{index}/{len(canary.steps)}" if canary is not None and canary.steps and index is not None else ""


def _experiment(obj: Object) -> Experiment:
    return decode(Experiment, obj)


def _experiment_view(experiment: Experiment, objects: Objects) -> ExperimentView:
    metadata, status = experiment.metadata, experiment.status
    return ExperimentView(
        name=metadata.name,
        namespace=metadata.namespace,
        created=metadata.creation_timestamp,
        revision=_revision(metadata),
        phase=status.phase,
        message=status.message,
        replica_sets=_replica_set_views(metadata.uid, None, objects),
        runs=_run_views(metadata.uid, objects.analysis_runs),
    )


def _replica_set_views(uid: str, rollout: Rollout | None, objects: Objects) -> tuple[ReplicaSetView, ...]:
    views = [
        _replica_set_view(one, rollout, objects.pods)
        for one in (decode(ReplicaSet, obj) for obj in objects.replica_sets)
        if _owned(one.metadata, uid)
    ]
    return tuple(sorted(views, key=lambda view: (-view.revision, view.name)))


def _replica_set_view(replica_set: ReplicaSet, rollout: Rollout | None, pods: Iterable[Object]) -> ReplicaSetView:
    metadata, status = replica_set.metadata, replica_set.status
    containers = (replica_set.spec.template.get("spec") or {}).get("containers") or []
    return ReplicaSetView(
        name=metadata.name,
        created=metadata.creation_timestamp,
        revision=_revision(metadata),
        health=_health(replica_set),
        replicas=status.replicas,
        available=status.available_replicas,
        images=tuple(str(container.get("image") or "") for container in containers),
        roles=() if rollout is None else _roles(rollout, metadata.labels.get(HASH_LABEL, "")),
        template=metadata.annotations.get(_EXPERIMENT_TEMPLATE_ANNOTATION, ""),
        scale_down_deadline=metadata.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION, ""),
        pods=_pod_views(metadata.uid, pods),
    )


def _roles(rollout: Rollout, pod_hash: str) -> tuple[str, ...]:
    """The roles of a version, in the order that the plugin shows them."""
    status, strategy = rollout.status, rollout.spec.strategy
    if strategy.blue_green is not None:
        stable = ("stable",) if status.stable_rs == pod_hash else ()
        if status.blue_green.active_selector == pod_hash:
            return (*stable, "active")
        return (*stable, "preview") if status.blue_green.preview_selector == pod_hash else stable
    if strategy.canary is None or pod_hash not in (status.stable_rs, status.current_pod_hash):
        return ()
    role = "stable" if status.stable_rs == pod_hash else "canary"
    ping_pong = strategy.canary.ping_pong
    if ping_pong is None:
        return (role,)
    stable_is_ping = status.canary.stable_ping_pong == "ping"
    return role, "ping" if (role == "stable") == stable_is_ping else "pong"


def _health(replica_set: ReplicaSet) -> str:
    status, wanted = replica_set.status, replica_set.spec.replicas
    if replica_set.metadata.generation > status.observed_generation:
        return "Progressing"
    if any(one.type == "ReplicaFailure" and one.status == "True" for one in status.conditions):
        return "ReplicaFailure"
    if status.available_replicas < wanted:
        return "Progressing"
    return "Healthy" if wanted else "ScaledDown"


def _pod_views(uid: str, pods: Iterable[Object]) -> tuple[PodView, ...]:
    views = []
    for pod in pods:
        metadata: Mapping[str, Any] = pod["metadata"]
        if any(owner.get("uid") == uid for owner in metadata.get("ownerReferences") or []):
            views.append(PodView(metadata["name"], metadata.get("creationTimestamp") or "", pod_state(pod)))
    return tuple(sorted(views, key=lambda view: (view.created, view.name)))


def _run_views(uid: str, runs: Iterable[Object]) -> tuple[RunView, ...]:
    views = [_run_view(run) for run in (decode(AnalysisRun, obj) for obj in runs) if _owned(run.metadata, uid)]
    views.sort(key=lambda view: view.name, reverse=True)
    return tuple(sorted(views, key=lambda view: (-view.revision, view.created)))


def _run_view(run: AnalysisRun) -> RunView:
    results = run.status.metric_results
    counts = {
        outcome: sum(getattr(result, outcome) for result in results)
        for outcome in ("successful", "failed", "inconclusive", "error")
    }
    measurements = [one for result in results for one in result.measurements]
    return RunView(
        name=run.metadata.name,
        created=run.metadata.creation_timestamp,
        revision=_revision(run.metadata),
        phase=run.status.phase,
        counts=counts,
        jobs=tuple(
            JobView(one.metadata[_JOB_NAME], one.started_at, one.phase)
            for one in measurements
            if _JOB_NAME in one.metadata
        ),
        run=run,
    )


def _revision(metadata: ObjectMeta) -> int:
    try:
        return int(metadata.annotations.get(REVISION_ANNOTATION, "0"))
    except ValueError:
        return 0


def _owned(metadata: ObjectMeta, uid: str) -> bool:
    return any(owner.uid == uid for owner in metadata.owner_references)


def _running_images(view: ReplicaSetView) -> tuple[str, ...]:
    return view.images if view.replicas > 0 else ()


def _merged(tagged: Iterable[tuple[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """Images in order, each with the tags of all that run it; a single runner's tags keep their order."""
    merged: dict[str, tuple[str, ...]] = {}
    for image, tags in tagged:
        known = merged.get(image)
        merged[image] = tuple(tags) if known is None else tuple(sorted({*known, *tags}))
    return dict(sorted(merged.items()))
