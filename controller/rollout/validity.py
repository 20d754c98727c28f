"""Whether a rollout can be reconciled at all: Argo's own judgement, and what is out of scope here."""

from collections.abc import Iterator
from typing import Final

from controller.rollout.observed import Observed
from meshsim.api.rollouts import Rollout
from meshsim.api.routes import canary_of
from meshsim.api.validate.fields import internal_error
from meshsim.api.validate.findings import Finding
from meshsim.api.validate.references import References, check_references
from meshsim.api.validate.rollout import check_rollout

_OTHER_ROUTERS: Final = {
    "alb": "alb",
    "ambassador": "ambassador",
    "apisix": "apisix",
    "app_mesh": "appMesh",
    "nginx": "nginx",
    "plugins": "plugins",
    "smi": "smi",
    "traefik": "traefik",
}


def first_fault(observed: Observed) -> str:
    """The first thing that is wrong with the rollout or what it refers to, empty when nothing is."""
    return str(next(_faults(observed), ""))


def _faults(observed: Observed) -> Iterator[Finding]:
    rollout = observed.rollout
    is_sound = True
    for finding in check_rollout(rollout, template_is_resolved=rollout.spec.workload_ref is not None):
        is_sound = False
        yield finding
    yield from _not_emulated(rollout)
    references = References(
        services=observed.services,
        templates=observed.templates,
        cluster_templates=observed.cluster_templates,
        virtual_services=observed.virtual_services,
    )
    if is_sound:
        yield from check_references(rollout, references)


def _not_emulated(rollout: Rollout) -> Iterator[Finding]:
    canary = canary_of(rollout)
    for field, name in _OTHER_ROUTERS.items():
        if getattr(canary.traffic_routing, field, None) is not None:
            text = f"{name} is not emulated: only Istio splits traffic here"
            yield internal_error(f"spec.strategy.canary.trafficRouting.{name}", text)
    for number, step in enumerate(canary.steps):
        if step.plugin is not None:
            yield internal_error(f"spec.strategy.canary.steps[{number}].plugin", "step plugins are not emulated")
