"""What the node reports on `/metrics`: cAdvisor's and kube-state-metrics' series of the pods it runs."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from meshsim.api.core import Pod
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.pod_worker import PodWorker

_NOT_IN_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_PHASES: Final = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
_OF_CONTAINER: Final = ("container", "pod", "namespace", "image", "version")
_OF_POD: Final = ("namespace", "pod", "uid")


class PodCollector(Collector):
    """Reads the workers when somebody scrapes; nothing is counted twice and a pod that is gone is not reported."""

    def __init__(self, workers: Callable[[], Iterable[PodWorker]]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        workers = list(self._workers())
        yield from _usage(workers)
        yield from _requests(workers)
        yield from _states([worker.pod for worker in workers])


def _usage(workers: list[PodWorker]) -> Iterator[Metric]:
    cpu = CounterMetricFamily(
        "container_cpu_usage_seconds", "Cumulative cpu time consumed in seconds.", labels=(*_OF_CONTAINER, "cpu")
    )
    memory = GaugeMetricFamily(
        "container_memory_working_set_bytes", "Current working set of the container in bytes.", labels=_OF_CONTAINER
    )
    for worker in workers:
        if worker.server is None or not worker.pod.spec.containers:
            continue
        container = worker.pod.spec.containers[0]
        metadata = worker.pod.metadata
        labels = (container.name, metadata.name, metadata.namespace, container.image, worker.pod.version)
        cpu.add_metric((*labels, "total"), worker.server.cpu_s)
        memory.add_metric(labels, worker.server.memory_bytes)
    yield cpu
    yield memory


def _requests(workers: list[PodWorker]) -> Iterator[Metric]:
    labels = ("namespace", "pod", "version")
    requests = CounterMetricFamily("meshsim_pod_requests", "Requests that the pod served.", labels=labels)
    errors = CounterMetricFamily("meshsim_pod_errors", "Of those, the ones it answered with a 5xx.", labels=labels)
    for worker in workers:
        if worker.server is not None:
            values = (worker.pod.metadata.namespace, worker.pod.metadata.name, worker.pod.version)
            requests.add_metric(values, worker.server.requests)
            errors.add_metric(values, worker.server.errors)
    yield requests
    yield errors


def _states(pods: list[Pod]) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "kube_pod_info",
        "Information about pod.",
        labels=(*_OF_POD, "host_ip", "pod_ip", "node", "created_by_kind", "created_by_name"),
    )
    created = GaugeMetricFamily("kube_pod_created", "Unix creation timestamp", labels=_OF_POD)
    labels = Metric("kube_pod_labels", "Kubernetes labels converted to Prometheus labels.", "gauge")
    phase = GaugeMetricFamily("kube_pod_status_phase", "The pods current phase.", labels=(*_OF_POD, "phase"))
    ready = GaugeMetricFamily(
        "kube_pod_status_ready", "Describes whether the pod is ready to serve requests.", labels=(*_OF_POD, "condition")
    )
    for pod in pods:
        metadata, owner = pod.metadata, pod.metadata.controller
        key = (metadata.namespace, metadata.name, metadata.uid)
        created_by = ("<none>", "<none>") if owner is None else (owner.kind, owner.name)
        info.add_metric((*key, "127.0.0.1", pod.status.pod_ip, pod.spec.node_name, *created_by), 1)
        created.add_metric(key, from_rfc3339(metadata.creation_timestamp))
        labels.add_sample("kube_pod_labels", {**dict(zip(_OF_POD, key, strict=True)), **_label_labels(pod)}, 1)
        for each in _PHASES:
            phase.add_metric((*key, each), pod.status.phase == each)
        for condition, holds in (("true", pod.is_ready), ("false", not pod.is_ready), ("unknown", False)):
            ready.add_metric((*key, condition), holds)
    yield from (info, created, labels, phase, ready)


def _label_labels(pod: Pod) -> dict[str, str]:
    """`label_app` for the label `app`; `version` is there even where the image's tag had to tell it."""
    labels = {f"label_{_NOT_IN_A_LABEL.sub('_', name)}": value for name, value in pod.metadata.labels.items()}
    return {"label_version": pod.version, **labels}
