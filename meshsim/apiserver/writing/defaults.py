"""What a real API server fills in: for pod templates, Services, ReplicaSets, Deployments, Jobs, and by the CRDs.

Clients compare and hash what they read back, so the defaults are part of the API. Values are those of
Kubernetes' `SetDefaults_*` functions and of Argo's CRDs. The functions change the object they are given: a copy
that its caller owns. A field of the wrong shape is left alone; validation tells it.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from ipaddress import IPv4Address
from typing import Any, Final
from zlib import crc32

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.loose import mapping, mappings
from meshsim.api.pod_defaults import containers_of, fill_pod_spec
from meshsim.apiserver.kinds.autoscalers import fill_autoscaler
from meshsim.apiserver.kinds.definitions import with_names
from meshsim.apiserver.kinds.schemas import custom_schema

_CLUSTER_IPS: Final = int(IPv4Address("10.96.0.0"))
_CLUSTER_IP_COUNT: Final = 65_534


def apply_defaults(kind: Kind, obj: Object, old: Object | None = None) -> None:
    """Fill in what the object of that kind leaves out; `old` is the one it replaces."""
    schema = custom_schema(kind)
    if schema is not None:
        _fill_from_schema(schema, obj)
        return
    fill = _FILLERS.get(kind.kind)
    if fill is not None:
        fill(obj, old)


def _pod(obj: Object, old: Object | None) -> None:
    spec = _part(obj, "spec")
    fill_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    for container in containers_of(spec):
        resources = container["resources"]
        limits = resources.get("limits") if isinstance(resources, dict) else None
        if isinstance(limits, dict):
            requests = _part(resources, "requests")
            for name, quantity in limits.items():
                requests.setdefault(name, quantity)
    if old is None:
        obj["status"] = {"phase": "Pending", "qosClass": _qos_class(spec)}


def _template(spec: Object) -> None:
    fill_pod_spec(_part(_part(spec, "template"), "spec"))


def _pod_template(obj: Object, _old: Object | None) -> None:
    _template(obj)


def _replica_set(obj: Object, _old: Object | None) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("replicas", 1)
    _template(spec)


def _deployment(obj: Object, _old: Object | None) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = _part(spec, "strategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = _part(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(spec)


def _job(obj: Object, old: Object | None) -> None:
    spec = _part(obj, "spec")
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    _template(spec)
    if old is None and spec["manualSelector"] is not True:
        _job_selector(obj, spec)


def _job_selector(obj: Object, spec: Object) -> None:
    metadata = obj["metadata"]
    labels = _part(_part(_part(spec, "template"), "metadata"), "labels")
    for prefix in ("", "batch.kubernetes.io/"):
        labels.setdefault(f"{prefix}job-name", metadata["name"])
        labels.setdefault(f"{prefix}controller-uid", metadata["uid"])
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}})


def _service(obj: Object, old: Object | None) -> None:
    spec = _part(obj, "spec")
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in mappings(spec.get("ports")):
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    before = old["spec"] if old is not None else {}
    if not spec.get("clusterIP"):
        spec["clusterIP"] = before.get("clusterIP") or _cluster_ip(obj["metadata"])
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    obj.setdefault("status", {"loadBalancer": {}})


def _cluster_ip(metadata: Object) -> str:
    # Nothing listens there: it is what a Service shows. The same Service always gets the same one.
    text = f"{metadata.get('namespace')}/{metadata['name']}"
    return str(IPv4Address(_CLUSTER_IPS + 1 + crc32(text.encode()) % _CLUSTER_IP_COUNT))


def _secret(obj: Object, _old: Object | None) -> None:
    obj.setdefault("type", "Opaque")


def _namespace(obj: Object, old: Object | None) -> None:
    _part(obj["metadata"], "labels")["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    if old is None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}


def _endpoint_slice(obj: Object, _old: Object | None) -> None:
    for port in mappings(obj.get("ports")):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _fill_from_schema(schema: Object, value: object) -> None:
    """Put in the defaults that a CRD's schema gives, wherever what holds them is there."""
    if isinstance(value, dict):
        others = schema.get("additionalProperties")
        properties: Object = schema.get("properties") or {}
        for field, part in properties.items():
            if "default" in part and field not in value:
                value[field] = deepcopy(part["default"])
        for field, item in value.items():
            described = properties.get(field, others)
            if isinstance(described, dict):
                _fill_from_schema(described, item)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill_from_schema(schema["items"], item)


def _qos_class(spec: Object) -> str:
    asked = [mapping(container.get("resources")) for container in containers_of(spec)]
    requests = [mapping(resources.get("requests")) for resources in asked]
    limits = [mapping(resources.get("limits")) for resources in asked]
    if not any(requests) and not any(limits):
        return "BestEffort"
    both = {"cpu", "memory"}
    guaranteed = all(both <= limit.keys() for limit in limits) and requests == limits
    return "Guaranteed" if guaranteed else "Burstable"


def _part(holder: Object, field: str) -> Object:
    """The mapping at a field, put there when the field is absent; a stray value's place is taken by nobody."""
    value = holder.get(field)
    if value is None:
        holder[field] = value = {}
    return value if isinstance(value, dict) else {}


Filler = Callable[[Object, Object | None], Any]
_FILLERS: Final[Mapping[str, Filler]] = {
    "Pod": _pod,
    "PodTemplate": _pod_template,
    "ReplicaSet": _replica_set,
    "Deployment": _deployment,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "EndpointSlice": _endpoint_slice,
    "CustomResourceDefinition": lambda obj, _old: with_names(obj),
    "HorizontalPodAutoscaler": lambda obj, _old: fill_autoscaler(obj),
}
