"""Providers of metrics over real sockets: what they ask, what they make of the answer, and of none."""

import asyncio
import json
import logging
import re
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from controller.analysis.providers.in_cluster import StandIn
from controller.analysis.providers.outbound import GuardedResolver, Outbound, is_metadata_address
from controller.analysis.providers.provider import ProviderError
from controller.analysis.providers.registry import Providers
from meshsim.api.analysis import AnalysisRun, Measurement, Metric
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import SECRET
from tests.kits.answers import Answers, Handler, always
from tests.kits.api import InProcessApi

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]
RUN = decode(AnalysisRun, {"metadata": {"name": "run", "namespace": "default", "uid": "1"}})


async def measured(
    provider: Object,
    *,
    api: InProcessApi | None = None,
    environment: Mapping[str, str] | None = None,
    default_prometheus: str = "",
    stand_in: StandIn | None = None,
    names: AbstractResolver | None = None,
    **metric: Any,
) -> Measurement:
    api = api or InProcessApi()
    typed = decode(Metric, {"name": "m", "provider": provider, **metric})
    async with Outbound(names=names) as outbound:
        prometheus = stand_in or StandIn(default_prometheus)
        providers = Providers(api, api.clock, outbound, prometheus, environment or {})
        found = await providers.of(typed, "default")
        return await found.run(RUN, typed)


def vector(*values: str) -> str:
    result = [{"metric": {}, "value": [1800000000, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


@pytest.mark.parametrize(
    ("body", "value", "condition"),
    [
        (vector("0.97", "1"), "[0.97,1]", "result[0] < 1 && len(result) == 2"),
        (vector("NaN", "+Inf", "1e-07"), "[NaN,+Inf,0.0000001]", "isNaN(result[0]) && isInf(result[1])"),
        ('{"status":"success","data":{"resultType":"scalar","result":[1,"0.97"]}}', "0.97", "result == 0.97"),
        (
            '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2"]]},'
            '{"metric":{},"values":[[1,"3"]]}]}}',
            "[1,2,3]",
            "result == [1, 2, 3]",
        ),
    ],
)
async def test_prometheus_answers_are_numbers(body: str, value: str, condition: str) -> None:
    async with Answers(always(body)) as server:
        measurement = await measured({"prometheus": {"address": server.url, "query": "up"}}, successCondition=condition)

    assert (measurement.phase, measurement.value, measurement.message) == ("Successful", value, "")
    assert server.asked == ["GET /api/v1/query?query=up"]


async def test_a_range_is_asked_for_by_expressions_of_time() -> None:
    empty = '{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["slow","old"]}'
    span = {"start": 'now() - duration("5m")', "end": "now()", "step": "30s"}
    async with Answers(always(empty)) as server:
        prometheus = {"address": server.url, "query": "up", "rangeQuery": span}
        measurement = await measured({"prometheus": prometheus}, successCondition="len(result) == 0")

    asked = re.fullmatch(r"GET /api/v1/query_range\?query=up&start=([\d.]+)&end=([\d.]+)&step=30", server.asked[0])
    assert asked is not None
    assert float(asked[2]) - float(asked[1]) == pytest.approx(300, abs=1)
    assert measurement.metadata == {
        "warnings": '"slow", "old"',
        "meshsim.dev/verdict": 'successCondition "len(result) == 0" is true',
    }


async def test_no_data_is_an_error_that_says_so_and_never_a_success() -> None:
    async with Answers(always(vector())) as server:
        measurement = await measured(
            {"prometheus": {"address": server.url, "query": "up"}}, successCondition="result[0] >= 0.95"
        )

    assert measurement.phase == "Error"
    assert measurement.message.endswith("metric result is nil or empty: no data returned from the metric provider")


async def test_whoever_names_no_address_is_told_and_the_environment_names_it_for_all() -> None:
    prometheus = {"prometheus": {"query": "up"}}
    async with Answers(always(vector("1"))) as server:
        variable = {"ARGO_ROLLOUTS_PROMETHEUS_ADDRESS": server.url}
        by_environment = await measured(prometheus, environment=variable, default_prometheus="http://127.0.0.1:1")
        by_default = await measured(prometheus, default_prometheus=server.url)

    assert (by_environment.value, by_default.value) == ("[1]", "[1]")
    with pytest.raises(ProviderError, match="prometheus address is not configured"):
        await measured(prometheus)


class Names(AbstractResolver):
    """Knows the given names and no others."""

    def __init__(self, **addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = self._addresses[host]
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


def asks(address: str, **spec: Any) -> Object:
    return {"prometheus": {"address": address, "query": "up", **spec}}


async def test_the_mesh_answers_for_a_prometheus_inside_a_cluster_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inside = ("http://prometheus.istio-system:9090", "http://prometheus.monitoring.svc.cluster.local:9090/prom/")
    headers = [{"key": "Authorization", "value": "Bearer secret"}]
    async with Answers(always(vector("1"))) as server:
        url, stand_in = server.url, StandIn(server.url)
        with caplog.at_level(logging.WARNING):
            found = [
                await measured(asks(address, headers=headers), stand_in=stand_in, names=Names())
                for address in (*inside, *inside)
            ]

    assert [measurement.value for measurement in found] == ["[1]"] * 4
    assert all(measurement.metadata["meshsim.dev/answered-by"] == url for measurement in found)
    assert server.asked == ["GET /api/v1/query?query=up"] * 4
    assert not any("Authorization" in headers for headers in server.headers)
    assert caplog.messages == [
        f"{address.rstrip('/')} is an address inside a cluster, unknown here: {url} answers instead"
        for address in inside
    ]


async def test_a_name_that_resolves_is_asked_itself() -> None:
    async with Answers(always(vector("1"))) as theirs, Answers(always(vector("2"))) as ours:
        address = theirs.url.replace("127.0.0.1", "prometheus")
        names = Names(prometheus="127.0.0.1")
        measurement = await measured(asks(address), default_prometheus=ours.url, names=names)

    assert measurement.value == "[1]"
    assert "meshsim.dev/answered-by" not in measurement.metadata
    assert ours.asked == []


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("http://prometheus.example.com:9090", "no answer from http://prometheus.example.com:9090: no such host"),
        ("http://metadata", "169.254.169.254 is a link-local or metadata address"),
        ("http://dead:1", "no answer from http://dead:1: connection refused"),
    ],
)
async def test_nobody_answers_for_other_addresses_that_fail(address: str, complaint: str) -> None:
    names = Names(metadata="169.254.169.254", dead="127.0.0.1")
    async with Answers(always(vector("1"))) as server:
        measurement = await measured(asks(address), default_prometheus=server.url, names=names)

    assert measurement.phase == "Error"
    assert complaint in measurement.message
    assert server.asked == []


@pytest.mark.parametrize("default", ["", "http://prometheus.istio-system:9090"])
async def test_without_another_prometheus_an_address_inside_a_cluster_is_an_error(default: str) -> None:
    address = "http://prometheus.istio-system:9090"
    measurement = await measured(asks(address), default_prometheus=default, names=Names())

    assert measurement.message == f"no answer from {address}: no such host"


async def test_headers_and_a_password_prove_who_asks_prometheus() -> None:
    async with Answers(always(vector("1"))) as server:
        await measured(
            {
                "prometheus": {
                    "address": server.url,
                    "query": "up",
                    "headers": [{"key": "X-Scope-OrgID", "value": "team"}],
                    "authentication": {"basicAuth": {"username": "me", "password": "secret"}},
                }
            }
        )

    assert server.headers[0]["X-Scope-OrgID"] == "team"
    assert server.headers[0]["Authorization"] == "Basic bWU6c2VjcmV0"


async def test_a_token_is_fetched_before_the_question() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"access_token": "abc"} if request.path == "/token" else {"rate": 1})

    async with Answers(handler) as server:
        oauth2 = {"tokenUrl": f"{server.url}/token", "clientId": "id", "clientSecret": "s", "scopes": ["read"]}
        measurement = await measured(
            {"web": {"url": f"{server.url}/rate", "jsonPath": "{$.rate}", "authentication": {"oauth2": oauth2}}}
        )

    assert measurement.value == "1"
    assert server.headers[1]["Authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("path", "body", "value", "condition"),
    [
        ("{$.data.ok}", '{"data":{"ok":true}}', "true", "result"),
        ("{$.items[0].name}", '{"items":[{"name":"a"}]}', '"a"', "result == 'a'"),
        ("{$.items[-1:]}", '{"items":[1,2]}', "2", "result == 2"),
        ("{$.items[*].n}", '{"items":[{"n":1},{"n":2}]}', "1", "result == 1"),
        ("{..n}", '{"a":{"n":3}}', "3", "result == 3"),
        ("{$.items[?(@.k=='b')].n}", '{"items":[{"k":"a","n":1},{"k":"b","n":2}]}', "2", "result == 2"),
        ("{$['a.b']}", '{"a.b":0.5}', "0.5", "result == 0.5"),
        ("", '{"b":1,"a":[1.5]}', '{"a":[1.5],"b":1}', "result.a[0] == 1.5"),
        ("{$.ignored}", "It worked!", "It worked!", "result == 'It worked!'"),
    ],
)
async def test_a_web_answer_is_looked_into(path: str, body: str, value: str, condition: str) -> None:
    async with Answers(always(body)) as server:
        measurement = await measured({"web": {"url": server.url, "jsonPath": path}}, successCondition=condition)

    assert (measurement.phase, measurement.value, measurement.message) == ("Successful", value, "")


async def test_a_web_question_may_have_a_body() -> None:
    async with Answers(always("{}")) as server:
        await measured({"web": {"url": server.url, "method": "POST", "jsonBody": {"a": 1}}})
        refused = await measured({"web": {"url": server.url, "body": "x"}})

    assert server.asked == ["POST /"]
    assert server.bodies == [b'{"a":1}']
    assert refused.message == "Body/JSONBody can only be used with POST or PUT WebMetric Method types"


async def hang(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def trickle(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"{")
    await asyncio.Event().wait()
    return response


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10):
        await response.write(b"[" * 1024 * 1024)
    return response


@pytest.mark.parametrize("kind", ["prometheus", "web"])
@pytest.mark.parametrize(
    ("handler", "complaint"),
    [
        (hang, "within 1 s"),
        (trickle, "within 1 s"),
        (flood, "the answer is longer than 1 MiB"),
        (always("", 302, Location="/elsewhere"), "302"),
        (always("oops", 500), "500"),
    ],
)
async def test_a_provider_that_misbehaves_is_an_error_in_time(kind: str, handler: Handler, complaint: str) -> None:
    async with Answers(handler) as server, asyncio.timeout(10):
        provider = {
            "prometheus": {"prometheus": {"address": server.url, "query": "up", "timeout": 1}},
            "web": {"web": {"url": server.url, "timeoutSeconds": 1}},
        }[kind]
        measurement = await measured(provider, successCondition="true")

    assert measurement.phase == "Error"
    assert complaint in measurement.message
    assert len(server.asked) == 1


@pytest.mark.parametrize(("size", "phase"), [(1024 * 1024, "Successful"), (1024 * 1024 + 1, "Error")])
async def test_an_answer_may_be_a_mebibyte_and_no_byte_more(size: int, phase: str) -> None:
    async with Answers(always('{"a":1}'.ljust(size))) as server:
        provider = {"web": {"url": server.url, "jsonPath": "{$.a}"}}
        measurement = await measured(provider, successCondition="result == 1")

    assert measurement.phase == phase


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"status":"success"}', vector().replace("vector", "string"), "{"]
)
async def test_prometheus_garbage_is_an_error(body: str) -> None:
    async with Answers(always(body)) as server:
        measurement = await measured({"prometheus": {"address": server.url, "query": "up"}})

    assert measurement.phase == "Error"
    assert measurement.message


async def test_an_address_that_only_a_cluster_knows_is_told_as_such() -> None:
    measurement = await measured({"prometheus": {"address": "http://prometheus.invalid:9090", "query": "up"}})

    assert measurement.message == "no answer from http://prometheus.invalid:9090: no such host"


async def test_what_prometheus_refuses_is_said_in_its_words() -> None:
    refusal = '{"status":"error","errorType":"bad_data","error":"parse error: unexpected end of input"}'
    async with Answers(always(refusal, 400)) as server:
        measurement = await measured({"prometheus": {"address": server.url, "query": "up{"}})

    assert measurement.message == "bad_data: parse error: unexpected end of input"


async def test_nobody_there_is_one_sentence() -> None:
    measurement = await measured({"web": {"url": "http://127.0.0.1:1/"}})

    assert measurement.phase == "Error"
    assert measurement.message == "no answer from http://127.0.0.1:1: connection refused"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_template_reaches_no_metadata_service(url: str) -> None:
    measurement = await measured({"web": {"url": url, "timeoutSeconds": 2}})

    assert measurement.phase == "Error"
    assert "metadata address" in measurement.message or "is not an http or https URL" in measurement.message


async def test_a_name_that_leads_to_a_metadata_service_leads_nowhere() -> None:
    resolver = GuardedResolver(ThreadedResolver())

    with pytest.raises(ProviderError, match="metadata address"):
        await resolver.resolve("169.254.169.254", 80)
    assert (await resolver.resolve("127.0.0.1", 80))[0]["host"] == "127.0.0.1"
    await resolver.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "not-an-address", "64:ff9b::8.8.8.8"])
async def test_other_addresses_are_open(address: str) -> None:
    assert not is_metadata_address(address)


async def test_who_is_allowed_to_reaches_them_all() -> None:
    async with Answers(always("1")) as server, Outbound(reaches_metadata=True) as outbound:
        metric = decode(Metric, {"name": "m", "provider": {"web": {"url": server.url}}})
        api = InProcessApi()
        provider = await Providers(api, api.clock, outbound).of(metric, "default")
        assert (await provider.run(RUN, metric)).phase == "Successful"


DATADOG = {"DD_ADDRESS": "", "DD_API_KEY": "api", "DD_APP_KEY": "app"}


async def test_datadog_v1_takes_the_last_point_of_the_first_series() -> None:
    body = '{"series":[{"pointlist":[[1,0.5],[2,0.25]]},{"pointlist":[[1,9]]}]}'
    async with Answers(always(body)) as server:
        environment = DATADOG | {"DD_ADDRESS": server.url}
        measurement = await measured(
            {"datadog": {"query": "avg:x{*}", "interval": "10m"}},
            environment=environment,
            successCondition="result < 0.3",
        )

    asked = re.fullmatch(r"GET /api/v1/query\?query=avg:x(?:%7B|\{)\*(?:%7D|\})&from=(\d+)&to=(\d+)", server.asked[0])
    assert asked is not None, server.asked
    assert int(asked[2]) - int(asked[1]) == 600
    assert (server.headers[0]["DD-API-KEY"], server.headers[0]["DD-APPLICATION-KEY"]) == ("api", "app")
    assert (measurement.phase, measurement.value) == ("Successful", "0.25")


async def test_datadog_v2_tells_groups_apart() -> None:
    columns = [
        {"name": "host", "type": "group", "values": [["a"], ["b"], ["c"]]},
        {"name": "q", "type": "number", "values": [0.5, None, 0.25]},
    ]
    async with Answers(always(json.dumps({"data": {"attributes": {"columns": columns}}}))) as server:
        measurement = await measured(
            {"datadog": {"apiVersion": "v2", "queries": {"q": "avg:x{*} by {host}"}, "aggregator": "avg"}},
            environment=DATADOG | {"DD_ADDRESS": server.url},
            successCondition="max(result) < 1",
        )

    sent = json.loads(server.bodies[0])["data"]
    assert server.asked == ["POST /api/v2/query/scalar"]
    assert sent["attributes"]["queries"] == [
        {"aggregator": "avg", "data_source": "metrics", "name": "q", "query": "avg:x{*} by {host}"}
    ]
    assert measurement.value == "[0.5,0.25]"
    assert measurement.metadata == {
        "meshsim.dev/verdict": 'successCondition "max(result) < 1" is true',
        "groups": '[{"name":"a","value":0.5},{"name":"c","value":0.25}]',
    }


@pytest.mark.parametrize(
    ("spec", "body", "value"),
    [({}, '{"series":[]}', "[]"), ({"apiVersion": "v2"}, '{"data":{"attributes":{"columns":[]}}}', "[]")],
)
async def test_datadog_without_data_is_nil_and_default_says_what_that_means(
    spec: Object, body: str, value: str
) -> None:
    async with Answers(always(body)) as server:
        measurement = await measured(
            {"datadog": {"query": "q", **spec}},
            environment=DATADOG | {"DD_ADDRESS": server.url},
            successCondition="default(result, 0) < 1",
        )

    assert (measurement.phase, measurement.value) == ("Successful", value)


async def test_datadog_credentials_may_be_a_secret_of_the_namespace() -> None:
    api = InProcessApi()
    async with Answers(always("{}", 403)) as server:
        await api.create(
            SECRET,
            {
                "metadata": {"name": "dd", "namespace": "default"},
                "stringData": {"address": server.url, "api-key": "k", "app-key": "a"},
            },
        )
        spec = {"query": "q", "secretRef": {"name": "dd", "namespaced": True}}
        measurement = await measured({"datadog": spec}, api=api)

    assert measurement.message == "received authentication error response code: 403 {}"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "Must have either a query or queries. Please review the Analysis Template."),
        ({"query": "q", "requestTimeout": "-1s"}, "Request timeout must be a positive duration"),
        ({"query": "q", "secretRef": {"namespaced": True}}, "secret name is required for namespaced credentials"),
        ({"query": "q"}, "failed to find the credentials for datadog metrics provider"),
    ],
)
async def test_what_datadog_can_not_be_asked_is_said(spec: Object, complaint: str) -> None:
    environment = DATADOG | {"DD_ADDRESS": "http://127.0.0.1:1"} if "requestTimeout" in spec else {}
    with pytest.raises(ProviderError, match=re.escape(complaint)):
        await measured({"datadog": spec}, environment=environment)


async def test_a_provider_that_is_not_emulated_names_those_that_are() -> None:
    with pytest.raises(
        ProviderError, match=r"the provider newRelic is not emulated; .* prometheus, web, job or datadog"
    ):
        await measured({"newRelic": {"query": "x"}})
