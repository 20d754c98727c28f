"""Queries on the same scrapes, answered by us and by a real Prometheus (Debian's package, 2.x)."""

import json
import math
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from meshsim.telemetry.promql.history import History
from meshsim.telemetry.promql.http_api import answer_query, answer_query_range, ended
from meshsim.telemetry.promql.series_api import answering_label_values, answering_labels, answering_series
from tests.kits.prometheus import free_port, needs_prometheus, prometheus
from tests.kits.scrapes import take

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

START_MS: Final = 1_760_000_000_000
SCRAPES: Final = 240

INSTANT: Final = (
    "istio_requests_total",
    'istio_requests_total{response_code=~"5.."}',
    'istio_requests_total{response_code!~"5..",destination_version!="v1"}',
    "rate(istio_requests_total[30s])",
    "increase(istio_requests_total[1m])",
    "irate(istio_requests_total[20s])",
    "delta(envoy_http_downstream_cx_active[30s])",
    "sum(rate(istio_requests_total[1m])) by (destination_version)",
    "sum by (response_code) (increase(istio_requests_total[45s]))",
    "sum without (response_code) (rate(istio_requests_total[1m]))",
    'sum(rate(istio_requests_total{response_code!~"5.*"}[1m])) / sum(rate(istio_requests_total[1m]))',
    'sum by (destination_version) (rate(istio_requests_total{response_code=~"5.*"}[1m]))'
    " / sum by (destination_version) (rate(istio_requests_total[1m]))",
    "histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket[1m])) by (le))",
    "histogram_quantile(0.5, sum(rate(istio_request_duration_milliseconds_bucket[1m])) by (le, destination_version))",
    "histogram_quantile(0.9, rate(istio_request_duration_milliseconds_bucket[10s]))",
    "histogram_quantile(1.5, istio_request_duration_milliseconds_bucket)",
    "sum(rate(nothing_at_all[1m])) or on() vector(0)",
    "sum(rate(istio_requests_total[1m])) or on() vector(0)",
    "sum(nothing_at_all)",
    'absent(nothing_at_all{a="b"})',
    "absent(istio_requests_total)",
    "count(istio_requests_total) by (destination_version)",
    "max(istio_requests_total)",
    "min by (destination_version) (istio_requests_total)",
    "avg(rate(istio_requests_total[30s]))",
    "stddev(istio_requests_total)",
    "quantile(0.7, istio_requests_total)",
    "topk(1, istio_requests_total)",
    "istio_requests_total > 100",
    "istio_requests_total > bool 100",
    "100 < istio_requests_total",
    "istio_requests_total * 2 + 1 - 3 ^ 2 ^ 0.5 % 2",
    "-istio_requests_total",
    "-2 ^ 2",
    "1 / 0 - 1 / 0",
    "1 == bool 1",
    'istio_requests_total{response_code="200"} / ignoring(response_code) istio_requests_total{response_code="503"}',
    "istio_requests_total / on(destination_version) group_left sum by (destination_version) (istio_requests_total)",
    "istio_requests_total and on(destination_version) envoy_version_info",
    "istio_requests_total unless on(destination_version) envoy_version_info",
    "istio_requests_total * on(destination_version) group_left(build) envoy_version_info",
    "avg_over_time(envoy_http_downstream_cx_active[20s])",
    "max_over_time(envoy_http_downstream_cx_active[20s])",
    "quantile_over_time(0.5, envoy_http_downstream_cx_active[1m])",
    "count_over_time(istio_requests_total[10s])",
    "last_over_time(istio_requests_total[10s])",
    "changes(envoy_http_downstream_cx_active[1m])",
    "resets(istio_requests_total[4m])",
    "rate(istio_requests_total[1m] offset 30s)",
    "clamp_max(istio_requests_total, 50)",
    "round(rate(istio_requests_total[1m]), 0.1)",
    "scalar(sum(istio_requests_total)) + 1",
    "vector(1.5)",
    "time()",
    "sgn(-1 * vector(3)) + abs(vector(-2)) + ceil(vector(1.2)) + floor(vector(1.8)) + ln(vector(2))",
    'label_replace(envoy_version_info, "short", "$1", "build", "(.).*")',
    "sum(istio_requests_total) by (nothing)",
    "rate(istio_requests_total[1s])",
    "rate(istio_requests_total[2h])",
)
REFUSED: Final = (
    "sum(",
    "istio_requests_total{",
    "rate(istio_requests_total)",
    "{}",
    '{a!="b"}',
    "1 == 1",
    "unknown_function(1)",
    'istio_requests_total + istio_requests_total{response_code=~"a("}',
    "istio_requests_total / on(destination_version) istio_requests_total",
    "sum(istio_requests_total[1m])",
    "1 and 1",
    "istio_requests_total[0s]",
    "'text' + 1",
    "topk(istio_requests_total)",
)


@dataclass(slots=True)
class _Source:
    """Counters, a histogram and gauges, as a proxy shows them while requests go through."""

    draw: random.Random = field(default_factory=lambda: random.Random(7))
    requests: dict[tuple[str, str], float] = field(default_factory=dict)
    buckets: dict[tuple[str, float], float] = field(default_factory=dict)

    def scrape(self, number: int) -> list[str]:
        for version, share in (("v1", 9), ("v2", 1 if number > 30 else 0)):
            for _ in range(self.draw.randrange(3) * share):
                code = "503" if self.draw.random() < (0.15 if version == "v2" else 0.01) else "200"
                key = version, code
                self.requests[key] = self.requests.get(key, 0.0) + 1
                took = self.draw.expovariate(1 / 20)
                for bound in (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, math.inf):
                    at = version, bound
                    self.buckets[at] = self.buckets.get(at, 0.0) + (took <= bound)
        if number == 150:
            self.requests = dict.fromkeys(self.requests, 1.0)
        lines = [
            f'istio_requests_total{{destination_version="{version}",response_code="{code}"}} {count!r}'
            for (version, code), count in self.requests.items()
        ]
        lines += [
            f'istio_request_duration_milliseconds_bucket{{destination_version="{version}",'
            f'le="{"+Inf" if math.isinf(bound) else bound}"}} {count!r}'
            for (version, bound), count in self.buckets.items()
        ]
        lines.append(f"envoy_http_downstream_cx_active {float(self.draw.randrange(20))!r}")
        lines.append('envoy_version_info{destination_version="v2",build="b7"} 1.0')
        return lines


@dataclass(frozen=True, slots=True)
class Both:
    """Our history and a Prometheus that holds the same."""

    history: History
    url: str

    def ours(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer = answer_query if path == "query" else None
        if answer is not None:
            return answer(self.history, parameters, 0.0).body
        return answer_query_range(self.history, parameters).body

    def theirs(self, path: str, parameters: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters, doseq=True)}", timeout=10) as reply:
                body: dict[str, Any] = json.load(reply)
        except HTTPError as error:
            body = json.load(error)
        return body


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    needs_prometheus()
    directory = tmp_path_factory.mktemp("prometheus")
    scrapes, data = directory / "scrapes.txt", directory / "data"
    history = _scraped(scrapes)
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(scrapes), str(data)],
        check=True,
        capture_output=True,
    )
    with prometheus(directory, free_port()) as url:
        yield Both(history, url)


def _scraped(file: Path) -> History:
    """Scrapes, one a second more or less, kept in a history and written as OpenMetrics."""
    source, draw = _Source(), random.Random(3)
    history = History(SCRAPES)
    samples: dict[str, list[str]] = {}
    for number in range(SCRAPES):
        at_ms = START_MS + number * 1000 + draw.randrange(-40, 40)
        lines = source.scrape(number)
        take(history, "\n".join(lines) + "\n", at_ms)
        for line in lines:
            family = line.partition("{")[0].partition(" ")[0]
            samples.setdefault(family, []).append(f"{line} {at_ms / 1000:.3f}\n")
    with file.open("w") as out:
        for family, lines in samples.items():
            out.write(f"# TYPE {family} unknown\n")
            out.writelines(lines)
        out.write("# EOF\n")
    return history


def _comparable(body: dict[str, Any]) -> Any:
    """The data with numbers as numbers and series in one order."""
    if body["status"] != "success":
        return body["status"]
    data = body["data"]
    if data["resultType"] in ("scalar", "string"):
        return [data["resultType"], data["result"][0], _number(data["result"][1])]
    series = [
        (
            sorted(one["metric"].items()),
            [(at, _number(value)) for at, value in (one.get("values") or [one["value"]])],
        )
        for one in data["result"]
    ]
    return [data["resultType"], sorted(series, key=lambda one: one[0])]


def _number(text: str) -> object:
    number = float(text)
    return "NaN" if math.isnan(number) else pytest.approx(number, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("query", INSTANT)
def test_an_instant_query_has_the_same_answer(both: Both, query: str) -> None:
    for second in (5, 45.25, 119.5, 155, 238):
        parameters = {"query": query, "time": f"{START_MS / 1000 + second:.3f}"}

        assert _comparable(both.ours("query", parameters)) == _comparable(both.theirs("query", parameters))


@pytest.mark.parametrize("query", [query for query in INSTANT if "topk" not in query])
def test_a_range_query_has_the_same_answer(both: Both, query: str) -> None:
    span = {"start": f"{START_MS / 1000:.3f}", "end": f"{START_MS / 1000 + 230:.3f}", "step": "7s"}
    parameters = {"query": query, **span}

    assert _comparable(both.ours("query_range", parameters)) == _comparable(both.theirs("query_range", parameters))


@pytest.mark.parametrize("query", REFUSED)
def test_what_prometheus_refuses_we_refuse(both: Both, query: str) -> None:
    parameters = {"query": query, "time": f"{START_MS / 1000 + 100:.3f}"}
    ours, theirs = both.ours("query", parameters), both.theirs("query", parameters)

    assert (ours["status"], ours["errorType"]) == (theirs["status"], theirs["errorType"])
    assert ours["error"]


SELECTORS: Final = (
    (),
    ("istio_requests_total",),
    ('istio_requests_total{response_code=~"5.."}', "envoy_version_info"),
    ('{destination_version="v2"}', '{__name__=~"istio_.*"}'),
    ("nothing_at_all",),
    ("rate(istio_requests_total[1m])",),
    ("{}",),
)


@pytest.mark.parametrize("selectors", SELECTORS, ids=" ".join)
def test_what_there_is_is_told_as_prometheus_tells_it(both: Both, selectors: tuple[str, ...]) -> None:
    span = {"start": str(START_MS / 1000 - 10), "end": str(START_MS / 1000 + SCRAPES + 10)}
    asked = {**span, "match[]": selectors}
    ours = {
        "labels": answering_labels(both.history, span, selectors),
        "label/__name__/values": answering_label_values(both.history, "__name__", span, selectors),
        "label/response_code/values": answering_label_values(both.history, "response_code", span, selectors),
        "label/a-b/values": answering_label_values(both.history, "a-b", span, selectors),
        "series": answering_series(both.history, span, selectors),
    }

    for path, steps in ours.items():
        said, expected = ended(steps).body, both.theirs(path, asked)
        assert (said["status"], said.get("errorType")) == (expected["status"], expected.get("errorType")), path
        assert _in_one_order(said.get("data")) == _in_one_order(expected.get("data")), path


def _in_one_order(data: Any) -> Any:
    return sorted(data, key=str) if data and isinstance(data[0], dict) else data
