"""Which names only a cluster's DNS knows."""

import pytest

from controller.analysis.providers.in_cluster import is_cluster_local


@pytest.mark.parametrize(
    "host",
    [
        "prometheus",
        "Prometheus",
        "prometheus.istio-system",
        "prometheus.2nd",
        "prometheus.monitoring.svc",
        "prometheus-k8s.monitoring.svc.cluster.local",
        "prometheus.monitoring.svc.cluster.local.",
        "prometheus-0.prometheus.monitoring.svc.cluster.local",
    ],
)
def test_names_of_services_are_a_clusters(host: str) -> None:
    assert is_cluster_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        ".svc",
        ".svc.cluster.local",
        "localhost",
        "localhost.",
        "app.localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "::1",
        "prometheus.example.com",
        "host.docker.internal",
        "prometheus.monitoring.cluster.local",
        "notsvc.cluster.local",
        "prometheus.monitoring.xsvc",
        "under_score",
        "-prometheus",
        "a..svc",
    ],
)
def test_other_names_and_addresses_are_not(host: str) -> None:
    assert not is_cluster_local(host)
