"""One reconcile of an experiment: versions, then analyses, then the status."""

from dataclasses import dataclass

from controller.experiment.analyses import reconcile_analysis
from controller.experiment.draft import Draft, Observed
from controller.experiment.spec import first_wrong
from controller.experiment.status import conclude, invalid_conditions
from controller.experiment.templates import reconcile_template
from controller.rollout.actions import Action
from meshsim.api.analysis import ExperimentStatus


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do in its order, the status to write then, and when to look again."""

    actions: tuple[Action, ...]
    status: ExperimentStatus
    wake_at: float | None = None


def plan(observed: Observed, now: float) -> Plan:
    """Decide what an experiment needs next."""
    draft = Draft(observed, now, observed.experiment.status, dict(observed.versions))
    reason = first_wrong(observed.asked)
    if reason:
        draft.set_status(conditions=invalid_conditions(draft, reason))
        return Plan((), draft.status)
    for template in observed.asked.templates:
        reconcile_template(draft, template)
    for analysis in observed.asked.analyses:
        reconcile_analysis(draft, analysis)
    conclude(draft)
    ends_at = observed.asked.ends_at
    if ends_at is not None and now <= ends_at:
        draft.wakes.append(ends_at)
    return Plan(tuple(draft.actions), draft.status, min(draft.wakes, default=None))
