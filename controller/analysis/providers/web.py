"""Any JSON over HTTP, or any text."""

import json
from collections.abc import Mapping
from typing import Any, Final

from controller.analysis.providers.jsonpath import JsonPathError, find_first
from controller.analysis.providers.oauth2 import OAuth2, bearer_header
from controller.analysis.providers.outbound import Ask, Outbound
from controller.analysis.providers.prometheus import Header
from controller.analysis.providers.provider import ProviderError, Reading
from meshsim.api.analysis import Metric
from meshsim.api.decode import FieldError, Object, Wire, decode, write_json

_DEFAULT_TIMEOUT_S: Final = 10


class WebAuthentication(Wire, frozen=True):
    """How to prove who asks."""

    oauth2: OAuth2 = OAuth2()
    sigv4: Object | None = None


class WebMetric(Wire, frozen=True):
    """`provider.web`."""

    url: str = ""
    method: str = ""
    headers: tuple[Header, ...] = ()
    body: str = ""
    json_body: Any = None
    json_path: str = ""
    timeout_seconds: int = 0
    insecure: bool = False
    authentication: WebAuthentication = WebAuthentication()


class Web:
    """Asks one URL."""

    def __init__(self, spec: Object, outbound: Outbound) -> None:
        """Raises ProviderError when the spec makes no sense."""
        try:
            self._spec = decode(WebMetric, spec)
        except FieldError as error:
            raise ProviderError(f"web: {error}") from None
        self._outbound = outbound

    async def read(self, metric: Metric) -> Reading:  # noqa: ARG002 - the URL is known
        spec = self._spec
        timeout_s = float(spec.timeout_seconds if spec.timeout_seconds > 0 else _DEFAULT_TIMEOUT_S)
        headers = {header.key: header.value for header in spec.headers}
        if spec.json_body is not None:
            headers["Content-Type"] = "application/json"
        headers |= await bearer_header(self._outbound, spec.authentication.oauth2, timeout_s)
        ask = Ask(spec.url, spec.method or "GET", headers, self._body(), timeout_s, spec.insecure)
        reply = await self._outbound.send(ask)
        if not 200 <= reply.status < 300:
            raise ProviderError(f"received non 2xx response code: {reply.status}")
        try:
            document = json.loads(reply.body, parse_int=float)
        except (ValueError, RecursionError):
            return Reading(reply.text, reply.text)
        try:
            found = find_first(document, spec.json_path or "{$}")
        except JsonPathError as error:
            raise ProviderError(f"Could not find JSONPath in body: {error}") from None
        return Reading(found, _json_text(found))

    def metadata(self, metric: Metric) -> Mapping[str, str]:  # noqa: ARG002 - there is none
        return {}

    def _body(self) -> bytes | None:
        spec = self._spec
        if spec.body and spec.json_body is not None:
            raise ProviderError("use either Body or JSONBody; both cannot exists for WebMetric payload")
        if not spec.body and spec.json_body is None:
            return None
        if (spec.method or "GET") == "GET":
            raise ProviderError("Body/JSONBody can only be used with POST or PUT WebMetric Method types")
        return spec.body.encode() if spec.body else write_json(spec.json_body)


def _json_text(value: Any) -> str:
    """JSON as Go writes it: keys in order, whole numbers without a fraction."""
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
