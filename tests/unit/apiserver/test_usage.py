from meshsim.apiserver.pods.usage import Place, Sample, Usage, node_metrics, pod_metrics, sample_of, usage_between
from tests.kits.manifests import pod

WEB = Place("default", "web-1-a", "web")
SIDE = Place("default", "web-1-a", "side")
NOW = 1_767_225_600.0


def test_a_nodes_metrics_are_read_by_container() -> None:
    text = "\n".join(
        [
            "# TYPE container_cpu_usage_seconds_total counter",
            'container_cpu_usage_seconds_total{container="web",pod="web-1-a",namespace="default",cpu="total"} 1.5',
            'container_memory_working_set_bytes{container="web",pod="web-1-a",namespace="default"} 2.097152e+06',
            'kube_pod_info{pod="web-1-a"} 1',
        ]
    )
    assert sample_of(text, 7.0) == Sample(7.0, {WEB: 1.5}, {WEB: 2097152.0})


def test_cpu_is_what_was_used_in_between() -> None:
    before, after = Sample(10.0, {WEB: 1.0}, {}), Sample(12.0, {WEB: 2.0, SIDE: 0.5}, {WEB: 1024.0})
    assert usage_between(before, after) == {WEB: Usage(0.5, 1024.0), SIDE: Usage(0.25, 0.0)}


def test_a_container_that_started_anew_counts_from_zero() -> None:
    assert usage_between(Sample(0.0, {WEB: 9.0}, {}), Sample(1.0, {WEB: 0.25}, {})) == {WEB: Usage(0.25, 0.0)}


def test_a_pods_metrics_are_its_containers_in_kubernetes_units() -> None:
    used = {WEB: Usage(0.0125, 2097152.0), SIDE: Usage(0.0, 0.0), Place("default", "other", "web"): Usage(1.0, 1.0)}
    metrics = pod_metrics(pod(), used, NOW, 1.0)
    assert metrics is not None
    assert metrics["metadata"]["name"] == "web-1-a"
    assert metrics["timestamp"] == "2026-01-01T00:00:00Z"
    assert metrics["containers"] == [
        {"name": "side", "usage": {"cpu": "0n", "memory": "0Ki"}},
        {"name": "web", "usage": {"cpu": "12500000n", "memory": "2048Ki"}},
    ]
    assert pod_metrics(pod("unknown"), used, NOW, 1.0) is None


def test_a_node_uses_what_its_containers_use() -> None:
    metrics = node_metrics({"metadata": {"name": "meshsim"}}, [Usage(0.5, 1024.0), Usage(0.25, 1024.0)], NOW, 1.0)
    assert metrics["usage"] == {"cpu": "750000000n", "memory": "2Ki"}
