"""The proxy's own counters as Envoy names them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from meshsim.telemetry.exposition import Sample, exposition, sample

if TYPE_CHECKING:
    from meshsim.proxy.cluster import Cluster
    from meshsim.proxy.engine import Engine

_CLUSTER_COUNTERS = (
    ("envoy_cluster_upstream_rq_total", "rq_total"),
    ("envoy_cluster_upstream_rq_retry", "retries"),
    ("envoy_cluster_upstream_rq_retry_overflow", "retries_overflowed"),
    ("envoy_cluster_upstream_rq_timeout", "timeouts"),
    ("envoy_cluster_upstream_rq_pending_overflow", "overflowed"),
    ("envoy_cluster_upstream_cx_total", "connections_total"),
    ("envoy_cluster_upstream_cx_connect_fail", "connect_failures"),
    ("envoy_cluster_upstream_cx_destroy_with_active_rq", "resets"),
    ("envoy_cluster_outlier_detection_ejections_enforced_total", "ejections"),
)
_CLUSTER_GAUGES = (
    ("envoy_cluster_upstream_rq_active", "active"),
    ("envoy_cluster_upstream_rq_pending_active", "pending"),
    ("envoy_cluster_upstream_cx_active", "connections"),
)


def prometheus(engine: "Engine") -> bytes:
    """`/stats/prometheus`."""
    return exposition(_samples(engine))


def _samples(engine: "Engine") -> Iterator[Sample]:
    yield from engine.metrics.samples()
    yield from own_samples(engine, list(engine.clusters.values()))


def clusters_in_use(engine: "Engine") -> list["Cluster"]:
    """The clusters of services that were ever sent a request, to whichever of their versions."""
    services = {cluster.plan.service for cluster in engine.clusters.values() if cluster.rq_total}
    return [cluster for cluster in engine.clusters.values() if cluster.plan.service in services]


def own_samples(engine: "Engine", clusters: Sequence["Cluster"]) -> Iterator[Sample]:
    """The proxy's own counters and those of these clusters: everything but the metrics of requests."""
    yield Sample.family("istio_build", "gauge")
    yield sample("istio_build", (("component", "proxy"), ("tag", "meshsim")), 1)
    for kind, families in (("counter", _CLUSTER_COUNTERS), ("gauge", _CLUSTER_GAUGES)):
        for name, attribute in families:
            yield Sample.family(name, kind)
            for cluster in clusters:
                yield sample(name, (("cluster_name", cluster.name),), getattr(cluster, attribute))
    yield Sample.family("envoy_cluster_upstream_rq_xx", "counter")
    for cluster in clusters:
        for hundreds, count in enumerate(cluster.rq_classes):
            if count:
                labels = (("cluster_name", cluster.name), ("response_code_class", str(hundreds)))
                yield sample("envoy_cluster_upstream_rq_xx", labels, count)
    yield Sample.family("envoy_cluster_membership_healthy", "gauge")
    for cluster in clusters:
        yield sample("envoy_cluster_membership_healthy", (("cluster_name", cluster.name),), len(cluster.available))
    yield Sample.family("envoy_http_downstream_cx_active", "gauge")
    yield sample("envoy_http_downstream_cx_active", (), len(engine.connections))
    yield Sample.family("envoy_http_downstream_cx_overflow", "counter")
    yield sample("envoy_http_downstream_cx_overflow", (), engine.connections_refused)
    yield Sample.family("envoy_http_downstream_rq_error", "counter")
    for (status, details), count in engine.refusals.items():
        yield sample("envoy_http_downstream_rq_error", (("response_code", str(status)), ("details", details)), count)
