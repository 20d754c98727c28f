"""The experiment controller: observe, plan, apply, for one key at a time."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, assert_never

from controller.experiment.draft import NAME_ANNOTATION, TEMPLATE_ANNOTATION, Observed
from controller.experiment.plan import Plan, plan
from controller.experiment.spec import asked_of
from controller.manager import Manager, Measure, ToKeys, own_key, owner_key, unmeasured
from controller.rollout.actions import Create, Delete, Emit, Patch, Replace
from controller.rollout.apply import ReconcileError, Recorder
from controller.rollout.versions import version_of
from meshsim.api.analysis import AnalysisRun, AnalysisTemplate, Experiment, ExperimentStatus
from meshsim.api.decode import FieldError, Object, decode, encode
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    EXPERIMENT,
    REPLICA_SET,
    SERVICE,
    Kind,
)
from meshsim.api.meta import Key
from meshsim.client.api import Api, NotFoundError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock

_OWNED: Final = (REPLICA_SET, SERVICE, ANALYSIS_RUN)
_TEMPLATES: Final = (ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE)
_COUNTERS: Final = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
_JUST_AFTER_S: Final = 0.001
"""A time that is over is over only after its last instant."""


def setup(manager: Manager, api: Api, clock: Clock, recorder: Recorder, measured: Measure = unmeasured) -> None:
    """Have the manager run the experiment controller."""
    informers = {kind: manager.informer(kind) for kind in (EXPERIMENT, *_OWNED, *_TEMPLATES)}
    reconciler = ExperimentReconciler(api, clock, informers, recorder)
    watches: dict[Informer, ToKeys] = {informers[EXPERIMENT]: own_key}
    watches |= {informers[kind]: owner_key(EXPERIMENT) for kind in _OWNED}
    watches |= {informers[kind]: reconciler.keys_of_template for kind in _TEMPLATES}
    manager.add("experiment", measured(reconciler, informers[EXPERIMENT]), watches)


class ExperimentReconciler:
    """Brings an experiment one reconcile further. What counts is in the API."""

    def __init__(self, api: Api, clock: Clock, informers: Mapping[Kind, Informer], recorder: Recorder) -> None:
        self._api = api
        self._clock = clock
        self._informers = informers
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Observe, plan, apply. Returns the instant to look again."""
        obj = self._informers[EXPERIMENT].get(key)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return None
        try:
            observed = self._observe(obj)
        except FieldError as error:
            raise ReconcileError(f"{key}: {error}") from None
        planned = plan(observed, self._clock.now())
        await self._apply(obj, observed.experiment, planned)
        return None if planned.wake_at is None else planned.wake_at + _JUST_AFTER_S

    def keys_of_template(self, change: Change) -> Iterable[Key]:
        """The experiments that have not begun to analyse: a template that comes or changes may let them."""
        for obj in self._informers[EXPERIMENT].all():
            metadata, spec = obj["metadata"], obj.get("spec") or {}
            if spec.get("analyses") and change.key.namespace in ("", metadata.get("namespace")):
                yield Key(metadata.get("namespace") or "", metadata["name"])

    def _observe(self, obj: Object) -> Observed:
        experiment = decode(Experiment, obj)
        namespace = experiment.metadata.namespace
        services = dict(self._own(SERVICE, experiment))
        versions = {template: version_of(found) for template, found in self._own(REPLICA_SET, experiment)}
        return Observed(
            asked_of(experiment),
            versions,
            services,
            {run["metadata"]["name"]: decode(AnalysisRun, run) for run in self._in(ANALYSIS_RUN, namespace)},
            self._templates(ANALYSIS_TEMPLATE, namespace),
            self._templates(CLUSTER_ANALYSIS_TEMPLATE, ""),
            frozenset(
                (kind.kind, found["metadata"]["name"])
                for kind in (REPLICA_SET, SERVICE)
                for found in self._in(kind, namespace)
                if not _is_own(found, experiment)
            ),
        )

    def _in(self, kind: Kind, namespace: str) -> Iterator[Object]:
        return (obj for obj in self._informers[kind].all() if (obj["metadata"].get("namespace") or "") == namespace)

    def _own(self, kind: Kind, experiment: Experiment) -> Iterator[tuple[str, Object]]:
        """The experiment's objects of a kind, with the templates they are of."""
        for obj in self._in(kind, experiment.metadata.namespace):
            if _is_own(obj, experiment):
                yield obj["metadata"]["annotations"].get(TEMPLATE_ANNOTATION, ""), obj

    def _templates(self, kind: Kind, namespace: str) -> dict[str, AnalysisTemplate]:
        found: dict[str, AnalysisTemplate] = {}
        for obj in self._in(kind, namespace):
            try:
                found[obj["metadata"]["name"]] = decode(AnalysisTemplate, obj)
            except FieldError:
                # Whoever needs it is told that it isn't there.
                continue
        return found

    async def _apply(self, obj: Object, experiment: Experiment, planned: Plan) -> None:
        told: list[Emit] = []
        for action in planned.actions:
            if isinstance(action, Emit):
                told.append(action)
            else:
                await self._do(action)
        if planned.status != experiment.status:
            patch = {
                "metadata": {"uid": experiment.metadata.uid},
                "status": _status(planned.status),
            }
            written = await self._api.patch(EXPERIMENT, experiment.metadata.key, patch)
            self._informers[EXPERIMENT].learn(written)
        for event in told:
            self._recorder.record(obj, event)

    async def _do(self, action: Create | Patch | Replace | Delete) -> None:
        match action:
            case Create(kind, obj):
                self._informers[kind].learn(await self._api.create(kind, obj))
            case Patch(kind, key, patch):
                self._informers[kind].learn(await self._api.patch(kind, key, patch))
            case Replace(kind, obj):
                self._informers[kind].learn(await self._api.replace(kind, obj))
            case Delete(kind, key, uid):
                try:
                    await self._api.delete(kind, key, uid=uid)
                except NotFoundError:
                    return
            case _:
                assert_never(action)


def _status(status: ExperimentStatus) -> Object:
    """The status on the wire. A message that is over is taken away; what the schema requires is there."""
    written: Object = {"message": None, **encode(status)}
    templates = [dict.fromkeys(_COUNTERS, 0) | template for template in written.get("templateStatuses") or ()]
    runs = [{"analysisRun": "", "phase": ""} | run for run in written.get("analysisRuns") or ()]
    return written | {"templateStatuses": templates, **({"analysisRuns": runs} if runs else {})}


def _is_own(obj: Object, experiment: Experiment) -> bool:
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    owners = metadata.get("ownerReferences") or []
    is_owned = any(owner.get("controller") and owner["uid"] == experiment.metadata.uid for owner in owners)
    return is_owned and annotations.get(NAME_ANNOTATION) == experiment.metadata.name
