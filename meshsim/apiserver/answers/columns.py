"""The columns in which people see each kind: those of Kubernetes' printers and of the real CRDs. Pure.

A cell is what the server fills in, ages included, so that every client shows the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.api.loose import at, mappings
from meshsim.apiserver.answers.autoscaler_columns import targets
from meshsim.apiserver.answers.pod_columns import pod_cells
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.json_path import steps_of, value_at
from meshsim.kit.durations import human_duration
from meshsim.kit.timestamps import from_rfc3339

Cell = str | int | None
Fill = Callable[[Object, float], Cell]
"""The cell of an object at an instant."""
_NONE: Final = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; those with a priority are for `-o wide` only."""

    name: str
    fill: Fill
    type: str = "string"
    wide: bool = False
    format: str = ""
    description: str = ""


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The columns of a kind, the name first unless the kind is Event."""
    if isinstance(kind, CustomKind):
        return _of_definition(kind)
    return _COLUMNS.get(kind.kind, (_NAME, _AGE))


def _of_definition(kind: CustomKind) -> tuple[Column, ...]:
    if not kind.columns:
        return (_NAME, _AGE)
    return (_NAME, *(_printer_column(each) for each in kind.columns))


def _printer_column(described: Object) -> Column:
    steps, type_ = steps_of(str(described.get("jsonPath"))), str(described.get("type") or "string")

    def fill(obj: Object, now: float) -> Cell:
        value = value_at(steps, obj)
        if type_ == "date":
            return age_since(value, now) if value else None
        return _shown(value, None)

    format_, description = str(described.get("format") or ""), str(described.get("description") or "")
    return Column(str(described.get("name")), fill, type_, bool(described.get("priority")), format_, description)


def age_since(stamp: object, now: float) -> str:
    """How long ago an RFC 3339 instant was, as kubectl prints it."""
    try:
        return human_duration(now - from_rfc3339(stamp)) if isinstance(stamp, str) and stamp else "<unknown>"
    except ValueError:
        return "<unknown>"


def _text(name: str, path: str, *, default: Cell = _NONE, wide: bool = False) -> Column:
    read = at(path)
    return Column(name, lambda obj, _: _shown(read(obj), default), wide=wide)


def _count(name: str, path: str) -> Column:
    read = at(path)

    def fill(obj: Object, _: float) -> Cell:
        value = read(obj)
        return value if isinstance(value, int) else 0

    return Column(name, fill, "integer")


def _of_crd(name: str, path: str, type_: str = "string") -> Column:
    """A CRD's printer column: empty when the field is missing, JSON when it is not a plain value."""
    read = at(path)
    return Column(name, lambda obj, _: _shown(read(obj), None), type_)


def _shown(value: object, default: Cell) -> Cell:
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str | int) else write_json(value).decode()


def _made_of(name: str, fill: Callable[[Object], Cell], *, wide: bool = False) -> Column:
    return Column(name, lambda obj, _: fill(obj), wide=wide)


def _joined(values: list[str]) -> str:
    return ",".join(values) or _NONE


def _selector(obj: Object) -> Cell:
    selector = at("spec.selector")(obj)
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
    return _joined([f"{key}={value}" for key, value in sorted(labels.items())] if isinstance(labels, dict) else [])


def _in_template(field: str) -> Callable[[Object], Cell]:
    read = at("spec.template.spec.containers")
    return lambda obj: _joined([str(container.get(field)) for container in mappings(read(obj))])


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _ready_of_desired(obj: Object) -> Cell:
    return f"{_number(at('status.readyReplicas')(obj))}/{_number(at('spec.replicas')(obj))}"


def _ports(obj: Object) -> Cell:
    def text(port: Object) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"

    return _joined([text(port) for port in mappings(at("spec.ports")(obj))])


def _external_ip(obj: Object) -> Cell:
    kind = at("spec.type")(obj)
    if kind == "ExternalName":
        return _shown(at("spec.externalName")(obj), _NONE)
    return "<pending>" if kind == "LoadBalancer" else _NONE


def _endpoints(obj: Object) -> Cell:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in mappings(obj.get("subsets"))
        for port in mappings(subset.get("ports"))
        for address in mappings(subset.get("addresses"))
    ]
    return _first_three(found)


def _slice_endpoints(obj: Object) -> Cell:
    return _first_three(
        [str(address) for endpoint in mappings(obj.get("endpoints")) for address in endpoint.get("addresses") or ()],
        unset="<unset>",
    )


def _slice_ports(obj: Object) -> Cell:
    return _first_three([str(port.get("port")) for port in mappings(obj.get("ports"))], unset="<unset>")


def _first_three(found: list[str], unset: str = _NONE) -> str:
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else unset


def _job_status(obj: Object) -> Cell:
    for condition in mappings(at("status.conditions")(obj)):
        if condition.get("type") in ("Complete", "Failed", "Suspended") and condition.get("status") == "True":
            return str(condition["type"])
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(obj: Object) -> Cell:
    wanted = at("spec.completions")(obj)
    return f"{_number(at('status.succeeded')(obj))}/{wanted if isinstance(wanted, int) else '1'}"


def _job_duration(obj: Object, now: float) -> Cell:
    started, ended = at("status.startTime")(obj), at("status.completionTime")(obj)
    if not started:
        return ""
    try:
        return age_since(started, from_rfc3339(ended) if isinstance(ended, str) else now)
    except ValueError:
        return "<unknown>"


def _node_status(obj: Object) -> Cell:
    ready = next((c for c in mappings(at("status.conditions")(obj)) if c.get("type") == "Ready"), {})
    status = {"True": "Ready", "False": "NotReady"}.get(str(ready.get("status")), "Unknown")
    return f"{status},SchedulingDisabled" if at("spec.unschedulable")(obj) else status


def _node_address(kind: str) -> Callable[[Object], Cell]:
    def fill(obj: Object) -> Cell:
        addresses = mappings(at("status.addresses")(obj))
        return next((str(each.get("address")) for each in addresses if each.get("type") == kind), _NONE)

    return fill


def _scale_target(obj: Object) -> Cell:
    return f"{at('spec.scaleTargetRef.kind')(obj)}/{at('spec.scaleTargetRef.name')(obj)}"


def _event_object(obj: Object) -> Cell:
    kind, name = at("involvedObject.kind")(obj), at("involvedObject.name")(obj)
    return f"{str(kind or '').lower()}/{name or ''}"


def _event_source(obj: Object) -> Cell:
    component = at("source.component")(obj) or obj.get("reportingComponent") or ""
    host = at("source.host")(obj)
    return f"{component}, {host}" if host else str(component)


def _event_age(*fields: str) -> Fill:
    return lambda obj, now: age_since(next((obj[field] for field in fields if obj.get(field)), None), now)


def _event_message(obj: Object) -> Cell:
    return str(obj.get("message") or "").strip()


def _entries(*fields: str) -> Fill:
    return lambda obj, _: sum(len(obj[field]) for field in fields if isinstance(obj.get(field), dict | list))


def _pod_restarts(pod: Object, now: float) -> Cell:
    cells = pod_cells(pod)
    since = f" ({age_since(cells.restarted_at, now)} ago)" if cells.restarts and cells.restarted_at else ""
    return f"{cells.restarts}{since}"


_NAME: Final = Column(
    "Name", lambda obj, _: str(obj["metadata"]["name"]), format="name", description="Name of the object."
)
_AGE: Final = Column("Age", lambda obj, now: age_since(obj["metadata"].get("creationTimestamp"), now))
_TEMPLATE_WIDE: Final = (
    _made_of("Containers", _in_template("name"), wide=True),
    _made_of("Images", _in_template("image"), wide=True),
    _made_of("Selector", _selector, wide=True),
)


_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "Pod": (
        _NAME,
        Column("Ready", lambda obj, _: pod_cells(obj).ready),
        Column("Status", lambda obj, _: pod_cells(obj).status),
        Column("Restarts", _pod_restarts),
        _AGE,
        _text("IP", "status.podIP", wide=True),
        _text("Node", "spec.nodeName", wide=True),
        _text("Nominated Node", "status.nominatedNodeName", wide=True),
        Column("Readiness Gates", lambda obj, _: pod_cells(obj).gates, wide=True),
    ),
    "Service": (
        _NAME, _text("Type", "spec.type"), _text("Cluster-IP", "spec.clusterIP"), _made_of("External-IP", _external_ip),
        _made_of("Port(s)", _ports), _AGE, _made_of("Selector", _selector, wide=True),
    ),
    "ReplicaSet": (
        _NAME, _count("Desired", "spec.replicas"), _count("Current", "status.replicas"),
        _count("Ready", "status.readyReplicas"), _AGE, *_TEMPLATE_WIDE,
    ),
    "Deployment": (
        _NAME, _made_of("Ready", _ready_of_desired), _count("Up-to-date", "status.updatedReplicas"),
        _count("Available", "status.availableReplicas"), _AGE, *_TEMPLATE_WIDE,
    ),
    "Job": (
        _NAME, _made_of("Status", _job_status), _made_of("Completions", _job_completions),
        Column("Duration", _job_duration), _AGE, *_TEMPLATE_WIDE,
    ),
    "HorizontalPodAutoscaler": (
        _NAME, _made_of("Reference", _scale_target), _made_of("Targets", targets),
        _made_of("MinPods", lambda obj: str(_number(at("spec.minReplicas")(obj)) or "<unset>")),
        _made_of("MaxPods", lambda obj: str(_number(at("spec.maxReplicas")(obj)))),
        _made_of("Replicas", lambda obj: str(_number(at("status.currentReplicas")(obj)))), _AGE,
    ),
    "CustomResourceDefinition": (
        _NAME, Column("Created At", lambda obj, _: str(obj["metadata"].get("creationTimestamp") or ""), "date"),
    ),
    "Namespace": (_NAME, _text("Status", "status.phase"), _AGE),
    "Node": (
        _NAME, _made_of("Status", _node_status), _made_of("Roles", lambda _: _NONE), _AGE,
        _text("Version", "status.nodeInfo.kubeletVersion"),
        _made_of("Internal-IP", _node_address("InternalIP"), wide=True),
        _made_of("External-IP", _node_address("ExternalIP"), wide=True),
        _text("OS-Image", "status.nodeInfo.osImage", default="<unknown>", wide=True),
        _text("Kernel-Version", "status.nodeInfo.kernelVersion", default="<unknown>", wide=True),
        _text("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", default="<unknown>", wide=True),
    ),
    "Endpoints": (_NAME, _made_of("Endpoints", _endpoints), _AGE),
    "EndpointSlice": (
        _NAME, _text("AddressType", "addressType"), _made_of("Ports", _slice_ports),
        _made_of("Endpoints", _slice_endpoints), _AGE,
    ),
    "Event": (
        Column("Last Seen", _event_age("lastTimestamp", "eventTime", "firstTimestamp")),
        _text("Type", "type", default=""),
        _text("Reason", "reason", default=""), _made_of("Object", _event_object),
        _text("Subobject", "involvedObject.fieldPath", default="", wide=True),
        _made_of("Source", _event_source, wide=True), _made_of("Message", _event_message),
        Column("First Seen", _event_age("firstTimestamp", "eventTime"), wide=True),
        Column("Count", lambda obj, _: str(obj.get("count") or 1), wide=True),
        Column("Name", lambda obj, _: str(obj["metadata"]["name"]), format="name", wide=True),
    ),
    "PodDisruptionBudget": (
        _NAME, _text("Min Available", "spec.minAvailable", default="N/A"),
        _text("Max Unavailable", "spec.maxUnavailable", default="N/A"),
        _count("Allowed Disruptions", "status.disruptionsAllowed"), _AGE,
    ),
    "ConfigMap": (_NAME, Column("Data", _entries("data", "binaryData"), "integer"), _AGE),
    "Secret": (_NAME, _text("Type", "type"), Column("Data", _entries("data"), "integer"), _AGE),
    "ServiceAccount": (_NAME, Column("Secrets", _entries("secrets"), "integer"), _AGE),
    "Lease": (_NAME, _text("Holder", "spec.holderIdentity", default=""), _AGE),
    "Rollout": (
        _NAME, _of_crd("Desired", "spec.replicas", "integer"), _of_crd("Current", "status.replicas", "integer"),
        _of_crd("Up-to-date", "status.updatedReplicas", "integer"),
        _of_crd("Available", "status.availableReplicas", "integer"), _AGE,
    ),
    "AnalysisRun": (_NAME, _of_crd("Status", "status.phase"), _AGE),
    "Experiment": (_NAME, _of_crd("Status", "status.phase"), _AGE),
    "VirtualService": (_NAME, _of_crd("Gateways", "spec.gateways"), _of_crd("Hosts", "spec.hosts"), _AGE),
    "DestinationRule": (_NAME, _of_crd("Host", "spec.host"), _AGE),
    "ServiceEntry": (
        _NAME, _of_crd("Hosts", "spec.hosts"), _of_crd("Location", "spec.location"),
        _of_crd("Resolution", "spec.resolution"), _AGE,
    ),
}  # fmt: skip
