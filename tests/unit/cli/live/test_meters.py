"""What is read from the proxy's pages."""

from typing import Any

import pytest

from meshsim.cli.live.meters import ProxyCounts, proxy_counts, proxy_split

_CLUSTERS = """\
outbound|80||my-app-stable.default.svc.cluster.local::added_via_api::true
outbound|80||my-app-stable.default.svc.cluster.local::127.0.0.2:8080::rq_total::12
outbound|80||my-app-stable.default.svc.cluster.local::127.0.0.2:8080::version::v1
outbound|80||my-app-stable.default.svc.cluster.local::127.0.0.3:8080::version::v1
outbound|80||my-app-canary.default.svc.cluster.local::127.0.0.4:8080::version::v2
"""


def _dump(*clusters: dict[str, Any]) -> dict[str, Any]:
    route = {"name": "primary", "route": {"weighted_clusters": {"clusters": list(clusters)}}}
    host = {"name": "my-app:80", "domains": ["my-app", "my-app:80"], "routes": [route]}
    return {
        "configs": [
            {"@type": "BootstrapConfigDump"},
            {
                "@type": "RoutesConfigDump",
                "dynamic_route_configs": [{"route_config": {"name": "http.80", "virtual_hosts": [host]}}],
            },
        ]
    }


def _cluster(role: str, weight: int) -> dict[str, Any]:
    return {"name": f"outbound|80||my-app-{role}.default.svc.cluster.local", "weight": weight}


def test_the_proxys_split_is_its_weights_over_its_endpoints() -> None:
    dump = _dump(_cluster("stable", 66), _cluster("canary", 34))
    assert proxy_split(dump, _CLUSTERS, "my-app") == pytest.approx({"v1": 0.66, "v2": 0.34})


def test_a_route_to_one_cluster_gives_it_everything() -> None:
    dump = _dump()
    dump["configs"][1]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"][0]["routes"][0]["route"] = {
        "cluster": "outbound|80||my-app-canary.default.svc.cluster.local"
    }
    assert proxy_split(dump, _CLUSTERS, "my-app") == {"v2": 1.0}


def test_a_cluster_without_endpoints_leaves_its_share_to_nobody() -> None:
    dump = _dump(_cluster("stable", 50), _cluster("gone", 50))
    assert proxy_split(dump, _CLUSTERS, "my-app") == {"v1": 0.5}


def test_a_host_the_proxy_does_not_know_has_no_split() -> None:
    assert proxy_split(_dump(_cluster("stable", 1)), _CLUSTERS, "reviews") == {}


def test_requests_are_counted_once_and_attempts_over_all_clusters() -> None:
    stats = """\
# TYPE istio_requests_total counter
istio_requests_total{reporter="source",destination_version="v1",response_code="200"} 60
istio_requests_total{reporter="destination",destination_version="v1",response_code="200"} 60
istio_requests_total{reporter="source",destination_version="v2",response_code="200"} 40
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{cluster_name="stable"} 61
envoy_cluster_upstream_rq_total{cluster_name="canary"} 41
# TYPE envoy_cluster_upstream_rq_retry counter
envoy_cluster_upstream_rq_retry{cluster_name="stable"} 2
"""
    assert proxy_counts(stats) == ProxyCounts(requests=100, attempts=102)
