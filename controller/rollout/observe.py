"""Observe: read from the caches everything that one reconcile of a rollout looks at."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from controller.rollout.claims import is_matched, orphans_of
from controller.rollout.ephemeral import is_configured
from controller.rollout.hashing import pod_template_hash, step_hash
from controller.rollout.observed import Observed
from controller.rollout.readable import readable_template
from controller.rollout.references import controller_uid, service_names
from controller.rollout.restart import needs_restart
from controller.rollout.versions import oldest_first, version_of
from controller.rollout.workload import template_of, workload_kind
from meshsim.api.analysis import AnalysisRun, AnalysisTemplate, Experiment
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
    DESTINATION_RULE,
    EXPERIMENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
)
from meshsim.api.meta import Key, LabelSelector
from meshsim.api.rollouts import WORKLOAD_GENERATION_ANNOTATION, Rollout
from meshsim.api.routes import canary_of, destination_rule_of, virtual_service_key, virtual_services_of
from meshsim.api.validate.references import analyses_of


class Seen(Protocol):
    """What has been seen of the API so far. Objects are shared: copy before changing."""

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object."""

    def owned(self, kind: Kind, owner_uid: str) -> list[Object]:
        """The objects of a kind that are controlled by that owner, by name; by nobody for an empty uid."""

    def names_in(self, kind: Kind, namespace: str, prefix: str) -> Iterable[Object]:
        """The objects of a namespace whose names begin so."""


def observe(seen: Seen, key: Key, now: float) -> Observed | None:
    """The rollout and what is around it, as last seen; None when it is gone. Raises FieldError."""
    raw = seen.get(ROLLOUT, key)
    if raw is None:
        return None
    rollout = _as_read(decode(Rollout, raw))
    rollout, workload, unresolved = _with_workload(seen, rollout)
    pod_hash = pod_template_hash(rollout.spec.template, rollout.status.collision_count)
    uid, namespace, selector = rollout.metadata.uid, key.namespace, rollout.spec.selector
    owned = seen.owned(REPLICA_SET, uid)
    replica_sets = [obj for obj in owned if is_matched(selector, obj)]
    namesake = seen.get(REPLICA_SET, Key(namespace, f"{key.name}-{pod_hash}"))
    templates, cluster_templates = _templates(seen, rollout)
    rule = destination_rule_of(rollout)
    has_analyses = bool(templates or cluster_templates or rollout_experiments(rollout))
    return Observed(
        raw=raw,
        rollout=rollout,
        pod_hash=pod_hash,
        step_hash=_step_hash(raw, rollout),
        versions=tuple(oldest_first(map(version_of, replica_sets))),
        orphans=orphans_of(namespace, selector, seen.owned(REPLICA_SET, "")),
        strays=tuple(obj for obj in owned if not is_matched(selector, obj)),
        is_name_taken=namesake is not None and controller_uid(namesake) != uid,
        services={
            name: service
            for name in service_names(rollout)
            if (service := seen.get(SERVICE, Key(namespace, name))) is not None
        },
        virtual_services={
            reference: virtual_service
            for item in virtual_services_of(rollout)
            if (virtual_service := seen.get(VIRTUAL_SERVICE, reference := virtual_service_key(rollout, item.name)))
        },
        destination_rule=seen.get(DESTINATION_RULE, Key(namespace, rule.name)) if rule else None,
        analysis_runs=tuple(decode(AnalysisRun, run) for run in seen.owned(ANALYSIS_RUN, uid)),
        experiments=tuple(decode(Experiment, run) for run in seen.owned(EXPERIMENT, uid)),
        taken_names=_taken_names(seen, key, uid) if has_analyses else frozenset(),
        templates=templates,
        cluster_templates=cluster_templates,
        pods=_pods(seen, replica_sets) if is_configured(rollout) or needs_restart(rollout, now) else (),
        workload=workload,
        unresolved=unresolved,
    )


def _step_hash(raw: Object, rollout: Rollout) -> str:
    if rollout.spec.strategy.blue_green is not None or rollout.spec.strategy.canary is None:
        return ""
    # From the wire: Go's order and omissions are those of its own types.
    return step_hash(raw["spec"]["strategy"]["canary"].get("steps"))


def _as_read(rollout: Rollout) -> Rollout:
    template = readable_template(rollout.spec.template)
    if template is rollout.spec.template:
        return rollout
    return msgspec.structs.replace(rollout, spec=msgspec.structs.replace(rollout.spec, template=template))


def _with_workload(seen: Seen, rollout: Rollout) -> tuple[Rollout, Object | None, str]:
    """The rollout with the template and selector of its workload; or why they couldn't be taken."""
    reference, kind, namespace = rollout.spec.workload_ref, workload_kind(rollout), rollout.metadata.namespace
    if reference is None:
        return rollout, None, ""
    own = rollout.spec.template.get("metadata") or {}
    if own.get("labels") or own.get("annotations"):
        return rollout, None, "template must be empty for workload reference rollout"
    if kind is None:
        group = reference.api_version.rpartition("/")[0]
        return rollout, None, f"workload of type {group}/{reference.kind} is not supported"
    workload = seen.get(kind, Key(namespace, reference.name))
    if workload is None:
        return rollout, None, f'{kind.resource} "{namespace}/{reference.name}" not found'
    selector, given = rollout.spec.selector, (workload.get("spec") or {}).get("selector")
    if selector is None and given is not None:
        selector = decode(LabelSelector, given)
    spec = msgspec.structs.replace(rollout.spec, selector=selector, template=template_of(workload))
    generation = str(workload["metadata"].get("generation") or 0)
    annotations = rollout.metadata.annotations | {WORKLOAD_GENERATION_ANNOTATION: generation}
    metadata = msgspec.structs.replace(rollout.metadata, annotations=annotations)
    return msgspec.structs.replace(rollout, metadata=metadata, spec=spec), workload, ""


def _taken_names(seen: Seen, key: Key, uid: str) -> frozenset[str]:
    return frozenset(
        obj["metadata"]["name"]
        for kind in (ANALYSIS_RUN, EXPERIMENT)
        for obj in seen.names_in(kind, key.namespace, f"{key.name}-")
        if controller_uid(obj) != uid
    )


def _pods(seen: Seen, replica_sets: Iterable[Object]) -> tuple[Object, ...]:
    return tuple(pod for owner in replica_sets for pod in seen.owned(POD, owner["metadata"]["uid"]))


def rollout_experiments(rollout: Rollout) -> bool:
    """Whether a step runs an experiment."""
    return any(step.experiment is not None for step in canary_of(rollout).steps)


def _templates(seen: Seen, rollout: Rollout) -> tuple[dict[str, AnalysisTemplate], dict[str, AnalysisTemplate]]:
    templates: dict[str, AnalysisTemplate] = {}
    cluster_templates: dict[str, AnalysisTemplate] = {}
    waiting = [reference for _, _, analysis in analyses_of(rollout) for reference in analysis.templates]
    while waiting:
        reference = waiting.pop()
        found = cluster_templates if reference.cluster_scope else templates
        kind = CLUSTER_ANALYSIS_TEMPLATE if reference.cluster_scope else ANALYSIS_TEMPLATE
        namespace = "" if reference.cluster_scope else rollout.metadata.namespace
        template = seen.get(kind, Key(namespace, reference.template_name))
        if template is not None and reference.template_name not in found:
            found[reference.template_name] = decode(AnalysisTemplate, template)
            waiting += found[reference.template_name].spec.templates
    return templates, cluster_templates
