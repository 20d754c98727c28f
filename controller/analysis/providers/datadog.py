"""Datadog's query APIs, v1 and v2, at an address that can be configured."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from controller.analysis.metrics import seconds
from controller.analysis.providers.outbound import Ask, Outbound, Reply, json_of, shown
from controller.analysis.providers.provider import ProviderError, Reading, list_text
from meshsim.api.analysis import Metric
from meshsim.api.decode import FieldError, Object, Wire, decode, write_json
from meshsim.api.validate.gotext import GoDurationError, nanoseconds
from meshsim.kit.clock import Clock, LoopClock
from meshsim.telemetry.promql.values import number_text

_DEFAULT_ADDRESS: Final = "https://api.datadoghq.com"
_DEFAULT_INTERVAL: Final = "5m"
_DEFAULT_TIMEOUT_S: Final = 10.0
_MOST_GROUPS_SHOWN: Final = 100
_REVIEW: Final = "Please review the Analysis Template."


class Credentials(NamedTuple):
    """Where Datadog is and who asks."""

    address: str
    api_key: str
    app_key: str


class SecretRef(Wire, frozen=True):
    """A Secret with the credentials; `namespaced` means in the run's own namespace."""

    name: str = ""
    namespaced: bool = False


class DatadogMetric(Wire, frozen=True):
    """`provider.datadog`."""

    api_version: str = ""
    query: str = ""
    queries: dict[str, str] | None = None
    formula: str = ""
    interval: str = ""
    aggregator: str = ""
    request_timeout: str = ""
    secret_ref: SecretRef = SecretRef()

    @property
    def is_v2(self) -> bool:
        """It asks the second version of the API."""
        return self.api_version == "v2"


def datadog_metric(spec: Object) -> DatadogMetric:
    """The metric's part, if it makes sense. Raises ProviderError."""
    try:
        metric = decode(DatadogMetric, spec)
    except FieldError as error:
        raise ProviderError(f"datadog: {error}") from None
    for is_wrong, reason in (
        (not metric.query and not metric.queries, f"Must have either a query or queries. {_REVIEW}"),
        (metric.query and metric.queries, f"Cannot have both a query and queries. {_REVIEW}"),
        (
            not metric.is_v2 and not metric.query,
            "Query is empty. API Version v1 only supports using the query parameter in your Analysis Template.",
        ),
        (metric.formula and not metric.queries, f"Formula are only valid when queries are set. {_REVIEW}"),
        (
            not metric.formula and len(metric.queries or ()) > 1,
            "When multiple queries are provided you must include a formula.",
        ),
        (not metric.is_v2 and metric.aggregator, f"Aggregator is not supported in v1. {_REVIEW}"),
    ):
        if is_wrong:
            raise ProviderError(reason)
    return metric


def _timeout_s(metric: DatadogMetric) -> float:
    if not metric.request_timeout:
        return _DEFAULT_TIMEOUT_S
    try:
        timeout_s = nanoseconds(metric.request_timeout) / 1e9
    except GoDurationError as error:
        raise ProviderError(f"Could not parse the request timeout: {error}. {_REVIEW}") from None
    if timeout_s <= 0:
        raise ProviderError(f"Request timeout must be a positive duration (e.g. 30s). {_REVIEW}")
    return timeout_s


class Datadog:
    """Asks one question. Its time is the real one."""

    def __init__(
        self, metric: DatadogMetric, outbound: Outbound, credentials: Credentials, clock: Clock | None = None
    ) -> None:
        """Raises ProviderError when the spec makes no sense."""
        if not credentials.api_key or not credentials.app_key:
            raise ProviderError("API or App token not found")
        self._metric = metric
        self._outbound = outbound
        self._credentials = credentials
        self._clock = clock or LoopClock()
        self._request_timeout_s = _timeout_s(metric)

    async def read(self, metric: Metric) -> Reading:  # noqa: ARG002 - the query is known
        interval_s = seconds(self._metric.interval or _DEFAULT_INTERVAL)
        if interval_s is None:
            raise ProviderError(f'time: invalid duration "{self._metric.interval}"')
        now = int(self._clock.now())
        make = self._ask_v2 if self._metric.is_v2 else self._ask_v1
        reply = await self._outbound.send(make(now, int(interval_s)))
        _check_status(reply)
        return _read_v2(reply) if self._metric.is_v2 else _read_v1(reply)

    def metadata(self, metric: Metric) -> Mapping[str, str]:  # noqa: ARG002 - there is none
        return {}

    def _ask_v1(self, now: int, interval_s: int) -> Ask:
        query = urlencode({"query": self._metric.query, "from": now - interval_s, "to": now})
        return Ask(f"{self._address}/api/v1/query?{query}", "GET", self._headers(), None, self._request_timeout_s)

    def _ask_v2(self, now: int, interval_s: int) -> Ask:
        queries = self._metric.queries or {"query": self._metric.query}
        attributes = {
            # Milliseconds, in this version.
            "from": (now - interval_s) * 1000,
            "to": now * 1000,
            "queries": [
                {
                    "aggregator": self._metric.aggregator or "last",
                    "data_source": "metrics",
                    "name": name,
                    "query": query,
                }
                for name, query in queries.items()
            ],
            "formulas": [{"formula": self._metric.formula}] if self._metric.formula else [],
        }
        body = write_json({"data": {"type": "scalar_request", "attributes": attributes}})
        url = f"{self._address}/api/v2/query/scalar"
        return Ask(url, "POST", self._headers(), body, self._request_timeout_s)

    @property
    def _address(self) -> str:
        return (self._credentials.address or _DEFAULT_ADDRESS).rstrip("/")

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "DD-API-KEY": self._credentials.api_key,
            "DD-APPLICATION-KEY": self._credentials.app_key,
        }


def _check_status(reply: Reply) -> None:
    if reply.status in (401, 403):
        raise ProviderError(f"received authentication error response code: {reply.status} {shown(reply.text)}")
    if reply.status != 200:
        raise ProviderError(f"received non 2xx response code: {reply.status} {shown(reply.text)}")


def _read_v1(reply: Reply) -> Reading:
    answer: Any = json_of(reply.body)
    series = answer.get("series") if isinstance(answer, dict) else None
    try:
        if not series or not series[0]["pointlist"]:
            return Reading(None, json.dumps(series, separators=(",", ":")))
        point = series[0]["pointlist"][-1]
        if len(point) != 2:
            raise ProviderError("Datapoint does not have 2 values")
        value = float(point[1])
    except (KeyError, TypeError, ValueError):
        raise ProviderError(f"Could not parse JSON body: {shown(reply.text)}") from None
    return Reading(value, number_text(value))


class _Group(NamedTuple):
    name: str
    value: float


def _read_v2(reply: Reply) -> Reading:
    answer: Any = json_of(reply.body)
    try:
        data = answer.get("data") or {}
        if data.get("errors"):
            raise ProviderError(f"There were errors in your query: {data['errors']}")
        columns = (data.get("attributes") or {}).get("columns") or []
        groups = list(_groups(columns))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ProviderError(f"Could not parse JSON body: {shown(reply.text)}") from None
    if not groups:
        return Reading(None, "[]")
    values = [group.value for group in groups]
    if not any(column.get("type") == "group" for column in columns):
        return Reading(values[0], number_text(values[0]))
    return Reading(tuple(values), list_text(values), _groups_shown(groups))


def _groups(columns: Sequence[Any]) -> Iterator[_Group]:
    """The values of the first column of numbers, each with the tags of its row; rows without data are left out."""
    numbers = next((column for column in columns if column.get("type") in (None, "", "number")), None)
    name = (numbers or {}).get("name")
    tags = [column for column in columns if column.get("type") == "group"]
    for row, value in enumerate((numbers or {}).get("values") or []):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ProviderError(f"could not parse numeric value {json.dumps(value)} in column {name!r}")
        names = [name for column in tags for name in _tags_of(column, row)]
        yield _Group(",".join(names), float(value))


def _tags_of(column: Any, row: int) -> list[str]:
    values = column.get("values") or []
    found = values[row] if row < len(values) else None
    if not isinstance(found, list) or not found:
        raise ProviderError(f"could not parse group label at index {row}")
    return [str(name) for name in found]


def _groups_shown(groups: Sequence[_Group]) -> dict[str, str]:
    shown_groups = list(groups)
    is_cut = len(shown_groups) > _MOST_GROUPS_SHOWN
    if is_cut:
        # Either end may be the bad one.
        half = _MOST_GROUPS_SHOWN // 2
        ordered = sorted(shown_groups, key=lambda group: math.inf if math.isnan(group.value) else group.value)
        shown_groups = ordered[:half] + ordered[-half:]
    text = json.dumps([group._asdict() for group in shown_groups], separators=(",", ":"), ensure_ascii=False)
    return {"groups": text, **({"groups_truncated": "true"} if is_cut else {})}
