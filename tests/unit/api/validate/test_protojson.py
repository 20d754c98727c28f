from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.validate.protojson import MessageError, read_message
from meshsim.api.validate.schemas import schema_of


def _read(kind: str, spec: object) -> Object:
    schema = schema_of("networking.istio.io", kind)
    assert schema is not None
    return read_message(schema["properties"]["spec"], spec, "spec")


def _cannot(kind: str, go_type: str) -> str:
    return f"json: cannot unmarshal {kind} into Go value of type {go_type}"


def test_unknown_fields_and_nulls_are_left_out() -> None:
    assert _read("VirtualService", {"hosts": None, "foo": 1, "http": [{"name": "a", "bar": {}}]}) == {
        "http": [{"name": "a"}]
    }


def test_snake_case_is_understood_and_camel_case_wins() -> None:
    route = {"mirror_percentage": {"value": 1}, "direct_response": {"status": 1}, "directResponse": {"status": 2}}

    assert _read("VirtualService", {"http": [route]})["http"] == [
        {"mirrorPercentage": {"value": 1.0}, "directResponse": {"status": 2}}
    ]


def test_the_older_name_of_the_mirror_percent_is_the_same_field() -> None:
    assert _read("VirtualService", {"http": [{"mirror_percent": 5}]})["http"] == [{"mirrorPercent": 5}]


def test_the_last_declared_member_of_a_oneof_wins() -> None:
    match = {"uri": {"regex": "a", "exact": "b"}}

    assert _read("VirtualService", {"http": [{"match": [match]}]})["http"][0]["match"] == [{"uri": {"regex": "a"}}]


def test_a_null_in_a_list_is_an_empty_message() -> None:
    assert _read("VirtualService", {"http": [None], "hosts": [None]}) == {"http": [{}], "hosts": [""]}


def test_numbers_may_stand_in_quotes() -> None:
    hash_ = {"maglev": {"tableSize": "65537"}}
    policy = _read("DestinationRule", {"trafficPolicy": {"loadBalancer": {"consistentHash": hash_}}})

    assert policy["trafficPolicy"]["loadBalancer"]["consistentHash"]["maglev"] == {"tableSize": 65537}


def test_an_enum_may_be_its_number() -> None:
    assert _read("DestinationRule", {"trafficPolicy": {"tls": {"mode": 2}}})["trafficPolicy"]["tls"] == {
        "mode": "MUTUAL"
    }


@pytest.mark.parametrize(
    ("route", "path", "complaint"),
    [
        ({"timeout": "5"}, "timeout", 'bad Duration: time: missing unit in duration "5"'),
        ({"timeout": 5}, "timeout", _cannot("number", "string")),
        ({"route": {}}, "route", _cannot("object", "[]json.RawMessage")),
        ({"headers": []}, "headers", _cannot("array", "map[string]json.RawMessage")),
        ({"retries": {"attempts": 1.5}}, "retries.attempts", _cannot("number 1.5", "int32")),
        ({"retries": {"attempts": True}}, "retries.attempts", _cannot("bool", "int32")),
        ({"retries": {"attempts": "x"}}, "retries.attempts", "invalid character 'x' looking for beginning of value"),
        ({"retries": {"attempts": ""}}, "retries.attempts", "unexpected end of JSON input"),
        ({"redirect": {"port": -1}}, "redirect.port", _cannot("number -1", "uint32")),
        ({"mirrorPercentage": {"value": {}}}, "mirrorPercentage.value", _cannot("object", "float64")),
        ({"match": [{"ignoreUriCase": "yes"}]}, "match[0].ignoreUriCase", _cannot("string", "bool")),
        ({"match": [{"headers": {"x": 1}}]}, "match[0].headers.x", _cannot("number", "map[string]json.RawMessage")),
        (
            {"directResponse": {"body": {"bytes": "a!b="}}},
            "directResponse.body.bytes",
            "illegal base64 data at input byte 1",
        ),
        (
            {"redirect": {"derivePort": "X"}},
            "redirect.derivePort",
            'unknown value "\\"X\\"" for enum istio.networking.v1alpha3.HTTPRedirect.RedirectPortSelection',
        ),
    ],
)
def test_what_is_no_such_message_is_refused_in_the_words_of_gos_decoder(
    route: dict[str, Any], path: str, complaint: str
) -> None:
    with pytest.raises(MessageError) as raised:
        _read("VirtualService", {"http": [route]})

    assert (raised.value.path, raised.value.message) == (f"spec.http[0].{path}", complaint)
