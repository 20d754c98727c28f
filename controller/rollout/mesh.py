"""What is written into the mesh: weights, version subsets and the routes that steps create, with their events."""

from collections.abc import Callable, Iterator, Sequence

from controller.rollout import hazards
from controller.rollout.actions import Patch, Replace
from controller.rollout.destination_rules import with_hashes
from controller.rollout.draft import Draft, StoppedError
from controller.rollout.versions import Version, with_hash
from controller.rollout.virtual_services import (
    with_header_route,
    with_mirror_route,
    with_weight,
    without_managed_routes,
)
from meshsim.api.decode import Object
from meshsim.api.kinds import DESTINATION_RULE, VIRTUAL_SERVICE
from meshsim.api.merge_patch import patch_between
from meshsim.api.meta import Key
from meshsim.api.rollouts import IstioVirtualService, WeightDestination
from meshsim.api.routes import (
    RouteError,
    canary_of,
    destination_rule_of,
    managed_names,
    virtual_service_key,
    virtual_services_of,
)
from meshsim.api.steps import SetHeaderRoute, SetMirrorRoute

Additional = Sequence[WeightDestination]
Edit = Callable[[Object, IstioVirtualService], Object | None]


def set_weight(draft: Draft, weight: int, additional: Additional = ()) -> None:
    """Give the canary that share in every VirtualService."""

    def edit(virtual_service: Object, reference: IstioVirtualService) -> Object | None:
        changed = with_weight(draft.rollout, virtual_service, reference, weight, additional)
        if changed is not None:
            hazards.destinations_go(draft, reference.name, virtual_service, changed)
            if additional:
                hazards.experiment_has_another_port(draft, reference.name, virtual_service, changed)
        return changed

    for key, reference in _references(draft):
        _edit(draft, key, reference, edit, f"set to desiredWeight '{weight}'")


def set_header_route(draft: Draft, step: SetHeaderRoute) -> None:
    """Write the header route of a step."""

    def edit(virtual_service: Object, reference: IstioVirtualService) -> Object:
        return with_header_route(draft.rollout, virtual_service, reference, step, _rule_host(draft))

    for key, reference in _references(draft):
        _edit(draft, key, reference, edit, f"set headerRoute '{step.name}'")


def set_mirror_route(draft: Draft, step: SetMirrorRoute) -> None:
    """Write the mirror route of a step."""

    def edit(virtual_service: Object, reference: IstioVirtualService) -> Object:
        return with_mirror_route(draft.rollout, virtual_service, reference, step, _rule_host(draft))

    for key, reference in _references(draft):
        _edit(draft, key, reference, edit, f"set mirrorRoute '{step.name}'")


def remove_managed_routes(draft: Draft) -> None:
    """Take the routes that steps created out of every VirtualService.

    The first one without http routes, or with nothing to take out, ends it: Argo leaves the rest alone then.
    """
    for key, _ in _references(draft):
        virtual_service = draft.virtual_services.get(key)
        if virtual_service is None:
            draft.warn("VirtualServiceNotFound", f"VirtualService `{key.name}` not found")
            continue
        changed = _without_managed_routes(draft, virtual_service)
        if changed is None:
            if _has_nothing_managed(draft, virtual_service):
                return
            continue
        _write(draft, key, changed, "removed all managed routes.")


def _without_managed_routes(draft: Draft, virtual_service: Object) -> Object | None:
    http = (virtual_service.get("spec") or {}).get("http")
    if http is None:
        return None
    if not isinstance(http, list):
        raise StoppedError(
            "[RemoveManagedRoutes] failed to get http routes from virtual service: .spec.http accessor error: "
            f"{http} is of the type {_go_type(http)}, expected []interface{{}}"
        )
    try:
        return without_managed_routes(draft.rollout, virtual_service)
    except RouteError:
        if not managed_names(draft.rollout):
            return None
        wrong = next(item for item in http if not isinstance(item, dict))
        raise StoppedError(
            "[RemoveManagedRoutes] failed to split managed and non-managed routes: "
            "[splitManagedRoutesAndNonManagedRoutes] failed to unmarsharl http route interface: "
            f"json: cannot unmarshal {_go_type(wrong)} into .{http.index(wrong)} of type map[string]interface {{}}"
        ) from None


def _has_nothing_managed(draft: Draft, virtual_service: Object) -> bool:
    return (virtual_service.get("spec") or {}).get("http") is None or not managed_names(draft.rollout)


def _go_type(value: object) -> str:
    if isinstance(value, str):
        return "string"
    return "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "object"


def update_hashes(draft: Draft, canary_hash: str, stable_hash: str, additional: Additional = ()) -> None:
    """Have the DestinationRule's subsets select the versions.

    Where no Service tells the versions apart, the reconcile stops until every version with traffic is fully
    available, also when there is no DestinationRule.
    """
    waiting = _not_fully_available(draft, canary_hash, stable_hash)
    if waiting is not None:
        raise StoppedError(f"delaying destination rule switch: ReplicaSet {waiting.name} not fully available")
    reference = destination_rule_of(draft.rollout)
    if reference is None:
        return
    rule = _destination_rule(draft)
    changed = with_hashes(draft.rollout, rule, reference, (canary_hash, stable_hash), additional)
    patch = patch_between(rule, changed)
    if not patch:
        return
    hazards.subsets_go(draft, reference.name, rule, changed)
    draft.actions.append(Patch(DESTINATION_RULE, draft.key(reference.name), patch))
    draft.destination_rule = changed
    draft.emit(
        "UpdatedDestinationRule",
        f"DestinationRule {reference.name} subset updated "
        f"({reference.canary_subset_name}: {canary_hash}, {reference.stable_subset_name}: {stable_hash})",
    )


def _not_fully_available(draft: Draft, canary_hash: str, stable_hash: str) -> Version | None:
    canary = canary_of(draft.rollout)
    if canary.canary_service or canary.stable_service:
        return None
    stable = with_hash(draft.versions, stable_hash)
    is_canary_exempt = draft.rollout.status.abort or (stable is not None and draft.is_rolling_back_to(stable))
    for version in draft.versions:
        if version.replicas == 0 or not version.hash or version.hash not in (stable_hash, canary_hash):
            continue
        if not (is_canary_exempt and version.hash == canary_hash) and not version.is_fully_available:
            return version
    return None


def _destination_rule(draft: Draft) -> Object:
    reference = destination_rule_of(draft.rollout)
    name = reference.name if reference else ""
    if draft.destination_rule is None:
        draft.warn("DestinationRuleNotFound", f"DestinationRule `{name}` not found")
        raise StoppedError(f'destinationrules.networking.istio.io "{name}" not found')
    return draft.destination_rule


def _rule_host(draft: Draft) -> str:
    if destination_rule_of(draft.rollout) is None:
        return ""
    host: str = (_destination_rule(draft).get("spec") or {}).get("host") or ""
    return host


def _references(draft: Draft) -> Iterator[tuple[Key, IstioVirtualService]]:
    for reference in virtual_services_of(draft.rollout):
        yield virtual_service_key(draft.rollout, reference.name), reference


def _edit(draft: Draft, key: Key, reference: IstioVirtualService, edit: Edit, done: str) -> None:
    virtual_service = draft.virtual_services.get(key)
    if virtual_service is None:
        draft.warn("VirtualServiceNotFound", f"VirtualService `{key.name}` not found")
        raise StoppedError(f'virtualservices.networking.istio.io "{key.name}" not found')
    try:
        changed = edit(virtual_service, reference)
    except RouteError as error:
        raise StoppedError(str(error)) from None
    if changed is not None:
        _write(draft, key, changed, done)


def _write(draft: Draft, key: Key, changed: Object, done: str) -> None:
    draft.virtual_services[key] = changed
    draft.actions.append(Replace(VIRTUAL_SERVICE, changed))
    draft.emit("Updated VirtualService", f"VirtualService `{key.name}` {done}")
