"""Unit tests of what the node reports."""

from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from meshsim.api.lag import Lags
from meshsim.kit.clock import VirtualClock
from meshsim.runtime.containers.events import PodEvents
from meshsim.runtime.pods.pod_worker import Node, PodWorker
from meshsim.runtime.served.metrics import pod_samples, replica_set_samples
from meshsim.telemetry.exposition import Sample, exposition
from tests.kits.api import InProcessApi
from tests.kits.containers import ScriptedRuntime
from tests.kits.pods import pod_object

pytestmark = pytest.mark.asyncio


def worker_of(name: str, **container: Any) -> PodWorker:
    clock = VirtualClock()
    api = InProcessApi(clock)
    node = Node("node", api, clock, ScriptedRuntime(), lambda _: None, Lags(), PodEvents(api, clock, "node"))
    owner = {"kind": "ReplicaSet", "name": "web", "controller": True}
    obj = pod_object(name, uid=f"u-{name}", creationTimestamp="2026-01-01T00:00:00Z", ownerReferences=[owner])
    obj["metadata"]["labels"]["app.kubernetes.io/name"] = 'we"b'
    obj["spec"]["nodeName"] = "node"
    obj["spec"]["containers"][0] |= container
    obj["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "podIP": "127.16.0.1"}
    return PodWorker(node, obj, "127.16.0.1")


def series(samples: Iterable[Sample], name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(exposition(samples).decode())
    return [(one.labels, one.value) for family in families for one in family.samples if one.name == name]


async def test_a_pod_is_reported_with_its_owner_its_place_and_its_labels() -> None:
    samples = list(pod_samples([worker_of("a")]))
    ((info, one),) = series(samples, "kube_pod_info")
    assert (info["pod"], info["uid"], info["node"], info["pod_ip"], one) == ("a", "u-a", "node", "127.16.0.1", 1)
    assert (info["created_by_kind"], info["created_by_name"]) == ("ReplicaSet", "web")
    ((labels, _),) = series(samples, "kube_pod_labels")
    assert (labels["label_app"], labels["label_version"]) == ("web", "v1")
    assert labels["label_app_kubernetes_io_name"] == 'we"b'


async def test_each_phase_and_each_answer_to_ready_is_a_series_and_one_of_them_holds() -> None:
    samples = list(pod_samples([worker_of("a")]))
    assert [labels["phase"] for labels, holds in series(samples, "kube_pod_status_phase") if holds] == ["Running"]
    assert [labels["condition"] for labels, holds in series(samples, "kube_pod_status_ready") if holds] == ["true"]
    assert len(series(samples, "kube_pod_status_phase")) == 5


async def test_what_a_container_asks_for_is_reported_in_base_units() -> None:
    worker = worker_of("a", resources={"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "odd"}})
    samples = list(pod_samples([worker]))
    assert [
        (labels["resource"], labels["unit"], value)
        for labels, value in series(samples, "kube_pod_container_resource_requests")
    ] == [("cpu", "core", 0.25), ("memory", "byte", 64 * 2**20)]
    assert series(samples, "kube_pod_container_resource_limits") == []


async def test_a_container_that_does_not_run_yet_uses_nothing_that_could_be_reported() -> None:
    samples = list(pod_samples([worker_of("a")]))
    assert series(samples, "container_cpu_usage_seconds_total") == []
    assert [value for _, value in series(samples, "kube_pod_container_status_restarts_total")] == [0]


async def test_replica_sets_are_reported_with_what_they_ask_for_and_have() -> None:
    metadata = {"namespace": "default", "name": "web"}
    samples = list(
        replica_set_samples(
            [
                {"metadata": metadata, "spec": {"replicas": 3}, "status": {"replicas": 2, "readyReplicas": 1}},
                {"metadata": metadata | {"name": "old"}, "spec": {"replicas": 0}},
            ]
        )
    )
    for name, values in (("spec", [3, 0]), ("status", [2, 0]), ("status_ready", [1, 0])):
        found = series(samples, f"kube_replicaset_{name}_replicas")
        assert [(labels["replicaset"], value) for labels, value in found] == [("web", values[0]), ("old", values[1])]
