"""The configured share of each version."""

import pytest

from meshsim.api.core import Endpoint, EndpointConditions, EndpointSlice, ObjectReference
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking import Destination, HttpRoute, HttpRouteDestination
from meshsim.cli.live.configured import configured_split, same_split

_VERSIONS = {"a-1": "v1", "a-2": "v1", "b-1": "v2"}


def _slice(service: str, *pods: str, ready: bool | None = True) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{service}-x", labels={"kubernetes.io/service-name": service}),
        endpoints=tuple(
            Endpoint(
                addresses=("127.0.0.9",),
                conditions=EndpointConditions(ready=ready),
                target_ref=ObjectReference(kind="Pod", name=pod),
            )
            for pod in pods
        ),
    )


def _route(**weights: int) -> HttpRoute:
    return HttpRoute(
        route=tuple(
            HttpRouteDestination(destination=Destination(host=host.replace("_", "-")), weight=weight)
            for host, weight in weights.items()
        )
    )


def test_each_service_gives_its_weight_to_the_version_behind_it() -> None:
    split = configured_split(
        _route(my_stable=66, my_canary=34), [_slice("my-stable", "a-1", "a-2"), _slice("my-canary", "b-1")], _VERSIONS
    )
    assert split == pytest.approx({"v1": 0.66, "v2": 0.34})


def test_a_service_of_several_versions_gives_each_its_part_of_the_endpoints() -> None:
    split = configured_split(_route(my_app=1), [_slice("my-app", "a-1", "a-2", "b-1")], _VERSIONS)
    assert split == pytest.approx({"v1": 2 / 3, "v2": 1 / 3})


def test_a_service_without_weight_gives_nothing() -> None:
    split = configured_split(
        _route(my_stable=100, my_canary=0), [_slice("my-stable", "a-1"), _slice("my-canary", "b-1")], _VERSIONS
    )
    assert split == {"v1": 1.0}


def test_an_endpoint_that_is_not_ready_gets_nothing_and_a_service_without_any_leaves_its_share() -> None:
    split = configured_split(
        _route(my_stable=60, my_canary=40),
        [_slice("my-stable", "a-1"), _slice("my-canary", "b-1", ready=False)],
        _VERSIONS,
    )
    assert split == pytest.approx({"v1": 0.6})


def test_a_host_may_be_written_in_full() -> None:
    route = HttpRoute(route=(HttpRouteDestination(destination=Destination(host="my-app.default.svc.cluster.local")),))
    assert configured_split(route, [_slice("my-app", "a-1")], _VERSIONS) == {"v1": 1.0}


def test_splits_are_the_same_but_for_rounding() -> None:
    assert same_split({"v1": 0.1 + 0.2}, {"v1": 0.3})
    assert same_split({"v1": 1.0, "v2": 0.0}, {"v1": 1.0})
    assert not same_split({"v1": 1.0}, {"v2": 1.0})
