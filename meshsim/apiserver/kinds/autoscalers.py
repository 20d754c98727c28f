"""HorizontalPodAutoscalers as the API server treats them: defaults, what is wrong with one, autoscaling/v1. Pure.

Facts: k8s.io/kubernetes pkg/apis/autoscaling (defaults, validation, v1 conversion).
"""

from typing import Final

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.api.loose import mapping, mappings
from meshsim.api.validate.fields import invalid, required
from meshsim.api.validate.findings import Finding, Findings

_DEFAULT_PERCENT: Final = 80
_UP: Final[Object] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Final[Object] = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
_IN_ANNOTATIONS: Final = (
    ("spec", "metrics", "metrics"),
    ("spec", "behavior", "behavior"),
    ("status", "currentMetrics", "current-metrics"),
    ("status", "conditions", "conditions"),
)
"""Parts that autoscaling/v1 has no fields for."""


def fill_autoscaler(obj: Object) -> None:
    """Fill in what it leaves out."""
    spec = mapping(obj.setdefault("spec", {}))
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _DEFAULT_PERCENT}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = mapping(spec.get("behavior"))
    if behavior.get("scaleUp") or behavior.get("scaleDown"):
        behavior["scaleUp"] = {**_UP, **mapping(behavior.get("scaleUp"))}
        behavior["scaleDown"] = {**_DOWN, **mapping(behavior.get("scaleDown"))}


def autoscaler_faults(obj: Object) -> Findings:
    """What is wrong with it."""
    spec = mapping(obj.get("spec"))
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if least is not None and least < 1:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid("spec.maxReplicas", most, "must be greater than 0")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = mapping(spec.get("scaleTargetRef"))
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    for index, metric in enumerate(mappings(spec.get("metrics"))):
        yield from _metric_faults(f"spec.metrics[{index}]", metric)


def _metric_faults(path: str, metric: Object) -> Findings:
    type_ = str(metric.get("type") or "")
    if not type_:
        yield required(f"{path}.type", "must specify a metric source type")
        return
    field = type_[0].lower() + type_[1:]
    source = metric.get(field)
    if type_ not in ("Resource", "ContainerResource", "Pods", "Object", "External"):
        choices = '"ContainerResource", "External", "Object", "Pods", "Resource"'
        yield Finding(f"{path}.type", f'Unsupported value: "{type_}": supported values: {choices}')
    elif not isinstance(source, dict):
        yield required(f"{path}.{field}", "must populate information for the given metric source")
    elif type_ in ("Resource", "ContainerResource"):
        if not source.get("name"):
            yield required(f"{path}.{field}.name", "must specify a resource name")
        target = mapping(source.get("target"))
        if target.get("averageUtilization") is None and target.get("averageValue") is None:
            text = "must set either a target raw value or a target utilization"
            yield required(f"{path}.{field}.target.averageUtilization", text)


def to_v1(obj: Object) -> Object:
    """A stored one (autoscaling/v2) as autoscaling/v1 has it; the rest goes into annotations."""
    spec, status = dict(mapping(obj.get("spec"))), dict(mapping(obj.get("status")))
    annotations = dict(mapping(obj["metadata"].get("annotations")))
    cpu = next((each for each in mappings(spec.get("metrics")) if _is_cpu(each)), None)
    now = next((each for each in mappings(status.get("currentMetrics")) if _is_cpu(each)), None)
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = mapping(cpu["resource"].get("target")).get("averageUtilization")
        spec["metrics"] = [each for each in mappings(spec["metrics"]) if each is not cpu]
    if now is not None:
        current = mapping(now["resource"].get("current"))
        status["currentCPUUtilizationPercentage"] = current.get("averageUtilization")
        status["currentMetrics"] = [each for each in mappings(status["currentMetrics"]) if each is not now]
    for part, field, name in _IN_ANNOTATIONS:
        value = (spec if part == "spec" else status).pop(field, None)
        if value:
            annotations[_PREFIX + name] = write_json(value).decode()
    metadata = {**obj["metadata"], **({"annotations": annotations} if annotations else {})}
    return {**obj, "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def from_v1(obj: Object) -> Object:
    """An autoscaling/v1 object as it is stored. Raises FieldError for an annotation that cannot be read."""
    spec, status = dict(mapping(obj.get("spec"))), dict(mapping(obj.get("status")))
    metadata = dict(mapping(obj.get("metadata")))
    annotations = dict(mapping(metadata.get("annotations")))
    for part, field, name in _IN_ANNOTATIONS:
        text = annotations.pop(_PREFIX + name, None)
        if isinstance(text, str):
            (spec if part == "spec" else status)[field] = _read(name, text)
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
        spec["metrics"] = [metric, *mappings(spec.get("metrics"))]
    status.pop("currentCPUUtilizationPercentage", None)
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**obj, "metadata": metadata, "spec": spec, "status": status}


def _is_cpu(metric: Object) -> bool:
    resource = mapping(metric.get("resource"))
    return (
        metric.get("type") == "Resource"
        and resource.get("name") == "cpu"
        and "averageValue" not in mapping(resource.get("target"))
    )


def _read(name: str, text: str) -> object:
    try:
        return read_json(text)
    except FieldError as error:
        raise FieldError(f"metadata.annotations[{_PREFIX}{name}]", error.message) from None
