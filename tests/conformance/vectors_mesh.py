"""Translates recorded edits of VirtualServices and DestinationRules; production code decides."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from controller.rollout import mesh
from controller.rollout.actions import Emit
from controller.rollout.draft import Draft, StoppedError
from controller.rollout.observed import Observed
from controller.rollout.rules import Rules
from controller.rollout.versions import Version
from controller.rollout.virtual_services import with_weight
from meshsim.api.decode import Object, decode
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import IstioVirtualService, Rollout, TcpRoute, TlsRoute, WeightDestination
from meshsim.api.routes import (
    RouteError,
    check_http_routes,
    check_tcp_routes,
    check_tls_routes,
    destination_rule_of,
    http_indexes,
    split_reference,
)
from meshsim.api.steps import SetHeaderRoute, SetMirrorRoute
from tests.conformance.cases import Case
from tests.conformance.vectors_replicas import version

In = Mapping[str, Any]


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded call."""
    for number, case in enumerate(document["cases"]):
        name = f"{case['test']}#{number}"
        yield Case(name, partial(case.__getitem__, "out"), partial(_decided, case), case["test"])


def _decided(case: In) -> object:
    function, given = case["function"], case["in"]
    return _EDITS[function](given) if function in _EDITS else _edited(function, given)


def _rollout(given: In) -> Rollout:
    return decode(Rollout, given["rollout"])


def _additional(given: In) -> list[WeightDestination]:
    return [decode(WeightDestination, one) for one in given.get("additionalDestinations") or []]


def _edited(function: str, given: In) -> object:
    """A verb of the mesh: what it leaves behind, what it says and why it stopped."""
    draft, before = _draft(given), given["before"]
    error = None
    try:
        _VERBS[function](draft, given)
    except StoppedError as stopped:
        error = str(stopped)
    rule = draft.destination_rule
    return {
        "after": {
            "destinationRules": [
                rule if rule is not None and key_of(one) == key_of(rule) else one for one in before["destinationRules"]
            ],
            "virtualServices": [draft.virtual_services[key_of(one)] for one in before["virtualServices"]],
        },
        "error": error,
        "events": [
            f"{action.type} {action.reason} {action.message}" for action in draft.actions if isinstance(action, Emit)
        ],
    }


def _draft(given: In) -> Draft:
    rollout, before = _rollout(given), given["before"]
    reference = destination_rule_of(rollout)
    rules = {key_of(one): one for one in before["destinationRules"]}
    versions = [one for one in map(_version, given["replicaSets"]) if one is not None]
    observed = Observed(
        raw=dict(given["rollout"]),
        rollout=rollout,
        versions=tuple(versions),
        virtual_services={key_of(one): one for one in before["virtualServices"]},
        destination_rule=rules.get(Key(rollout.metadata.namespace, reference.name)) if reference else None,
    )
    draft = Draft(observed, 0.0, Rules(warns_of_hazards=False))
    new = next((one for one in versions if one.hash == given.get("canaryHash")), None)
    draft.new_name = new.name if new else ""
    return draft


def _version(given: Object) -> Version | None:
    return version(given)


_VERBS: Final[Mapping[str, Callable[[Draft, In], None]]] = {
    "SetWeight": lambda draft, given: mesh.set_weight(draft, given["desiredWeight"], _additional(given)),
    "UpdateHash": lambda draft, given: mesh.update_hashes(
        draft, given["canaryHash"], given["stableHash"], _additional(given)
    ),
    "SetHeaderRoute": lambda draft, given: mesh.set_header_route(
        draft, decode(SetHeaderRoute, given["setHeaderRoute"])
    ),
    "SetMirrorRoute": lambda draft, given: mesh.set_mirror_route(
        draft, decode(SetMirrorRoute, given["setMirrorRoute"])
    ),
    "RemoveManagedRoutes": lambda draft, _given: mesh.remove_managed_routes(draft),
}


def _weighted(given: In) -> object:
    reference = IstioVirtualService(
        routes=tuple(given["routes"] or ()),
        tls_routes=tuple(decode(TlsRoute, one) for one in given["tlsRoutes"] or ()),
        tcp_routes=tuple(decode(TcpRoute, one) for one in given["tcpRoutes"] or ()),
    )
    try:
        changed = with_weight(
            _rollout(given), given["virtualService"], reference, given["desiredWeight"], _additional(given)
        )
    except RouteError as error:
        return {"error": str(error), "modified": False, "virtualService": None}
    return {"error": None, "modified": changed is not None, "virtualService": changed or given["virtualService"]}


def _error(check: Callable[[], object]) -> object:
    try:
        check()
    except RouteError as error:
        return {"error": str(error)}
    return {"error": None}


def _indexes(given: In) -> object:
    try:
        return {"error": None, "indexes": http_indexes(given["routes"], given["httpRoutes"])}
    except RouteError as error:
        return {"error": str(error), "indexes": None}


def _split(given: In) -> object:
    namespace, name = split_reference(given["ref"])
    return {"name": name, "namespace": namespace}


_EDITS: Final[Mapping[str, Callable[[In], object]]] = {
    "reconcileVirtualService": _weighted,
    "getHttpRouteIndexesToPatch": _indexes,
    "GetVirtualServiceNamespaceName": _split,
    "ValidateHTTPRoutes": lambda given: _error(
        lambda: check_http_routes(_rollout(given), given["routes"] or (), given["httpRoutes"])
    ),
    "ValidateTlsRoutes": lambda given: _error(
        lambda: check_tls_routes(
            _rollout(given), [decode(TlsRoute, one) for one in given["routes"] or ()], given["tlsRoutes"]
        )
    ),
    "ValidateTcpRoutes": lambda given: _error(
        lambda: check_tcp_routes(
            _rollout(given), [decode(TcpRoute, one) for one in given["routes"] or ()], given["tcpRoutes"]
        )
    ),
}
