from collections.abc import Iterator
from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import KINDS
from meshsim.api.validate.rules import RULES
from meshsim.api.validate.schema import check_rules, check_structure, unknown_fields
from meshsim.api.validate.schemas import schema_of

_CUSTOM = [kind for kind in KINDS if schema_of(kind.group, kind.kind) is not None]


def _schema(kind: str) -> Object:
    schema = schema_of("networking.istio.io", kind)
    assert schema is not None
    return schema


def _structure(kind: str, spec: Object) -> list[str]:
    return [str(finding) for finding in check_structure(_schema(kind), {"spec": spec})]


def _broken_rules(kind: str, spec: Object) -> list[str]:
    return [str(finding) for finding in check_rules(_schema(kind), {"spec": spec})]


def _rules_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        rules = schema.get("x-kubernetes-validations")
        yield from (rule["rule"] for rule in rules or () if isinstance(rules, list))
        for part in schema.values():
            yield from _rules_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _rules_in(part)


def test_every_cel_rule_of_the_shipped_schemas_is_written_out() -> None:
    shipped = {rule for kind in _CUSTOM for rule in _rules_in(schema_of(kind.group, kind.kind))}
    shipped |= set(_rules_in(_schema("WorkloadEntry")))

    assert shipped == RULES.keys()


def test_kinds_of_kubernetes_itself_have_no_schema_here() -> None:
    assert {kind.group for kind in _CUSTOM} == {"networking.istio.io", "argoproj.io"}
    assert schema_of("", "Pod") is None
    assert schema_of("networking.istio.io", "EnvoyFilter") is None


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"host": 1}, 'spec.host: Invalid value: "integer": spec.host in body must be of type string: "integer"'),
        ({}, "spec.host: Required value"),
        (
            {"host": "a", "trafficPolicy": {"tls": {"mode": "X"}}},
            'spec.trafficPolicy.tls.mode: Unsupported value: "X": supported values: '
            '"DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"',
        ),
        (
            {"host": "a", "trafficPolicy": {"loadBalancer": {"simple": "RANDOM", "consistentHash": {}}}},
            'spec.trafficPolicy.loadBalancer: Invalid value: "": "spec.trafficPolicy.loadBalancer" must validate one '
            "and only one schema (oneOf). Found 2 valid alternatives",
        ),
        (
            {"host": "a", "trafficPolicy": {"retryBudget": {"percent": 101}}},
            "spec.trafficPolicy.retryBudget.percent: Invalid value: 101: spec.trafficPolicy.retryBudget.percent in "
            "body should be less than or equal to 100",
        ),
        (
            {"host": "a", "trafficPolicy": {"outlierDetection": {"outlierDetectionHttpErrorCodes": [99]}}},
            "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[0]: Invalid value: 99: "
            "spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[0] in body should be greater than or "
            "equal to 100",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_the_api_servers_words(spec: Object, complaint: str) -> None:
    assert _structure("DestinationRule", spec) == [complaint]


def test_lists_and_texts_have_limits() -> None:
    assert _structure("ServiceEntry", {"hosts": []}) == [
        "spec.hosts: Invalid value: 0: spec.hosts in body should have at least 1 items"
    ]
    assert _structure("ServiceEntry", {"hosts": ["a"] * 257}) == [
        "spec.hosts: Too many: 257: must have at most 256 items"
    ]
    assert _structure("ServiceEntry", {"hosts": ["a"], "addresses": ["1" * 65]}) == [
        "spec.addresses[0]: Too long: may not be more than 64 bytes"
    ]


def test_null_is_a_value_only_where_the_schema_says_so() -> None:
    assert _structure("VirtualService", {"http": [{"mirrorPercent": None}]}) == []
    assert _structure("VirtualService", {"http": None}) == [
        'spec.http: Invalid value: "null": spec.http in body must be of type array: "null"'
    ]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert _structure("VirtualService", {"http": [{"redirect": {"port": 80.0}}]}) == []


def test_unknown_fields_are_named_by_their_path() -> None:
    obj = {"kind": "VirtualService", "metadata": {"x": 1}, "extra": 1, "spec": {"http": [{"foo": 1}, {"name": "a"}]}}

    found = unknown_fields(_schema("VirtualService"), obj)

    assert [finding.message for finding in found] == ['unknown field "extra"', 'unknown field "spec.http[0].foo"']


def test_open_parts_of_a_schema_have_no_unknown_fields() -> None:
    schema = schema_of("argoproj.io", "Rollout")
    assert schema is not None
    plugin = {"name": "a/b", "config": {"anything": {"goes": 1}}}

    assert list(unknown_fields(schema, {"spec": {"strategy": {"canary": {"steps": [{"plugin": plugin}]}}}})) == []


@pytest.mark.parametrize(
    ("kind", "spec", "complaint"),
    [
        (
            "VirtualService",
            {"http": [{"timeout": "0s"}]},
            'spec.http[0].timeout: Invalid value: "string": must be a valid duration greater than 1ms',
        ),
        (
            "ServiceEntry",
            {"hosts": ["*"]},
            'spec.hosts[0]: Invalid value: "string": hostname cannot be wildcard',
        ),
        (
            "ServiceEntry",
            {"hosts": ["a"], "ports": [{"number": 1, "name": "a"}, {"number": 1, "name": "b"}]},
            'spec.ports: Invalid value: "array": port number cannot be duplicated',
        ),
        (
            "ServiceEntry",
            {"hosts": ["a"], "ports": [{"number": 1, "name": "a"}, {"number": 2, "name": "a"}]},
            'spec.ports[1]: Duplicate value: {"name":"a"}',
        ),
        (
            "ServiceEntry",
            {"hosts": ["a"], "resolution": "STATIC", "endpoints": [{"address": "unix:///s", "ports": {"a": 1}}]},
            'spec.endpoints[0]: Invalid value: "object": UDS may not include ports',
        ),
        (
            "Gateway",
            {"servers": [{"tls": {"credentialName": "a", "credentialNames": ["b"]}}]},
            'spec.servers[0].tls: Invalid value: "object": only one of credentialName or credentialNames can be set',
        ),
    ],
)
def test_a_broken_rule_is_told_with_the_crds_message(kind: str, spec: Object, complaint: str) -> None:
    assert _broken_rules(kind, spec) == [complaint]
