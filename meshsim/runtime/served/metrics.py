"""What the node reports on `/metrics`: cAdvisor's and kube-state-metrics' series of the pods it runs."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from meshsim.api.core import Container, Pod
from meshsim.api.decode import Object
from meshsim.api.quantities import QuantityError, parse_quantity
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.containers.containers import Usage
from meshsim.runtime.pods.pod_worker import PodWorker
from meshsim.telemetry.exposition import Sample, sample

_NOT_IN_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_UNITS: Final = {"cpu": "core", "memory": "byte", "ephemeral-storage": "byte"}
_PHASES: Final = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
_COUNTERS: Final[tuple[tuple[str, Callable[[Usage], float | None]], ...]] = (
    ("container_cpu_cfs_throttled_seconds_total", lambda usage: usage.throttled_s),
    ("container_fs_reads_bytes_total", lambda usage: usage.read_bytes),
    ("container_fs_writes_bytes_total", lambda usage: usage.written_bytes),
)
_GAUGES: Final[tuple[tuple[str, Callable[[Usage], float | None]], ...]] = (
    ("container_memory_working_set_bytes", lambda usage: usage.memory_bytes),
    ("container_fs_usage_bytes", lambda usage: usage.stored_bytes),
)
_NETWORK: Final[tuple[tuple[str, Callable[[Usage], int | None]], ...]] = (
    ("container_network_receive_bytes_total", lambda usage: usage.received_bytes),
    ("container_network_transmit_bytes_total", lambda usage: usage.sent_bytes),
)

Labels = tuple[tuple[str, str], ...]


def pod_samples(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    """The series of these pods as they are now; one that is gone is not reported."""
    workers = list(workers)
    yield from _usage(workers)
    yield from _requests(workers)
    pods = [worker.pod for worker in workers]
    yield from _states(pods)
    yield from _resources(pods)
    yield from _restarts(workers)


def replica_set_samples(replica_sets: Iterable[Object]) -> Iterator[Sample]:
    """How many pods ReplicaSets ask for and have."""
    counted = [(_replica_set_labels(obj), obj) for obj in replica_sets]
    for name, part, field in (
        ("kube_replicaset_spec_replicas", "spec", "replicas"),
        ("kube_replicaset_status_replicas", "status", "replicas"),
        ("kube_replicaset_status_ready_replicas", "status", "readyReplicas"),
    ):
        yield Sample.family(name, "gauge")
        for labels, obj in counted:
            yield sample(name, labels, (obj.get(part) or {}).get(field) or 0)


def _replica_set_labels(obj: Object) -> Labels:
    return (("namespace", obj["metadata"]["namespace"]), ("replicaset", obj["metadata"]["name"]))


def _usage(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    """cAdvisor's: of the containers that run, and of the network, which is the pod's. What nobody knows is left out."""
    running = [(worker.pod, _used(worker)) for worker in workers]
    measured = [(_container_labels(pod, container), usage) for pod, used in running for container, usage in used]
    yield Sample.family("container_cpu_usage_seconds_total", "counter")
    for labels, usage in measured:
        yield sample("container_cpu_usage_seconds_total", (*labels, ("cpu", "total")), usage.cpu_s)
    for type_, metrics in (("counter", _COUNTERS), ("gauge", _GAUGES)):
        for name, read in metrics:
            yield Sample.family(name, type_)
            for labels, usage in measured:
                if (value := read(usage)) is not None:
                    yield sample(name, labels, value)
    for name, count in _NETWORK:
        yield Sample.family(name, "counter")
        for pod, used in running:
            counts = [found for _, usage in used if (found := count(usage)) is not None]
            if counts:
                yield sample(name, _network_labels(pod), sum(counts))


def _used(worker: PodWorker) -> list[tuple[Container, Usage]]:
    """What each container of the pod that runs has used."""
    return [
        (each.container, each.running.usage())
        for each in worker.all_containers
        if each.running is not None and each.running.exit is None
    ]


def _network_labels(pod: Pod) -> Labels:
    return (
        ("interface", "eth0"),
        ("pod", pod.metadata.name),
        ("namespace", pod.metadata.namespace),
        ("version", pod.version),
    )


def _container_labels(pod: Pod, container: Container) -> Labels:
    return (
        ("container", container.name),
        ("pod", pod.metadata.name),
        ("namespace", pod.metadata.namespace),
        ("image", container.image),
        ("version", pod.version),
    )


def _requests(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    served = [
        (
            _version_labels(worker.pod),
            [each.running.usage() for each in worker.all_containers if each.running is not None],
        )
        for worker in workers
    ]
    yield Sample.family("meshsim_pod_requests_total", "counter")
    for labels, usages in served:
        yield sample("meshsim_pod_requests_total", labels, sum(usage.requests for usage in usages))
    yield Sample.family("meshsim_pod_errors_total", "counter")
    for labels, usages in served:
        yield sample("meshsim_pod_errors_total", labels, sum(usage.errors for usage in usages))


def _version_labels(pod: Pod) -> Labels:
    return (("namespace", pod.metadata.namespace), ("pod", pod.metadata.name), ("version", pod.version))


def _states(pods: Iterable[Pod]) -> Iterator[Sample]:
    keyed = [(pod, _key_labels(pod)) for pod in pods]
    yield Sample.family("kube_pod_info", "gauge")
    for pod, key in keyed:
        yield sample("kube_pod_info", (*key, *_place_labels(pod)), 1)
    yield Sample.family("kube_pod_created", "gauge")
    for pod, key in keyed:
        yield sample("kube_pod_created", key, from_rfc3339(pod.metadata.creation_timestamp))
    yield Sample.family("kube_pod_labels", "gauge")
    for pod, key in keyed:
        yield sample("kube_pod_labels", (*key, *_label_labels(pod)), 1)
    yield Sample.family("kube_pod_status_phase", "gauge")
    for pod, key in keyed:
        for phase in _PHASES:
            yield sample("kube_pod_status_phase", (*key, ("phase", phase)), int(pod.status.phase == phase))
    yield Sample.family("kube_pod_status_ready", "gauge")
    for pod, key in keyed:
        for condition, holds in (("true", pod.is_ready), ("false", not pod.is_ready), ("unknown", False)):
            yield sample("kube_pod_status_ready", (*key, ("condition", condition)), int(holds))


def _resources(pods: Iterable[Pod]) -> Iterator[Sample]:
    for kind in ("requests", "limits"):
        name = f"kube_pod_container_resource_{kind}"
        yield Sample.family(name, "gauge")
        for pod in pods:
            for container in pod.spec.containers:
                for resource, text in (container.resources.get(kind) or {}).items():
                    amount = _amount(str(text))
                    if amount is not None:
                        unit = _UNITS.get(resource, "integer")
                        asked = (("container", container.name), ("node", pod.spec.node_name))
                        labels = (*_key_labels(pod), *asked, ("resource", resource), ("unit", unit))
                        yield sample(name, labels, amount)


def _amount(text: str) -> float | None:
    try:
        return parse_quantity(text)
    except QuantityError:
        return None


def _restarts(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    yield Sample.family("kube_pod_container_status_restarts_total", "counter")
    for worker in workers:
        for each in worker.containers:
            labels = (*_key_labels(worker.pod), ("container", each.container.name))
            yield sample("kube_pod_container_status_restarts_total", labels, each.state.restarts)


def _key_labels(pod: Pod) -> Labels:
    return (("namespace", pod.metadata.namespace), ("pod", pod.metadata.name), ("uid", pod.metadata.uid))


def _place_labels(pod: Pod) -> Labels:
    owner = pod.metadata.controller
    return (
        ("host_ip", "127.0.0.1"),
        ("pod_ip", pod.status.pod_ip),
        ("node", pod.spec.node_name),
        ("created_by_kind", "<none>" if owner is None else owner.kind),
        ("created_by_name", "<none>" if owner is None else owner.name),
    )


def _label_labels(pod: Pod) -> Labels:
    """`label_app` for the label `app`; `version` is there even where the image's tag had to tell it."""
    labels = {f"label_{_NOT_IN_A_LABEL.sub('_', name)}": value for name, value in pod.metadata.labels.items()}
    return tuple(({"label_version": pod.version} | labels).items())
