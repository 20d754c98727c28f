"""Edits of VirtualServices: only what must change changes."""

import pytest

from controller.rollout.virtual_services import (
    ordered,
    with_header_route,
    with_mirror_route,
    with_weight,
    without_managed_routes,
)
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import IstioVirtualService, Rollout, WeightDestination
from meshsim.api.routes import RouteError
from meshsim.api.steps import SetHeaderRoute, SetMirrorRoute

_PRIMARY = IstioVirtualService(name="demo", routes=("primary",))


def rollout(*managed: str, steps: list[Object] | None = None) -> Rollout:
    routing = {
        "istio": {"virtualService": {"name": "demo", "routes": ["primary"]}},
        "managedRoutes": [{"name": name} for name in managed],
    }
    canary = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing, "steps": steps or []}
    return decode(Rollout, {"metadata": {"namespace": "shop"}, "spec": {"strategy": {"canary": canary}}})


def destination(host: str, weight: int | None = None, **more: object) -> Object:
    item: Object = {"destination": {"host": host, **more}}
    return item if weight is None else item | {"weight": weight}


def virtual_service(*items: Object, **route: object) -> Object:
    route_of_primary: Object = {"name": "primary", "route": list(items), **route}
    return {"metadata": {"name": "demo"}, "spec": {"hosts": ["demo"], "http": [route_of_primary]}}


def shares(changed: Object | None) -> dict[str, int]:
    assert changed is not None
    return {item["destination"]["host"]: item.get("weight", 0) for item in changed["spec"]["http"][0]["route"]}


def test_a_weight_is_written_for_both_and_nothing_else_is_touched() -> None:
    before = virtual_service(destination("stable", 100), destination("canary", 0), retries={"attempts": 3})

    changed = with_weight(rollout(), before, _PRIMARY, 30)

    assert shares(changed) == {"stable": 70, "canary": 30}
    assert changed is not None
    assert changed["spec"]["http"][0]["retries"] == {"attempts": 3}
    assert shares(before) == {"stable": 100, "canary": 0}


def test_the_same_weight_again_is_no_change() -> None:
    before = virtual_service(destination("stable", 70), destination("canary", 30))

    assert with_weight(rollout(), before, _PRIMARY, 30) is None


def test_a_stranger_with_a_share_is_removed_and_one_without_stays() -> None:
    before = virtual_service(
        destination("stable", 60), destination("canary", 0), destination("other", 40), destination("idle")
    )

    assert shares(with_weight(rollout(), before, _PRIMARY, 10)) == {"stable": 90, "canary": 10, "idle": 0}


def test_an_experiment_gets_a_destination_and_takes_its_share_from_stable() -> None:
    before = virtual_service(destination("stable", 100), destination("canary", 0))
    share = WeightDestination(weight=5, service_name="probe", pod_template_hash="abc")

    assert shares(with_weight(rollout(), before, _PRIMARY, 10, [share])) == {"stable": 85, "canary": 10, "probe": 5}


def test_hosts_are_recognised_by_their_first_label() -> None:
    before = virtual_service(destination("stable.shop.svc.cluster.local", 100), destination("canary.shop", 0))

    assert list(shares(with_weight(rollout(), before, _PRIMARY, 10)).values()) == [90, 10]


def test_a_route_that_lacks_the_canary_is_refused() -> None:
    with pytest.raises(RouteError, match="Canary Service 'canary' not found in route"):
        with_weight(rollout(), virtual_service(destination("stable", 100)), _PRIMARY, 10)


def test_a_header_route_sends_matching_requests_to_the_canary_on_the_port_of_the_split() -> None:
    before = virtual_service(destination("stable", 100, port={"number": 80}), destination("canary", 0))
    step = decode(SetHeaderRoute, {"name": "beta", "match": [{"headerName": "who", "headerValue": {"exact": "me"}}]})

    changed = with_header_route(rollout("beta"), before, _PRIMARY, step)

    first, second = changed["spec"]["http"]
    assert first == {
        "name": "beta",
        "match": [{"headers": {"who": {"exact": "me"}}}],
        "route": [{"weight": 100, "destination": {"host": "canary", "port": {"number": 80}}}],
    }
    assert second["name"] == "primary"


def test_a_mirror_route_copies_to_the_canary_and_keeps_the_weights() -> None:
    before = virtual_service(destination("stable", 80), destination("canary", 20))
    step = decode(SetMirrorRoute, {"name": "copy", "match": [{"method": {"exact": "GET"}}], "percentage": 35})

    changed = with_mirror_route(rollout("copy"), before, _PRIMARY, step)

    assert changed["spec"]["http"][0] == {
        "name": "copy",
        "match": [{"method": {"exact": "GET"}}],
        "route": [destination("stable", 80), destination("canary", 20)],
        "mirror": {"host": "canary"},
        "mirrorPercentage": {"value": 35},
    }


def test_a_step_that_matches_nothing_takes_its_route_away() -> None:
    before = virtual_service(destination("stable", 100), destination("canary", 0))
    before["spec"]["http"].insert(0, {"name": "beta", "route": [destination("canary", 100)]})

    changed = with_header_route(rollout("beta"), before, _PRIMARY, SetHeaderRoute(name="beta"))

    assert [route["name"] for route in changed["spec"]["http"]] == ["primary"]


def test_managed_routes_come_first_and_routes_without_a_name_multiply_as_in_argo() -> None:
    names = [None, "primary", "b", None, "a"]
    routes = [{"name": name} if name else {} for name in names]

    changed = ordered(rollout("a", "b"), {"spec": {"http": routes}})

    assert [route.get("name") for route in changed["spec"]["http"]] == ["a", "b", None, None, "primary", None, None]


def test_with_a_header_step_the_routes_are_removed_again_and_again() -> None:
    plain = virtual_service(destination("stable", 100), destination("canary", 0))
    with_step = rollout("beta", steps=[{"setHeaderRoute": {"name": "beta"}}])

    assert without_managed_routes(rollout("beta"), plain) is None
    assert without_managed_routes(with_step, plain) == plain
