import pytest

from meshsim.api.core import EndpointSlice, Pod, Probe, ReplicaSet, Service, image_tag
from meshsim.api.decode import Object, decode


def pod(labels: dict[str, str] | None = None, image: str = "shop/web:v2", **rest: object) -> Pod:
    return decode(
        Pod,
        {"metadata": {"name": "a", "labels": labels}, "spec": {"containers": [{"name": "a", "image": image}]}, **rest},
    )


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("my-app:v1", "v1"),
        ("my-app", ""),
        ("", ""),
        ("shop/my-app:1.2.3", "1.2.3"),
        ("images.example:5000/shop/my-app", ""),
        ("images.example:5000/shop/my-app:v1", "v1"),
        ("my-app:v1@sha256:0123", "v1"),
        ("my-app@sha256:0123", ""),
    ],
)
def test_the_tag_of_an_image(image: str, tag: str) -> None:
    assert image_tag(image) == tag


def test_a_pods_version_is_its_label_else_its_images_tag() -> None:
    assert pod({"version": "blue"}).version == "blue"
    assert pod({"version": ""}).version == "v2"
    assert pod().version == "v2"
    assert pod(image="web").version == ""
    assert decode(Pod, {"metadata": {"name": "a"}}).version == ""


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "ContainersReady", "status": "True"}], False),
        ([], False),
        (None, False),
    ],
)
def test_a_pod_is_ready_when_its_ready_condition_is_true(conditions: list[Object] | None, ready: bool) -> None:
    assert pod(status={"conditions": conditions}).is_ready is ready


def test_a_pod_that_was_told_to_end_is_terminating() -> None:
    assert not pod().is_terminating
    assert decode(Pod, {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}}).is_terminating


def test_names_that_the_wire_writes_in_capitals_are_read() -> None:
    assert pod(status={"podIP": "127.1.2.3"}).status.pod_ip == "127.1.2.3"
    assert decode(Service, {"metadata": {}, "spec": {"clusterIP": "10.0.0.1"}}).spec.cluster_ip == "10.0.0.1"


def test_what_a_manifest_leaves_out_has_kubernetes_defaults() -> None:
    probe = decode(Probe, {"httpGet": {"port": "http"}})
    assert (probe.period_seconds, probe.timeout_seconds, probe.success_threshold, probe.failure_threshold) == (
        10,
        1,
        1,
        3,
    )
    assert probe.http_get is not None
    assert (probe.http_get.path, probe.http_get.scheme) == ("/", "HTTP")
    assert decode(Pod, {"metadata": {}}).spec.termination_grace_period_seconds == 30
    assert decode(ReplicaSet, {"metadata": {}}).spec.replicas == 1
    port = decode(Service, {"metadata": {}, "spec": {"ports": [{"port": 80}]}}).spec.ports[0]
    assert (port.protocol, port.target_port) == ("TCP", None)


def test_an_endpoint_that_says_nothing_of_its_readiness_says_nothing() -> None:
    endpoints = decode(EndpointSlice, {"metadata": {}, "endpoints": [{"addresses": ["127.0.0.2"]}]}).endpoints
    assert endpoints[0].conditions.ready is None
