"""What the node reports on `/metrics`: cAdvisor's and kube-state-metrics' series of the pods it runs."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from meshsim.api.core import Container, Pod
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.pod_worker import PodWorker
from meshsim.telemetry.exposition import Sample, sample

_NOT_IN_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_PHASES: Final = ("Pending", "Succeeded", "Failed", "Unknown", "Running")

Labels = tuple[tuple[str, str], ...]


def pod_samples(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    """The series of these pods as they are now; one that is gone is not reported."""
    workers = list(workers)
    yield from _usage(workers)
    yield from _requests(workers)
    yield from _states([worker.pod for worker in workers])


def _usage(workers: Iterable[PodWorker]) -> Iterator[Sample]:
    measured = [
        (_container_labels(worker.pod, each.container), each.running.usage())
        for worker in workers
        for each in worker.containers
        if each.running is not None
    ]
    yield Sample.family("container_cpu_usage_seconds_total", "counter")
    for labels, usage in measured:
        yield sample("container_cpu_usage_seconds_total", (*labels, ("cpu", "total")), usage.cpu_s)
    yield Sample.family("container_memory_working_set_bytes", "gauge")
    for labels, usage in measured:
        yield sample("container_memory_working_set_bytes", labels, usage.memory_bytes)


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
        (_version_labels(worker.pod), [each.running.usage() for each in worker.containers if each.running is not None])
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
