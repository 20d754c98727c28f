"""What pods use, as `kubectl top` asks for it: metrics.k8s.io, reckoned from what the nodes count. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshsim.api.decode import Object
from meshsim.api.meta import key_of
from meshsim.apiserver.kinds.resource import Resource
from meshsim.kit.timestamps import to_rfc3339

GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
USAGE: Final = (
    Resource(GROUP, VERSION, "nodes", "NodeMetrics", verbs=("get", "list")),
    Resource(GROUP, VERSION, "pods", "PodMetrics", namespaced=True, verbs=("get", "list")),
)
_SERIES: Final = re.compile(
    r"(container_cpu_usage_seconds_total|container_memory_working_set_bytes)\{([^}]*)\} (\S+)", re.MULTILINE
)
_LABEL: Final = re.compile(r'(\w+)="([^"\\]*)"')


class Place(NamedTuple):
    """A container of a pod."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What a node's containers had used at an instant: seconds of CPU so far, bytes of memory now."""

    at: float
    cpu_s: Mapping[Place, float]
    memory_bytes: Mapping[Place, float]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses: cores of CPU, bytes of memory."""

    cpu: float
    memory_bytes: float

    @property
    def quantities(self) -> Object:
        """In Kubernetes' units: nanocores and kibibytes."""
        return {"cpu": f"{round(self.cpu * 1e9)}n", "memory": f"{round(self.memory_bytes / 1024)}Ki"}


def sample_of(exposition: str, at: float) -> Sample:
    """The sample in the text of a node's metrics."""
    found: dict[str, dict[Place, float]] = {
        "container_cpu_usage_seconds_total": {},
        "container_memory_working_set_bytes": {},
    }
    for name, labels, value in _SERIES.findall(exposition):
        known = dict(_LABEL.findall(labels))
        place = Place(known.get("namespace", ""), known.get("pod", ""), known.get("container", ""))
        found[name][place] = float(value)
    return Sample(at, *found.values())


def usage_between(before: Sample, after: Sample) -> dict[Place, Usage]:
    """What each container that is still there used between two samples. One that started anew began at zero."""
    seconds = after.at - before.at
    return {
        place: Usage(_increase(before.cpu_s.get(place, 0.0), total) / seconds, after.memory_bytes.get(place, 0.0))
        for place, total in after.cpu_s.items()
    }


def _increase(before: float, after: float) -> float:
    return after - before if after >= before else after


def pod_metrics(pod: Object, usage: Mapping[Place, Usage], now: float, window_s: float) -> Object | None:
    """The PodMetrics of a pod, None when nothing is known of it."""
    key = key_of(pod)
    containers = [
        {"name": place.container, "usage": used.quantities}
        for place, used in sorted(usage.items())
        if (place.namespace, place.pod) == key
    ]
    return {**_metrics("PodMetrics", pod, now, window_s), "containers": containers} if containers else None


def node_metrics(node: Object, usage: Iterable[Usage], now: float, window_s: float) -> Object:
    """The NodeMetrics of a node: all that its containers use."""
    used = list(usage)
    total = Usage(sum(one.cpu for one in used), sum(one.memory_bytes for one in used))
    return {**_metrics("NodeMetrics", node, now, window_s), "usage": total.quantities}


def _metrics(kind: str, obj: Object, now: float, window_s: float) -> Object:
    metadata = {name: obj["metadata"][name] for name in ("name", "namespace", "labels") if name in obj["metadata"]}
    return {
        "kind": kind,
        "apiVersion": f"{GROUP}/{VERSION}",
        "metadata": {**metadata, "creationTimestamp": to_rfc3339(now)},
        "timestamp": to_rfc3339(now),
        "window": f"{window_s:.3f}s",
    }


def listed(kind: str, items: Iterator[Object]) -> Object:
    """A list of metrics."""
    return {"kind": f"{kind}List", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": list(items)}
