"""Experiments of a rollout: one per experiment step, ended when the step is left."""

from controller.rollout.actions import Create, Delete, Patch
from controller.rollout.analyses import runs_to_delete
from controller.rollout.analysis_spec import rollout_args
from controller.rollout.draft import INCONCLUSIVE_ANALYSIS, INCONCLUSIVE_EXPERIMENT, Draft, StoppedError
from controller.rollout.new_version import owner_reference
from meshsim.api.analysis import COMPLETED_PHASES, Experiment
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import EXPERIMENT
from meshsim.api.progress import current_step
from meshsim.api.rollouts import HASH_LABEL, REVISION_ANNOTATION
from meshsim.api.steps import ExperimentAnalysis, ExperimentStep, ExperimentTemplate
from meshsim.api.templates import UnresolvedError


def find_experiments(draft: Draft) -> None:
    """Tell the experiment that the status names from the others."""
    name = draft.rollout.status.canary.current_experiment
    experiments = draft.observed.experiments
    draft.experiment = next((one for one in experiments if name and one.metadata.name == name), None)
    draft.other_experiments = [one for one in experiments if one is not draft.experiment]


def reconcile_experiments(draft: Draft) -> None:
    """Start the experiment of the current step, take its outcome, end what is left over."""
    if draft.is_aborted or draft.rollout.status.promote_full:
        for experiment in (*draft.other_experiments, draft.experiment):
            _terminate(draft, experiment)
        return
    if draft.pause(INCONCLUSIVE_ANALYSIS) is not None:
        return
    step = current_step(draft.rollout)
    others, experiment = list(draft.other_experiments), draft.experiment
    if step is not None and step.experiment is not None:
        if experiment is None:
            if draft.stable is None:
                return
            experiment = _start(draft, step.experiment)
        _take_outcome(draft, experiment)
        others = [one for one in others if one.metadata.name != experiment.metadata.name]
    elif experiment is not None:
        others.append(experiment)
    for one in others:
        _terminate(draft, one)
    for one in runs_to_delete(draft, others):
        draft.actions.append(Delete(EXPERIMENT, draft.key(one.metadata.name), one.metadata.uid))


def _take_outcome(draft: Draft, experiment: Experiment) -> None:
    phase, message = experiment.status.phase, experiment.status.message
    if phase == "Inconclusive":
        draft.pauses.added.append(INCONCLUSIVE_EXPERIMENT)
    elif phase in ("Error", "Failed"):
        failure = "Experiment analysis phase is error/failed"
        draft.pauses.abort(f"{failure}: {message}" if message else failure)
    elif phase != "Successful":
        draft.experiment = experiment
        draft.set_canary_status(current_experiment=experiment.metadata.name)


def _terminate(draft: Draft, experiment: Experiment | None) -> None:
    if experiment is None or experiment.spec.terminate or experiment.status.phase in COMPLETED_PHASES:
        return
    draft.actions.append(Patch(EXPERIMENT, draft.key(experiment.metadata.name), {"spec": {"terminate": True}}))


def _start(draft: Draft, step: ExperimentStep) -> Experiment:
    rollout, revision = draft.rollout, draft.annotations.get(REVISION_ANNOTATION, "")
    pod_hash, index = draft.observed.pod_hash, rollout.status.current_step_index or 0
    name = f"{rollout.metadata.name}-{pod_hash}-{revision}-{index}"
    obj: Object = {
        "apiVersion": EXPERIMENT.api_version,
        "kind": EXPERIMENT.kind,
        "metadata": {
            "name": name,
            "namespace": rollout.metadata.namespace,
            "labels": rollout.metadata.labels | {HASH_LABEL: pod_hash},
            "annotations": {REVISION_ANNOTATION: revision},
            "ownerReferences": [owner_reference(draft.observed)],
        },
        "spec": _spec(draft, step),
    }
    wanted = decode(Experiment, obj)
    names = (name, *(f"{name}-{count}" for count in range(1, len(draft.observed.experiments) + 1)))
    for known in draft.observed.experiments:
        is_unfinished = known.status.phase not in COMPLETED_PHASES
        if known.metadata.name in names and is_unfinished and known.spec == wanted.spec:
            return known
    taken = {known.metadata.name for known in draft.observed.experiments} | draft.observed.taken_names
    count = 0
    while obj["metadata"]["name"] in taken:
        count += 1
        obj["metadata"]["name"] = f"{name}-{count}"
    draft.actions.append(Create(EXPERIMENT, obj))
    draft.emit("ExperimentCreated", f"Created Experiment '{obj['metadata']['name']}'")
    return decode(Experiment, obj)


def _spec(draft: Draft, step: ExperimentStep) -> Object:
    spec: Object = {"templates": [_template(draft, template) for template in step.templates]}
    if step.analyses:
        spec["analyses"] = [_analysis(draft, analysis) for analysis in step.analyses]
    given = encode(step)
    for field in ("duration", "dryRun", "analysisRunMetadata", "scaleDownDelaySeconds"):
        if field in given:
            spec[field] = given[field]
    if draft.rollout.spec.progress_deadline_seconds is not None:
        spec["progressDeadlineSeconds"] = draft.rollout.spec.progress_deadline_seconds
    return spec


def _template(draft: Draft, template: ExperimentTemplate) -> Object:
    version = {"canary": draft.new, "stable": draft.stable}.get(template.spec_ref)
    if version is None:
        raise StoppedError("Invalid template step SpecRef: must be canary or stable")
    pods: Object = version.obj["spec"].get("template") or {}
    metadata: Object = pods.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | template.metadata.labels
    annotations = (metadata.get("annotations") or {}) | template.metadata.annotations
    metadata = metadata | {"labels": labels} | ({"annotations": annotations} if annotations else {})
    selector: Object = encode(template.selector) if template.selector else version.obj["spec"].get("selector") or {}
    if template.metadata.labels:
        selector = selector | {"matchLabels": (selector.get("matchLabels") or {}) | template.metadata.labels}
    spec: Object = {"name": template.name, "template": pods | {"metadata": metadata}, "selector": selector}
    if template.replicas is not None:
        spec["replicas"] = template.replicas
    if version.obj["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = version.obj["spec"]["minReadySeconds"]
    if template.weight is not None or template.service is not None:
        name = (template.service or {}).get("name")
        spec["service"] = {"name": name} if name else {}
    return spec


def _analysis(draft: Draft, analysis: ExperimentAnalysis) -> Object:
    new = draft.new
    if new is None:
        raise StoppedError("the experiment's analyses need a ReplicaSet of the present template")
    try:
        args = rollout_args(draft.observed, analysis.args, new, draft.stable)
    except UnresolvedError as error:
        raise StoppedError(str(error)) from None
    spec: Object = {"name": analysis.name, "templateName": analysis.template_name}
    if analysis.cluster_scope:
        spec["clusterScope"] = True
    if analysis.required_for_completion:
        spec["requiredForCompletion"] = True
    return spec | ({"args": encode(args)} if args else {})
