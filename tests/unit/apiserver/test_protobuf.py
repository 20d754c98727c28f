import base64

import pytest

from meshsim.api.decode import FieldError
from meshsim.apiserver.requests.protobuf import read_protobuf

# What kubectl 1.32.5 sent for `kubectl create …`, recorded.
CONFIG_MAP = "azhzAAoPCgJ2MRIJQ29uZmlnTWFwEiIKGAoIc2V0dGluZ3MSABoAIgAqADIAOABCABIGCgFhEgFiGgAiAA=="
SECRET = "azhzAAoMCgJ2MRIGU2VjcmV0EiEKFQoFdG9rZW4SABoAIgAqADIAOABCABIGCgFrEgF2GgAaACIA"
DEPLOYMENT = (
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErwBCiEKBHdlYjISABoAIgAqADIAOABCAFoLCgNhcHASBHdlYjISiAEIAhINCgsKA2FwcBIE"
    "d2ViMhptCh0KABIAGgAiACoAMgA4AEIAWgsKA2FwcBIEd2ViMhJMEi4KA3dlYhIGd2ViOnYxKgAyCwoAEAAYkD8iACoAQgBqAHIAgAEAiAEA"
    "kAEAogEAGgAyAEIASgBSAFgAYABoAIIBAIoBAJoBAMIBACICCgAoADgAGgwIABAAGAAgACgAOAAaACIA"
)
JOB = (
    "azhzAAoPCghiYXRjaC92MRIDSm9iEogBChQKBG9uY2USABoAIgAqADIAOABCABJmMmQKEAoAEgAaACIAKgAyADgAQgASUBItCgRvbmNlEgdi"
    "dXN5Ym94GgVzbGVlcBoBMSoAQgBqAHIAgAEAiAEAkAEAogEAGgVOZXZlcjIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAGgggACgAMAA6ABoA"
    "IgA="
)
REVIEW = (
    "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPwoQCgASABoAIgAqADIAOABCABIhCh8K"
    "B2RlZmF1bHQSBmNyZWF0ZRoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA="
)


def test_a_config_map_reads_as_kubectl_wrote_it() -> None:
    assert read_protobuf(base64.b64decode(CONFIG_MAP)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"a": "b"},
    }


def test_the_bytes_of_a_secret_are_base64_in_json() -> None:
    assert read_protobuf(base64.b64decode(SECRET))["data"] == {"k": base64.b64encode(b"v").decode()}


def test_a_deployment_reads_with_its_template_and_without_zero_values() -> None:
    deployment = read_protobuf(base64.b64decode(DEPLOYMENT))
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "web2"}}
    template = deployment["spec"]["template"]
    assert template["metadata"] == {"labels": {"app": "web2"}}
    [container] = template["spec"]["containers"]
    assert container == {"name": "web", "image": "web:v1", "ports": [{"containerPort": 8080}], "resources": {}}


def test_a_job_reads_with_its_command() -> None:
    pod = read_protobuf(base64.b64decode(JOB))["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == ["sleep", "1"]
    assert pod["restartPolicy"] == "Never"


def test_a_review_reads_although_nothing_of_it_is_stored() -> None:
    review = read_protobuf(base64.b64decode(REVIEW))
    assert review["kind"] == "SelfSubjectAccessReview"
    asked = {"namespace": "default", "verb": "create", "resource": "pods"}
    assert review["spec"]["resourceAttributes"] == asked


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    return varint(number << 3 | 2) + varint(len(value)) + value


def body(api_version: str, kind: str, message: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, message)


def test_a_pointer_keeps_its_zero() -> None:
    deployment = read_protobuf(body("apps/v1", "Deployment", field(2, field(1, 0))))
    assert deployment["spec"] == {"replicas": 0}


def test_options_of_a_deletion_read_whatever_group_they_are_sent_in() -> None:
    message = field(1, 0) + field(2, field(1, b"u-1")) + field(4, b"Foreground") + field(5, b"All")
    for api_version in ("v1", "apps/v1", "meta.k8s.io/v1"):
        options = read_protobuf(body(api_version, "DeleteOptions", message))
        assert options["gracePeriodSeconds"] == 0
        assert options["preconditions"] == {"uid": "u-1"}
        assert options["propagationPolicy"] == "Foreground"
        assert options["dryRun"] == ["All"]


def test_stamps_quantities_and_ports_by_name_or_number_read_as_json_has_them() -> None:
    micro_time = field(1, 1_767_225_600) + field(2, 250_000_000)
    lease = read_protobuf(body("coordination.k8s.io/v1", "Lease", field(2, field(1, b"me") + field(4, micro_time))))
    assert lease["spec"] == {"holderIdentity": "me", "renewTime": "2026-01-01T00:00:00.250000Z"}
    ports = field(1, field(3, 80) + field(4, field(1, 1) + field(3, b"http"))) + field(
        1, field(3, 81) + field(4, field(2, 8081))
    )
    service = read_protobuf(body("v1", "Service", field(2, ports)))
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}]
    limits = field(1, field(1, b"cpu") + field(2, field(1, b"100m")))
    container = field(2, field(1, b"web") + field(8, limits))
    pod = read_protobuf(body("v1", "Pod", field(2, container)))
    assert pod["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}


def test_an_inlined_message_is_a_part_of_what_holds_it() -> None:
    volume = field(1, b"settings") + field(2, field(19, field(1, field(1, b"cm"))))
    pod = read_protobuf(body("v1", "Pod", field(2, field(1, volume))))
    assert pod["spec"]["volumes"] == [{"name": "settings", "configMap": {"name": "cm"}}]


def test_negative_numbers_and_unknown_fields_are_read_over() -> None:
    event = read_protobuf(body("v1", "Event", field(8, -5) + field(99, b"later") + field(98, 1)))
    assert event["count"] == -5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"k8s\x00",
        b"k8s\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"k8s\x00\x0a\x7f",
        b"k8s\x00\x0b",
        body("v1", "Unicorn", b""),
        body("v1", "Pod", b"\x0a\xff"),
        body("v1", "Pod", field(1, 5)),
        body("v1", "ConfigMap", field(1, field(1, b"\xff"))),
        body("apps/v1", "Deployment", field(2, field(1, b"text where a number belongs"))),
    ],
)
def test_what_is_no_such_body_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        read_protobuf(data)
