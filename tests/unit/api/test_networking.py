from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from meshsim.api.decode import Object, Wire, decode, encode
from meshsim.api.networking import (
    NO_DESTINATION,
    Abort,
    ConsistentHash,
    Delay,
    DestinationRule,
    DirectResponseBody,
    Gateway,
    HttpRouteDestination,
    LoadBalancer,
    Maglev,
    Redirect,
    ServiceEntry,
    Sidecar,
    StringMatch,
    VirtualService,
    WorkloadEntry,
    seconds,
)
from meshsim.api.validate.schemas import schema_of


def test_an_empty_comparison_asks_for_presence_only() -> None:
    assert decode(StringMatch, {}).is_presence
    assert not decode(StringMatch, {"exact": ""}).is_presence


def test_a_weight_of_zero_is_told_from_no_weight() -> None:
    weights = [decode(HttpRouteDestination, value).weight for value in ({}, {"weight": 0})]

    assert weights == [None, 0]


def test_a_destination_that_was_left_out_is_told_from_an_empty_one() -> None:
    assert decode(HttpRouteDestination, {}).destination is NO_DESTINATION
    assert decode(HttpRouteDestination, {"destination": {}}).destination is not NO_DESTINATION


def test_both_names_of_the_mirror_percent_are_read() -> None:
    rules = [{"mirrorPercent": 5}, {"mirror_percent": 6}]

    spec = decode(VirtualService, {"spec": {"http": rules}}).spec

    assert [(rule.mirror_percent, rule.mirror_percent_snake) for rule in spec.http] == [(5, None), (None, 6)]


def test_names_with_digits_keep_their_form_on_the_wire() -> None:
    policy = {
        "connectionPool": {"http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 2, "h2UpgradePolicy": "UPGRADE"}},
        "outlierDetection": {"consecutive5xxErrors": 0},
    }
    rule = {"spec": {"host": "a", "trafficPolicy": policy}}

    assert encode(decode(DestinationRule, rule))["spec"]["trafficPolicy"] == policy


@pytest.mark.parametrize(("duration", "length_s"), [("1.5s", 1.5), ("1m", 60.0), ("", None), (None, None)])
def test_a_duration_is_seconds_or_nothing(duration: str | None, length_s: float | None) -> None:
    assert seconds(duration) == length_s


def _struct_in(annotation: Any) -> type[Wire] | None:
    """The Wire type inside `X | None`, `tuple[X, ...]` or `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, Wire):
        return annotation
    return next(filter(None, map(_struct_in, get_args(annotation))), None)


def _strangers(struct: type[Wire], schema: Object, path: str) -> Iterator[str]:
    """Wire names that the CRD doesn't have."""
    schema = schema.get("items") or schema.get("additionalProperties") or schema
    for field in msgspec.structs.fields(struct):
        at = f"{path}.{field.encode_name}"
        part = schema.get("properties", {}).get(field.encode_name)
        if part is None:
            yield at
        elif (inner := _struct_in(field.type)) is not None:
            yield from _strangers(inner, part, at)


@pytest.mark.parametrize("kind", [VirtualService, DestinationRule, Gateway, ServiceEntry, Sidecar, WorkloadEntry])
def test_every_field_has_its_name_of_the_crd(kind: type[Wire]) -> None:
    schema = schema_of("networking.istio.io", kind.__name__)
    spec = next(field for field in msgspec.structs.fields(kind) if field.name == "spec")
    struct = _struct_in(spec.type)
    assert schema is not None
    assert struct is not None

    strangers = set(_strangers(struct, schema["properties"]["spec"], "spec"))

    # One type for both forms of a selector.
    assert {name.rpartition(".")[0] for name in strangers} <= {"spec.workloadSelector"}


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        (StringMatch, {"regex": "a", "prefix": "b", "exact": "c"}, StringMatch(regex="a")),
        (StringMatch, {"prefix": "", "exact": "c"}, StringMatch(prefix="")),
        (Abort, {"grpcStatus": "NOT_FOUND", "httpStatus": 500}, Abort(grpc_status="NOT_FOUND")),
        (Delay, {"fixedDelay": "1s", "exponentialDelay": "2s"}, Delay(exponential_delay="2s")),
        (Redirect, {"derivePort": "FROM_REQUEST_PORT", "port": 1}, Redirect(derive_port="FROM_REQUEST_PORT")),
        (DirectResponseBody, {"bytes": "YQ==", "string": "b"}, DirectResponseBody(bytes="YQ==")),
        (ConsistentHash, {"useSourceIp": True, "httpHeaderName": "x"}, ConsistentHash(use_source_ip=True)),
        (ConsistentHash, {"ringHash": {}, "maglev": {}}, ConsistentHash(maglev=Maglev())),
        (LoadBalancer, {"consistentHash": {}, "simple": "RANDOM"}, LoadBalancer(consistent_hash=ConsistentHash())),
    ],
)
def test_of_the_members_of_a_oneof_the_last_one_declared_is_read(kind: type[Wire], given: Object, read: Wire) -> None:
    assert decode(kind, given) == read
