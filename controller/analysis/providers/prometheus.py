"""Prometheus, or whatever answers its HTTP API: the proxy's own stats address does."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from controller.analysis.conditions import ConditionError, evaluate_time
from controller.analysis.metrics import seconds
from controller.analysis.providers.in_cluster import StandIn
from controller.analysis.providers.oauth2 import OAuth2, bearer_header
from controller.analysis.providers.outbound import Ask, Outbound, Reply, UnknownHostError, json_of, shown
from controller.analysis.providers.provider import ProviderError, Reading, list_text
from meshsim.api.analysis import Metric
from meshsim.api.decode import FieldError, Object, Wire, decode
from meshsim.kit.clock import Clock, LoopClock
from meshsim.telemetry.promql.values import number_text

_DEFAULT_TIMEOUT_S: Final = 30
ANSWERED_BY: Final = "meshsim.dev/answered-by"
"""In a measurement's metadata: who was asked in the place of an address inside a cluster."""


class Header(Wire, frozen=True):
    """A header of every request."""

    key: str = ""
    value: str = ""


class BasicAuth(Wire, frozen=True):
    """A name and a password."""

    username: str = ""
    password: str = ""


class Authentication(Wire, frozen=True):
    """How to prove who asks."""

    basic_auth: BasicAuth = BasicAuth()
    oauth2: OAuth2 = OAuth2()
    sigv4: Object | None = None


class RangeQuery(Wire, frozen=True):
    """A query over a while; start and end are expressions of time."""

    start: str = ""
    end: str = ""
    step: str = ""


class PrometheusMetric(Wire, frozen=True):
    """`provider.prometheus`. The timeout is seconds."""

    address: str = ""
    query: str = ""
    timeout: int | None = None
    insecure: bool = False
    headers: tuple[Header, ...] = ()
    authentication: Authentication = Authentication()
    range_query: RangeQuery | None = None


class Prometheus:
    """Asks one query. Its time is the real one, whatever clock the cluster has: traffic is real."""

    def __init__(
        self,
        spec: Object,
        outbound: Outbound,
        default_address: str,
        stand_in: StandIn | None = None,
        clock: Clock | None = None,
    ) -> None:
        """The stand-in answers for addresses inside a cluster. Raises ProviderError when the spec makes no sense."""
        try:
            self._spec = decode(PrometheusMetric, spec)
        except FieldError as error:
            raise ProviderError(f"prometheus: {error}") from None
        self._outbound = outbound
        self._stand_in = stand_in or StandIn()
        self._clock = clock or LoopClock()
        self._address = (self._spec.address or default_address).rstrip("/")
        if not self._address:
            raise ProviderError("prometheus address is not configured")
        if "://" not in self._address:
            raise ProviderError("prometheus address is not is url format")
        if (self._spec.timeout or 0) < 0:
            raise ProviderError("prometheus timeout should not be negative")
        if self._spec.authentication.sigv4:
            raise ProviderError("SigV4 authentication is not emulated: use basicAuth or oauth2")
        self._timeout_s = float(_DEFAULT_TIMEOUT_S if self._spec.timeout is None else self._spec.timeout)

    async def read(self, metric: Metric) -> Reading:  # noqa: ARG002 - the query is known
        question, form = self._question()
        path = f"{question}?{urlencode(form)}"
        headers = {header.key: header.value for header in self._spec.headers}
        headers |= _basic(self._spec.authentication.basic_auth)
        headers |= await bearer_header(self._outbound, self._spec.authentication.oauth2, self._timeout_s)
        ask = Ask(self._address + path, headers=headers, timeout_s=self._timeout_s, insecure=self._spec.insecure)
        try:
            return _reading(await self._outbound.send(ask))
        except UnknownHostError:
            if not self._stand_in.stands_for(self._address):
                raise
        # Without the headers: what proves who asks was meant for somebody else.
        reading = _reading(await self._outbound.send(Ask(self._stand_in.address + path, timeout_s=self._timeout_s)))
        return replace(reading, metadata={**reading.metadata, ANSWERED_BY: self._stand_in.address})

    def metadata(self, metric: Metric) -> Mapping[str, str]:  # noqa: ARG002 - the query is known
        return {"ResolvedPrometheusQuery": self._spec.query} if self._spec.query else {}

    def _question(self) -> tuple[str, dict[str, str]]:
        asked = self._spec.range_query
        if asked is None:
            return "/api/v1/query", {"query": self._spec.query}
        step_s = seconds(asked.step)
        if step_s is None:
            raise ProviderError(f"failed to parse rangeQuery.step as duration: {asked.step}")
        times = {"start": asked.start, "end": asked.end}
        bounds = {name: f"{self._time(name, text):.3f}" for name, text in times.items()}
        return "/api/v1/query_range", {"query": self._spec.query, **bounds, "step": f"{step_s:g}"}

    def _time(self, name: str, expression: str) -> float:
        try:
            return evaluate_time(expression, self._clock.now())
        except ConditionError as error:
            raise ProviderError(f"failed to parse rangeQuery.{name} as time: {error}") from None


def _basic(auth: BasicAuth) -> dict[str, str]:
    if not auth.username and not auth.password:
        return {}
    for name in ("username", "password"):
        if not getattr(auth, name):
            raise ProviderError(f"missing mandatory parameter in metric for basic auth setup: {name}")
    return {"Authorization": f"Basic {b64encode(f'{auth.username}:{auth.password}'.encode()).decode()}"}


def _reading(reply: Reply) -> Reading:
    try:
        answer: Any = json_of(reply.body)
    except ProviderError:
        if reply.status != 200:
            raise ProviderError(f"received non 2xx response code: {reply.status}") from None
        raise
    if not isinstance(answer, dict) or "status" not in answer:
        raise ProviderError(f"the answer ({reply.status}) is not Prometheus': {shown(reply.text)}")
    if answer["status"] != "success":
        raise ProviderError(f"{answer.get('errorType') or 'error'}: {answer.get('error') or reply.status}")
    try:
        reading = _value(answer["data"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise ProviderError(f"the answer is not Prometheus': {shown(reply.text)}") from None
    warnings = ", ".join(f'"{warning}"' for warning in answer.get("warnings") or ())
    return Reading(reading.value, reading.text, {"warnings": warnings} if warnings else {})


def _value(data: Any) -> Reading:
    match data["resultType"]:
        case "scalar":
            scalar = _number(data["result"][1])
            return Reading(scalar, number_text(scalar))
        case "vector":
            samples = [_number(series["value"][1]) for series in data["result"]]
        case "matrix":
            samples = [_number(value) for series in data["result"] for _, value in series["values"]]
        case _:
            raise ProviderError("Prometheus metric type not supported")
    return Reading(tuple(samples), list_text(samples))


def _number(text: str) -> float:
    return float(text)
