"""Which version each Service selects."""

from typing import Final

from controller.rollout.actions import Patch
from controller.rollout.draft import Draft, StoppedError
from controller.rollout.versions import Version
from meshsim.api.decode import Object
from meshsim.api.kinds import SERVICE
from meshsim.api.merge_patch import merge_patch
from meshsim.api.rollouts import HASH_LABEL, MANAGED_BY_ANNOTATION
from meshsim.api.routes import canary_of, stable_and_canary_services
from meshsim.client.api import PatchType

_LOOK_AGAIN_S: Final = 1.0
"""Argo looks again at once, and so reconciles without a break while an abort makes a Service go to and fro."""


def service_named(draft: Draft, name: str) -> Object:
    """The Service, as this reconcile has left it. The reconcile stops when there is none."""
    service = draft.services.get(name)
    if service is None:
        raise StoppedError(f'service "{name}" not found')
    return service


def selected_hash(service: Object | None) -> str:
    """The version a Service selects, empty when it selects none in particular."""
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    return selector.get(HASH_LABEL) or ""


def selects_a_version(service: Object) -> bool:
    """Its selector names a version, be it an empty one."""
    return HASH_LABEL in (((service.get("spec") or {}).get("selector")) or {})


def _is_managed(service: Object) -> bool:
    return MANAGED_BY_ANNOTATION in (service["metadata"].get("annotations") or {})


def switch_service(draft: Draft, service: Object, pod_hash: str) -> None:
    """Have a Service select that version, and mark it as managed; nothing when both are so already."""
    if selects_a_version(service) and selected_hash(service) == pod_hash and _is_managed(service):
        return
    name = service["metadata"]["name"]
    patch: Object = {"spec": {"selector": {HASH_LABEL: pod_hash}}}
    if not _is_managed(service):
        patch["metadata"] = {"annotations": {MANAGED_BY_ANNOTATION: draft.rollout.metadata.name}}
    draft.actions.append(Patch(SERVICE, draft.key(name), patch, PatchType.STRATEGIC))
    draft.services[name] = merge_patch(service, patch)
    draft.wake(draft.now + _LOOK_AGAIN_S)
    draft.emit(
        "SwitchService", f"Switched selector for service '{name}' from '{selected_hash(service)}' to '{pod_hash}'"
    )


def point_service(draft: Draft, name: str, version: Version | None, *, when_available: bool) -> None:
    """Have a Service select a version, unless it is not ready for that: then later, silently.

    A Service that the rollout doesn't manage yet waits for all pods, any other for one.
    """
    if version is None or not name:
        return
    service = service_named(draft, name)
    if selected_hash(service) == version.hash:
        return
    is_adoption = not _is_managed(service)
    if when_available and ((is_adoption and not version.is_fully_available) or version.available == 0):
        return
    switch_service(draft, service, version.hash)


def reconcile_ping_pong(draft: Draft) -> None:
    """The Service in the canary's role selects the new version at once."""
    if canary_of(draft.rollout).ping_pong is not None and not draft.is_fully_promoted:
        _, canary_service = stable_and_canary_services(draft.rollout, prefer_ping_pong=True)
        point_service(draft, canary_service, draft.new, when_available=False)


def reconcile_canary_services(draft: Draft) -> None:
    """Stable to the stable version; canary to the new one, or back to stable when a plain canary was aborted."""
    canary = canary_of(draft.rollout)
    point_service(draft, canary.stable_service, draft.stable, when_available=True)
    if draft.is_aborted and canary.traffic_routing is None:
        point_service(draft, canary.canary_service, draft.stable, when_available=True)
    elif not draft.is_rolling_back_dynamically:
        # While stable grows back it couldn't bear the canary's traffic.
        point_service(draft, canary.canary_service, draft.new, when_available=True)
