"""Whether a rollout can be reconciled at all: Argo's own judgement, and what is out of scope here."""

from collections.abc import Iterator

from controller.rollout.observed import Observed
from meshsim.api.validate.emulated import not_emulated
from meshsim.api.validate.fields import internal_error
from meshsim.api.validate.findings import Finding
from meshsim.api.validate.references import References, check_references
from meshsim.api.validate.rollout import check_rollout


def first_fault(observed: Observed) -> str:
    """The first thing that is wrong with the rollout or what it refers to, empty when nothing is."""
    return str(next(_faults(observed), ""))


def _faults(observed: Observed) -> Iterator[Finding]:
    rollout = observed.rollout
    is_sound = True
    for finding in check_rollout(rollout, template_is_resolved=rollout.spec.workload_ref is not None):
        is_sound = False
        yield finding
    for path, why in not_emulated(rollout):
        yield internal_error(path, why)
    references = References(
        services=observed.services,
        templates=observed.templates,
        cluster_templates=observed.cluster_templates,
        virtual_services=observed.virtual_services,
    )
    if is_sound:
        yield from check_references(rollout, references)
