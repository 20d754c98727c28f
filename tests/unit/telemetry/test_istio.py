"""Istio's metrics and the text they are read as."""

from collections.abc import Iterable

from meshsim.mesh.clusters import ServiceName
from meshsim.mesh.endpoints import Workload
from meshsim.telemetry.accesslog import json_line, text_line
from meshsim.telemetry.exposition import exposition, merged, sample
from meshsim.telemetry.istio import BOTH, NO_SERVICE, NO_WORKLOAD, SOURCE, RequestMetrics, SeriesKey

_CLIENT = Workload("gateway", "istio-system", "gateway")
_POD = Workload("reviews", "default", "reviews", "v2", "reviews", "v2")
_SERVICE = ServiceName("reviews.default.svc.cluster.local", "reviews", "default")


def _lines(metrics: RequestMetrics) -> list[str]:
    return exposition(metrics.samples()).decode().splitlines()


def _with(lines: Iterable[str], *parts: str) -> list[str]:
    return [line for line in lines if all(part in line for part in parts)]


def test_a_request_is_reported_by_both_sides_with_all_labels() -> None:
    metrics = RequestMetrics()
    key = SeriesKey(BOTH, _CLIENT, _POD, _SERVICE, "http", 200, "", "")
    metrics.series(key).record(3.0, 200, 1500)
    metrics.series(key).record(0.4, 200, 1500)
    source, destination = _with(_lines(metrics), "istio_requests_total{")
    assert source == (
        'istio_requests_total{reporter="source",source_workload="gateway",source_canonical_service="unknown",'
        'source_canonical_revision="latest",source_workload_namespace="istio-system",source_principal="unknown",'
        'source_app="gateway",source_version="unknown",source_cluster="Kubernetes",destination_workload="reviews",'
        'destination_workload_namespace="default",destination_principal="unknown",destination_app="reviews",'
        'destination_version="v2",destination_service="reviews.default.svc.cluster.local",'
        'destination_canonical_service="reviews",destination_canonical_revision="v2",'
        'destination_service_name="reviews",destination_service_namespace="default",destination_cluster="Kubernetes",'
        'request_protocol="http",response_code="200",grpc_response_status="",response_flags="-",'
        'connection_security_policy="unknown"} 2'
    )
    assert 'reporter="destination"' in destination
    assert 'connection_security_policy="none"' in destination


def test_histograms_are_cumulative_and_have_envoys_buckets() -> None:
    metrics = RequestMetrics()
    key = SeriesKey(SOURCE, _CLIENT, _POD, _SERVICE, "http", 200, "", "")
    for duration_ms in (0.4, 5, 7):
        metrics.series(key).record(duration_ms, 100, 2_000_000)
    lines = _lines(metrics)
    durations = {
        line.partition('le="')[2].partition('"')[0]: int(line.rpartition(" ")[2])
        for line in _with(lines, "istio_request_duration_milliseconds_bucket{")
    }
    assert list(durations) == [
        "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000",
        "300000", "600000", "1800000", "3600000", "+Inf",
    ]  # fmt: skip
    assert [durations[bound] for bound in ("0.5", "1", "5", "10", "+Inf")] == [1, 1, 2, 3, 3]
    assert _with(lines, "istio_request_duration_milliseconds_sum{")[0].endswith(" 12.4")
    assert _with(lines, "istio_response_bytes_sum{")[0].endswith(" 6000000")
    assert _with(lines, "istio_request_bytes_count{")[0].endswith(" 3")


def test_a_request_that_reached_nobody_has_an_unknown_destination() -> None:
    metrics = RequestMetrics()
    metrics.series(SeriesKey(SOURCE, _CLIENT, NO_WORKLOAD, NO_SERVICE, "http", 404, "", "NR")).record(1, 1, 1)
    (line,) = _with(_lines(metrics), "istio_requests_total{")
    for label in ('destination_workload="unknown"', 'destination_canonical_revision="latest"', 'response_flags="NR"',
                  'destination_cluster="unknown"'):  # fmt: skip
        assert label in line


def test_each_family_has_its_type_once() -> None:
    types = _with(_lines(RequestMetrics()), "# TYPE")
    assert types == [
        "# TYPE istio_requests_total counter",
        "# TYPE istio_request_duration_milliseconds histogram",
        "# TYPE istio_request_bytes histogram",
        "# TYPE istio_response_bytes histogram",
    ]


def test_label_values_are_escaped() -> None:
    assert sample("m", (("a", 'x"\\\n'),), 1).line == 'm{a="x\\"\\\\\\n"} 1'
    assert sample("m", (), 1.5).line == "m 1.5"


class _Nothing:
    """An exchange of which nothing is known."""

    def command(self, name: str, argument: str) -> str | None:
        return {"RESPONSE_CODE": "0", "RESPONSE_FLAGS": "DC"}.get(name)


def test_what_is_unknown_is_a_dash_in_text_and_null_in_json() -> None:
    assert text_line()(_Nothing()) == '[-] "- - -" 0 DC - - "-" - - - - "-" "-" "-" "-" "-" - - - - - - -\n'
    line = json_line()(_Nothing())
    assert '"response_code": 0' in line
    assert '"method": null' in line


def test_texts_of_several_processes_add_up() -> None:
    one = '# TYPE a counter\na{x="1"} 2\n# TYPE b gauge\nb 0.5\n'
    other = '# TYPE a counter\na{x="1"} 3\na{x="2"} 1\n# TYPE b gauge\nb 1.0\n'
    assert merged([one, other]) == '# TYPE a counter\na{x="1"} 5\na{x="2"} 1\n# TYPE b gauge\nb 1.5\n'
