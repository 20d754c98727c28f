"""HorizontalPodAutoscalers in the API: defaults, what is wrong with one, both versions, what people see."""

from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.kinds import HORIZONTAL_POD_AUTOSCALER
from meshsim.api.meta import Key
from meshsim.apiserver.answers.columns import columns_of
from meshsim.apiserver.kinds.conversion import to_version
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.client.api import InvalidError, PatchType

WEB = Key("default", "web")
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
V1 = WriteOptions(version="v1")


def autoscaler(**spec: Any) -> Object:
    return {"metadata": {"name": "web"}, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec}}


def cells(obj: Object) -> list[Any]:
    return [column.fill(obj, 1_767_225_600.0) for column in columns_of(HORIZONTAL_POD_AUTOSCALER)]


def create(registry: Registry, body: Object, options: WriteOptions = V1) -> Object:
    return registry.create(HORIZONTAL_POD_AUTOSCALER, "default", body, options)


def test_cpu_at_eighty_percent_is_aimed_at_unless_said_otherwise(registry: Registry) -> None:
    created = create(registry, autoscaler(), WriteOptions())
    assert created["spec"]["minReplicas"] == 1
    assert cells(created) == ["web", "Deployment/web", "cpu: <unknown>/80%", "1", "5", "0", "0s"]


def test_a_behavior_is_completed_in_both_directions(registry: Registry) -> None:
    one = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    behavior = create(registry, autoscaler(behavior={"scaleDown": one}), WriteOptions())["spec"]["behavior"]
    assert behavior["scaleDown"] == {"selectPolicy": "Max", **one}
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert [policy["value"] for policy in behavior["scaleUp"]["policies"]] == [4, 100]


def test_one_object_is_served_in_both_versions(registry: Registry) -> None:
    created = create(registry, autoscaler(targetCPUUtilizationPercentage=50))
    assert created["apiVersion"] == "autoscaling/v2"
    [metric] = created["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    assert to_version(HORIZONTAL_POD_AUTOSCALER, "v1", created)["spec"]["targetCPUUtilizationPercentage"] == 50
    change = {"spec": {"targetCPUUtilizationPercentage": 60}}
    patched = registry.patch(HORIZONTAL_POD_AUTOSCALER, WEB, change, PatchType.MERGE, V1)
    assert patched["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 60


def test_what_the_older_version_has_no_fields_for_comes_back_through_it(registry: Registry) -> None:
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}},
    }
    created = create(registry, autoscaler(metrics=[memory]), WriteOptions())
    change = {"spec": {"maxReplicas": 9}}
    patched = registry.patch(HORIZONTAL_POD_AUTOSCALER, WEB, change, PatchType.MERGE, V1)
    assert patched["spec"] == {**created["spec"], "maxReplicas": 9}
    assert "annotations" not in patched["metadata"]


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"maxReplicas": 0}, "spec.maxReplicas", "Invalid value: 0: must be greater than 0"),
        ({"minReplicas": 6}, "spec.maxReplicas", "must be greater than or equal to `minReplicas`"),
        ({"minReplicas": 0}, "spec.minReplicas", "Invalid value: 0: must be greater than or equal to 1"),
        ({"scaleTargetRef": {"kind": "Deployment"}}, "spec.scaleTargetRef.name", "Required value"),
        ({"metrics": [{"type": "Resource"}]}, "spec.metrics[0].resource", "must populate information"),
        ({"metrics": [{"type": "Moon"}]}, "spec.metrics[0].type", "Unsupported value"),
    ],
)
def test_one_that_cannot_be_followed_is_refused(registry: Registry, spec: Object, field: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        create(registry, autoscaler(**spec), WriteOptions())
    causes = caught.value.status["details"]["causes"]
    assert any(cause["field"] == field and message in cause["message"] for cause in causes), causes


def test_more_than_two_targets_are_counted(registry: Registry) -> None:
    target = {"type": "AverageValue", "averageValue": "10"}
    pods = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}}
    created = create(registry, autoscaler(metrics=[pods, pods, pods]), WriteOptions())
    assert cells(created)[2] == "<unknown>/10, <unknown>/10 + 1 more..."


def test_a_stray_part_of_another_metric_hinders_nobody(registry: Registry) -> None:
    target = {"type": "AverageValue", "averageValue": "10"}
    pods = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}, "resource": {"name": "cpu"}}
    created = create(registry, autoscaler(metrics=[pods]), WriteOptions())
    assert "targetCPUUtilizationPercentage" not in to_version(HORIZONTAL_POD_AUTOSCALER, "v1", created)["spec"]
