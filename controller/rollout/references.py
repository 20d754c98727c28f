"""Who an object belongs to, and which objects a rollout names."""

from controller.rollout.workload import workload_kind
from meshsim.api.decode import FieldError, Object, decode
from meshsim.api.kinds import DESTINATION_RULE, SERVICE, VIRTUAL_SERVICE, Kind
from meshsim.api.meta import Key
from meshsim.api.rollouts import Rollout
from meshsim.api.routes import destination_rule_of, virtual_service_key, virtual_services_of


def controller_uid(obj: Object | None) -> str:
    """The uid of the owner that acts for an object, empty without one."""
    owners = ((obj or {}).get("metadata") or {}).get("ownerReferences") or ()
    return next((owner.get("uid") or "" for owner in owners if owner.get("controller")), "")


def references_of(raw: Object) -> set[tuple[Kind, Key]]:
    """The objects that a rollout names."""
    try:
        rollout = decode(Rollout, raw)
    except FieldError:
        return set()
    namespace = rollout.metadata.namespace
    references = {(SERVICE, Key(namespace, name)) for name in service_names(rollout)}
    references |= {
        (VIRTUAL_SERVICE, virtual_service_key(rollout, reference.name)) for reference in virtual_services_of(rollout)
    }
    rule, workload = destination_rule_of(rollout), workload_kind(rollout)
    if rule is not None:
        references.add((DESTINATION_RULE, Key(namespace, rule.name)))
    if workload is not None and rollout.spec.workload_ref is not None:
        references.add((workload, Key(namespace, rollout.spec.workload_ref.name)))
    return references


def service_names(rollout: Rollout) -> list[str]:
    """The Services that a rollout names."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    names: list[str] = []
    if canary is not None:
        names += [canary.stable_service, canary.canary_service]
        if canary.ping_pong is not None:
            names += [canary.ping_pong.ping_service, canary.ping_pong.pong_service]
    if blue_green is not None:
        names += [blue_green.active_service, blue_green.preview_service]
    return [name for name in names if name]
