"""Istio's standard metrics of HTTP requests: plain integers, added up in place, read when scraped."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from meshsim.mesh.clusters import ServiceName
from meshsim.mesh.endpoints import UNKNOWN, Workload
from meshsim.telemetry.exposition import Sample, sample

BUCKETS: Final = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip
"""Envoy's default histogram bounds: milliseconds and bytes alike."""

NO_WORKLOAD: Final = Workload()
NO_SERVICE: Final = ServiceName(UNKNOWN, UNKNOWN, UNKNOWN)

_COUNT: Final = len(BUCKETS) + 1
_MAX_OUTSIDE: Final = 1000
"""So that whoever invents hosts doesn't fill the memory."""
# Numbers of one type compare faster; a size is whole, so that half a byte is none.
_DURATION_BOUNDS: Final = tuple(map(float, BUCKETS))
_SIZE_BOUNDS: Final = tuple(map(int, BUCKETS))
_REQUESTS: Final = "istio_requests_total"
_HISTOGRAMS: Final = (
    ("istio_request_duration_milliseconds", "durations", "duration_ms"),
    ("istio_request_bytes", "request_sizes", "request_bytes"),
    ("istio_response_bytes", "response_sizes", "response_bytes"),
)
KINDS: Final = {_REQUESTS: "counter", **{name: "histogram" for name, _, _ in _HISTOGRAMS}}
"""The metrics and their types."""
_UPPER: Final = (*(f"{bound:g}" if bound < 1 else f"{bound:d}" for bound in BUCKETS), "+Inf")
"""The bounds as labels."""


class SeriesKey(NamedTuple):
    """What tells one series of requests from another. `reporters` are `source`, `destination` or both."""

    reporters: tuple[str, ...]
    source: Workload
    workload: Workload
    service: ServiceName
    protocol: str
    status: int
    grpc_status: str
    flags: str


SOURCE: Final = ("source",)
DESTINATION: Final = ("destination",)
BOTH: Final = ("source", "destination")


class Series:
    """Requests with the same labels: how many, how long, how large. Sizes are wire bytes, heads included."""

    __slots__ = (
        "count",
        "duration_ms",
        "durations",
        "request_bytes",
        "request_sizes",
        "response_bytes",
        "response_sizes",
    )

    def __init__(self) -> None:
        self.count = 0
        self.duration_ms = 0.0
        self.request_bytes = 0
        self.response_bytes = 0
        self.durations = [0] * _COUNT
        self.request_sizes = [0] * _COUNT
        self.response_sizes = [0] * _COUNT

    def record(self, duration_ms: float, request_bytes: int, response_bytes: int) -> None:
        """Count one request."""
        self.count += 1
        self.duration_ms += duration_ms
        self.request_bytes += request_bytes
        self.response_bytes += response_bytes
        self.durations[bisect_left(_DURATION_BOUNDS, duration_ms)] += 1
        self.request_sizes[bisect_left(_SIZE_BOUNDS, request_bytes)] += 1
        self.response_sizes[bisect_left(_SIZE_BOUNDS, response_bytes)] += 1


class RequestMetrics:
    """All series, by what tells them apart."""

    def __init__(self) -> None:
        self._series: dict[SeriesKey, Series] = {}
        self._outside: dict[str, ServiceName] = {}

    def series(self, key: SeriesKey) -> Series:
        """The series of these labels."""
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series()
        return series

    def outside(self, host: str, name: str) -> ServiceName:
        """A service that the registry doesn't know, as a client names it; nameless once there were very many."""
        service = self._outside.get(host)
        if service is None and len(self._outside) < _MAX_OUTSIDE:
            service = self._outside[host] = ServiceName(host, name, UNKNOWN)
        return NO_SERVICE if service is None else service

    def __iter__(self) -> Iterator[tuple[SeriesKey, Series]]:
        return iter(self._series.items())

    def reset_counters(self) -> None:
        """Count requests anew; histograms go on."""
        for series in self._series.values():
            series.count = 0

    def samples(self) -> Iterator[Sample]:
        """The metrics as they are now."""
        labelled = [
            (_labels(key, reporter), series) for key, series in self._series.items() for reporter in key.reporters
        ]
        yield Sample.family(_REQUESTS, KINDS[_REQUESTS])
        for labels, series in labelled:
            yield sample(_REQUESTS, labels, series.count)
        for name, counts_of, total_of in _HISTOGRAMS:
            yield Sample.family(name, KINDS[name])
            for labels, series in labelled:
                yield from _histogram(name, labels, getattr(series, counts_of), getattr(series, total_of))


def names_of(key: SeriesKey, reporter: str) -> Iterator[dict[str, str]]:
    """The labels of every number that a series shows, the metric's name as `__name__`."""
    labels = {label: value for label, value in _labels(key, reporter) if value}
    yield {"__name__": _REQUESTS, **labels}
    for name, _, _ in _HISTOGRAMS:
        for upper in _UPPER:
            yield {"__name__": f"{name}_bucket", **labels, "le": upper}
        for part in ("sum", "count"):
            yield {"__name__": f"{name}_{part}", **labels}


def numbers_of(series: Series) -> list[float]:
    """Every number that a series shows, in the order of `names_of`."""
    numbers: list[float] = [series.count]
    for _, counts_of, total_of in _HISTOGRAMS:
        reached = list(accumulate(getattr(series, counts_of)))
        numbers += (*reached, getattr(series, total_of), reached[-1])
    return numbers


def _histogram(name: str, labels: tuple[tuple[str, str], ...], counts: Iterable[int], total: float) -> Iterator[Sample]:
    reached = 0
    for upper, count in zip(_UPPER, counts, strict=True):
        reached += count
        yield sample(f"{name}_bucket", (*labels, ("le", upper)), reached)
    yield sample(f"{name}_sum", labels, total)
    yield sample(f"{name}_count", labels, reached)


def _labels(key: SeriesKey, reporter: str) -> tuple[tuple[str, str], ...]:
    source, workload, service = key.source, key.workload, key.service
    return (
        ("reporter", reporter),
        ("source_workload", source.name),
        ("source_canonical_service", source.canonical_service),
        ("source_canonical_revision", source.canonical_revision),
        ("source_workload_namespace", source.namespace),
        ("source_principal", UNKNOWN),
        ("source_app", source.app),
        ("source_version", source.version),
        ("source_cluster", "Kubernetes"),
        ("destination_workload", workload.name),
        ("destination_workload_namespace", workload.namespace),
        ("destination_principal", UNKNOWN),
        ("destination_app", workload.app),
        ("destination_version", workload.version),
        ("destination_service", service.host),
        ("destination_canonical_service", workload.canonical_service),
        ("destination_canonical_revision", workload.canonical_revision),
        ("destination_service_name", service.name),
        ("destination_service_namespace", service.namespace),
        ("destination_cluster", UNKNOWN if workload is NO_WORKLOAD else "Kubernetes"),
        ("request_protocol", key.protocol),
        ("response_code", str(key.status)),
        ("grpc_response_status", key.grpc_status),
        ("response_flags", key.flags or "-"),
        ("connection_security_policy", UNKNOWN if reporter == "source" else "none"),
    )
