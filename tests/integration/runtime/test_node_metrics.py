"""Integration tests of what dashboards ask of a node: each metric that they name, with the labels they select by."""

import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from meshsim.api.kinds import POD
from meshsim.kit.clock import VirtualClock
from meshsim.runtime.served.metrics import pod_samples, replica_set_samples
from meshsim.telemetry.exposition import exposition
from tests.kits.eventually import eventually
from tests.kits.manifests import replica_set
from tests.kits.node import RunningNode, new_api, running_node
from tests.kits.pods import pod_object, ready_pod

pytestmark = pytest.mark.asyncio

CONTAINER = {"container": "web", "pod": "a", "namespace": "default"}
POD_LABELS = {"pod": "a", "namespace": "default"}
ASKED_FOR = {
    # Istio's performance dashboard, Flagger's canary dashboard, and what a release is compared by.
    "container_cpu_usage_seconds_total": CONTAINER | {"cpu": "total", "version": "v1"},
    "container_memory_working_set_bytes": CONTAINER | {"version": "v1"},
    "container_cpu_cfs_throttled_seconds_total": CONTAINER,
    "container_fs_usage_bytes": CONTAINER,
    "container_network_receive_bytes_total": POD_LABELS,
    "container_network_transmit_bytes_total": POD_LABELS,
    "kube_pod_info": POD_LABELS | {"node": "node"},
    "kube_pod_labels": POD_LABELS | {"label_app": "web", "label_version": "v1"},
    "kube_pod_status_phase": POD_LABELS | {"phase": "Running"},
    "kube_pod_status_ready": POD_LABELS | {"condition": "true"},
    "kube_pod_container_resource_requests": CONTAINER | {"resource": "cpu", "unit": "core"},
    "kube_replicaset_spec_replicas": {"namespace": "default", "replicaset": "web-1"},
    "kube_replicaset_status_ready_replicas": {"namespace": "default", "replicaset": "web-1"},
}
NOT_OF_PROGRAMS = {
    "container_fs_usage_bytes",
    "container_network_receive_bytes_total",
    "container_network_transmit_bytes_total",
}
"""A program has neither a file system nor a network of its own that could be looked at."""


def reported(node: RunningNode) -> dict[str, list[dict[str, str]]]:
    """The labels of every series, by the metric's name."""
    samples = [*pod_samples(node.kubelet.workers.values()), *replica_set_samples([replica_set("web-1")])]
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(exposition(samples).decode()):
        for one in family.samples:
            found.setdefault(one.name, []).append(one.labels)
    return found


@pytest.mark.parametrize(
    "command", [[], [sys.executable, "-c", "import time; time.sleep(60)"]], ids=["simulated", "program"]
)
async def test_a_node_reports_all_that_dashboards_ask_for(command: list[str]) -> None:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock) as node:
        obj = pod_object("a", probe=None)
        obj["spec"]["containers"][0] |= {"command": command, "resources": {"requests": {"cpu": "100m"}}}
        await node.api.create(POD, obj)
        await eventually(lambda: node.kubelet.workers)
        await clock.advance(1)
        await eventually(lambda: ready_pod(node.api, "a"))
        series = reported(node)
    missing = [
        name
        for name, labels in ASKED_FOR.items()
        if not any(labels.items() <= one.items() for one in series.get(name, []))
    ]
    assert set(missing) == (NOT_OF_PROGRAMS if command else set())


async def test_a_container_that_has_ended_is_not_reported_any_more() -> None:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock) as node:
        obj = pod_object("a", probe=None)
        obj["spec"]["restartPolicy"] = "Never"
        await node.api.create(POD, obj)
        await eventually(lambda: node.kubelet.workers)
        await clock.advance(1)
        worker = next(iter(node.kubelet.workers.values()))
        await eventually(lambda: worker.containers[0].running is not None)
        await clock.advance(1)
        series = reported(node)
    assert "container_cpu_usage_seconds_total" not in series
    assert "meshsim_pod_requests_total" in series
