"""The analyses of an experiment: started once all its versions run, ended with it."""

from collections.abc import Iterable

import msgspec

from controller.experiment.arguments import Version, experiment_value
from controller.experiment.draft import Draft
from controller.experiment.spec import AnalysisSpec
from controller.instance import instance_labels
from controller.rollout.actions import Create, Patch
from meshsim.api.analysis import (
    COMPLETED_PHASES,
    AnalysisRunSpec,
    AnalysisTemplate,
    Argument,
    ExperimentAnalysisStatus,
    TemplateRef,
)
from meshsim.api.decode import Object, encode
from meshsim.api.kinds import ANALYSIS_RUN
from meshsim.api.templates import UnresolvedError, check_rules, flattened, merged_args
from meshsim.api.validate.gotext import quote
from meshsim.api.validate.references import References, find_templates


def reconcile_analysis(draft: Draft, analysis: AnalysisSpec) -> None:
    """Start, follow or end one analysis, and note how it is."""
    before = draft.experiment.status.analysis(analysis.name) or ExperimentAnalysisStatus(name=analysis.name)
    status = _reconciled(draft, analysis, before)
    if status.phase and status.phase != before.phase:
        message = f"AnalysisRun '{analysis.name}' transitioned from {before.phase} -> {status.phase}"
        told = f"{message}: {status.message}" if status.message else message
        draft.emit(f"AnalysisRun{status.phase}", told, is_bad=status.phase in ("Failed", "Error", "Inconclusive"))
    others = {known.name: known for known in draft.status.analysis_runs} | {analysis.name: status}
    draft.set_status(analysis_runs=tuple(others.values()))


def _reconciled(draft: Draft, analysis: AnalysisSpec, before: ExperimentAnalysisStatus) -> ExperimentAnalysisStatus:
    if not draft.experiment.status.available_at:
        return _verified(draft, analysis, before)
    if not before.analysis_run:
        return before if draft.is_terminating else _started(draft, analysis, before)
    return before if before.phase in COMPLETED_PHASES else _followed(draft, analysis, before)


def _followed(draft: Draft, analysis: AnalysisSpec, before: ExperimentAnalysisStatus) -> ExperimentAnalysisStatus:
    run = draft.observed.runs.get(before.analysis_run)
    if run is None:
        message = f"analysisruns.argoproj.io {quote(before.analysis_run)} not found"
        return msgspec.structs.replace(before, phase="Error", message=message)
    if draft.is_terminating and run.status.phase not in COMPLETED_PHASES:
        if not run.spec.terminate:
            draft.emit("AnalysisRunTerminating", f"Terminating {analysis.name} ({run.metadata.name})")
            patch = {"spec": {"terminate": True}}
            draft.actions.append(Patch(ANALYSIS_RUN, draft.key(run.metadata.name), patch))
        return before
    if not run.status.phase:
        return before
    return msgspec.structs.replace(before, phase=run.status.phase, message=run.status.message)


def _verified(draft: Draft, analysis: AnalysisSpec, before: ExperimentAnalysisStatus) -> ExperimentAnalysisStatus:
    try:
        _templates(draft, analysis)
    except UnresolvedError as error:
        kind = "ClusterAnalysisTemplate" if analysis.cluster_scope else "AnalysisTemplate"
        message = f"{kind} verification failed for analysis '{analysis.name}': {error}"
        return msgspec.structs.replace(before, phase="Error", message=message)
    return before


def _started(draft: Draft, analysis: AnalysisSpec, before: ExperimentAnalysisStatus) -> ExperimentAnalysisStatus:
    try:
        spec = _run_spec(draft, analysis)
    except UnresolvedError as error:
        message = f"Failed to create AnalysisRun for analysis '{analysis.name}': {error}"
        return msgspec.structs.replace(before, phase="Error", message=message)
    metadata = draft.experiment.metadata
    name = f"{metadata.name}-{analysis.name}"
    names = (name, *(f"{name}.{number}" for number in range(1, len(draft.observed.runs) + 1)))
    twin = next((known for known in names if _is_twin(draft, known, spec)), None)
    if twin is None:
        twin = next((free for free in names if free not in draft.observed.runs), name)
        given = draft.experiment.spec.analysis_run_metadata or {}
        obj: Object = {
            "apiVersion": ANALYSIS_RUN.api_version,
            "kind": ANALYSIS_RUN.kind,
            "metadata": {
                "name": twin,
                "namespace": metadata.namespace,
                "labels": instance_labels(metadata.labels) | (given.get("labels") or {}),
                "annotations": given.get("annotations") or {},
                "ownerReferences": [draft.owner()],
            },
            "spec": encode(spec),
        }
        draft.actions.append(Create(ANALYSIS_RUN, obj))
    return msgspec.structs.replace(before, phase="Pending", analysis_run=twin)


def _is_twin(draft: Draft, name: str, spec: AnalysisRunSpec) -> bool:
    """A run that an earlier reconcile started before it could note it."""
    run = draft.observed.runs.get(name)
    if run is None or run.status.phase in COMPLETED_PHASES or run.spec != spec:
        return False
    return any(owner.uid == draft.experiment.metadata.uid for owner in run.metadata.owner_references)


def _run_spec(draft: Draft, analysis: AnalysisSpec) -> AnalysisRunSpec:
    spec = flattened(_templates(draft, analysis))
    given = draft.experiment.spec
    dry_run = (*given.dry_run, *spec.dry_run)
    retention = (*given.measurement_retention, *spec.measurement_retention)
    check_rules(dry_run, retention)
    return AnalysisRunSpec(
        metrics=spec.metrics,
        args=merged_args(_arguments(draft, analysis), spec.args),
        dry_run=dry_run,
        measurement_retention=retention,
    )


def _arguments(draft: Draft, analysis: AnalysisSpec) -> Iterable[Argument]:
    versions = {name: Version(version.name, version.hash) for name, version in draft.versions.items()}
    for arg in analysis.args:
        value = None if arg.value is None else experiment_value(arg.value, draft.experiment, versions)
        yield Argument(name=arg.name, value=value)


def _templates(draft: Draft, analysis: AnalysisSpec) -> list[AnalysisTemplate]:
    known = References(templates=draft.observed.templates, cluster_templates=draft.observed.cluster_templates)
    reference = TemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)
    missing = _first_missing([reference], known, set())
    if missing is not None:
        kind = "clusteranalysistemplate" if missing.cluster_scope else "analysistemplate"
        raise UnresolvedError(f"{kind}.argoproj.io {quote(missing.template_name)} not found")
    return find_templates([reference], known)


def _first_missing(references: Iterable[TemplateRef], known: References, seen: set[TemplateRef]) -> TemplateRef | None:
    for reference in references:
        if reference in seen:
            continue
        seen.add(reference)
        where = known.cluster_templates if reference.cluster_scope else known.templates
        template = where.get(reference.template_name)
        missing = reference if template is None else _first_missing(template.spec.templates, known, seen)
        if missing is not None:
            return missing
    return None
