"""What an experiment comes to, by its versions and its analyses."""

from typing import Final

import msgspec

from controller.analysis.assess import is_worse
from controller.experiment.draft import Draft
from controller.experiment.spec import Asked
from controller.rollout.conditions import find, new, put, renew, without
from meshsim.api.analysis import COMPLETED_PHASES, ExperimentStatus
from meshsim.api.meta import Condition
from meshsim.api.validate.gotext import quote
from meshsim.kit.timestamps import to_rfc3339

PROGRESSING: Final = "Progressing"
INVALID_SPEC: Final = "InvalidExperimentSpec"
_WORST_LAST: Final = ("Successful", "Running", "Progressing", "Error", "Failed")
_PHASE_OF: Final = {"Progressing": "Pending", "Running": "Running"}


def conclude(draft: Draft) -> None:
    """Set the phase, its message and the conditions."""
    before = draft.experiment.status
    if not before.phase:
        draft.set_status(phase="Pending")
    elif before.phase not in COMPLETED_PHASES:
        _assess(draft)
    if draft.status.phase != before.phase:
        is_bad = draft.status.phase in ("Failed", "Error", "Inconclusive")
        message = f"Experiment transitioned from {before.phase} -> {draft.status.phase}"
        draft.emit(f"Experiment{draft.status.phase}", message, is_bad=is_bad)
    draft.set_status(conditions=_conditions(draft))


def _assess(draft: Draft) -> None:
    templates, told = _of_templates(draft)
    if templates == "Running" and not draft.status.available_at:
        draft.set_status(available_at=to_rfc3339(draft.now))
    latest = _with_status(draft)
    analyses, judged = _of_analyses(draft, latest)
    is_judged = analyses in COMPLETED_PHASES
    if templates in COMPLETED_PHASES:
        defers = templates == "Successful" and (is_judged or latest.has_required_analyses)
    else:
        is_bad = is_judged and analyses != "Successful"
        defers = is_bad or latest.are_required_analyses_successful()
    draft.set_status(phase=analyses if defers else templates, message=judged if defers else told)


def _with_status(draft: Draft) -> Asked:
    """The same with the status as it will be."""
    experiment = msgspec.structs.replace(draft.experiment, status=draft.status)
    return Asked(experiment, draft.asked.templates, draft.asked.analyses)


def _of_templates(draft: Draft) -> tuple[str, str]:
    rank = {status: index for index, status in enumerate(_WORST_LAST)}
    worst, message = "Successful", ""
    for template in draft.asked.templates:
        status = draft.status.template(template.name)
        found = status.status if status else "Progressing"
        if rank.get(found, 0) > rank[worst]:
            worst, message = found, status.message if status else ""
    return _PHASE_OF.get(worst, worst), message


def _of_analyses(draft: Draft, latest: Asked) -> tuple[str, str]:
    worst, message = "Successful", ""
    for analysis in draft.asked.analyses:
        status = draft.status.analysis(analysis.name)
        if status is not None and is_worse(worst, status.phase):
            worst, message = status.phase, status.message
    if worst == "Successful" and latest.are_required_analyses_successful():
        return worst, "Required AnalysisRuns completed"
    return ("Running" if worst == "Pending" else worst), message


def invalid_conditions(draft: Draft, reason: str) -> tuple[Condition, ...]:
    """The conditions of an experiment whose spec makes no sense."""
    known = without(draft.status.conditions, INVALID_SPEC)
    current = find(draft.status.conditions, INVALID_SPEC)
    if current is not None and current.message == reason:
        return tuple(draft.status.conditions)
    return tuple(put(known, new(INVALID_SPEC, "True", "InvalidSpec", reason, draft.now)))


def _conditions(draft: Draft) -> tuple[Condition, ...]:
    conditions = without(draft.status.conditions, INVALID_SPEC)
    name, is_over = quote(draft.experiment.metadata.name), draft.asked.is_over(draft.now)

    def progressing(status: str, reason: str, message: str) -> Condition:
        return new(PROGRESSING, status, reason, f"Experiment {name} {message}", draft.now)

    if draft.status.phase == "Successful":
        conditions = put(conditions, progressing("False", "ExperimentCompleted", "has successfully ran and completed."))
    elif _has_progressed(draft.experiment.status, draft.status):
        conditions = renew(conditions, progressing("True", "ReplicaSetUpdated", "is progressing."))
    elif draft.experiment.status.available_at and not is_over:
        conditions = put(conditions, progressing("True", "NewReplicaSetAvailable", "is running."))
    return tuple(conditions)


def _has_progressed(before: ExperimentStatus, after: ExperimentStatus) -> bool:
    counts = ("replicas", "updated_replicas", "ready_replicas", "available_replicas")
    if len(before.template_statuses) < len(after.template_statuses):
        return True
    return any(
        getattr(old, count) != getattr(status, count)
        for status in after.template_statuses
        if (old := before.template(status.name)) is not None
        for count in counts
    )
