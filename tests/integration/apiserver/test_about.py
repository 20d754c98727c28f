import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from meshsim.api.kinds import CONFIG_MAP, ROLLOUT
from meshsim.client.http import HttpApi
from tests.kits.manifests import config_map, rollout

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A bare HTTP client with the server's URL as its base."""
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def get(http: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with http.get(path, headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json(content_type=None)


async def test_a_client_that_asks_for_it_discovers_everything_in_two_requests(http: aiohttp.ClientSession) -> None:
    for path, first in (("/api", {}), ("/apis", {"name": "discovery.k8s.io"})):
        async with http.get(path, headers={"Accept": f"{AGGREGATED},application/json"}) as reply:
            assert reply.headers["Content-Type"] == AGGREGATED, "clients compare it word for word"
            assert (await reply.json(content_type=None))["items"][0]["metadata"] == first


async def test_an_older_client_discovers_group_by_group(http: aiohttp.ClientSession) -> None:
    assert (await get(http, "/api"))["versions"] == ["v1"]
    groups = {group["name"]: group for group in (await get(http, "/apis"))["groups"]}
    assert groups["networking.istio.io"]["preferredVersion"]["version"] == "v1"
    assert (await get(http, "/apis/argoproj.io"))["kind"] == "APIGroup"
    resources = (await get(http, "/apis/argoproj.io/v1alpha1"))["resources"]
    assert "rollouts/scale" in [resource["name"] for resource in resources]
    assert (await get(http, "/api/v1"))["groupVersion"] == "v1"


@pytest.mark.parametrize("path", ["/api/v9", "/apis/none", "/apis/apps/v9", "/openapi/v3/apis/none/v1", "/openapi"])
async def test_what_is_not_served_is_not_discovered(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (404, "NotFound")


async def test_openapi_documents_are_sent_once(http: aiohttp.ClientSession) -> None:
    index = await get(http, "/openapi/v3")
    url = index["paths"]["apis/argoproj.io/v1alpha1"]["serverRelativeURL"]
    async with http.get(url) as reply:
        assert "io.argoproj.v1alpha1.Rollout" in (await reply.json())["components"]["schemas"]
        tag = reply.headers["ETag"]
    async with http.get(url, headers={"If-None-Match": tag}) as reply:
        assert reply.status == 304
    async with http.get("/openapi/v2") as reply:
        assert (reply.status, await reply.read()) == (200, b""), "an empty document in protobuf"


async def test_questions_are_answered_and_not_stored(http: aiohttp.ClientSession) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    async with http.post(path, json=body) as reply:
        review = await reply.json()
        assert (reply.status, review["status"], review["spec"]) == (201, {"allowed": True}, body["spec"])
    async with http.get(path) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (405, "MethodNotAllowed")


async def test_a_list_is_a_table_for_people_and_comes_in_pages(api: HttpApi, http: aiohttp.ClientSession) -> None:
    for name in "abc":
        await api.create(CONFIG_MAP, config_map(name, data={"k": "v"}))
    table = await get(http, f"{CONFIG_MAPS}?limit=2", Accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [["a", 1], ["b", 1]]
    rest = await get(http, f"{CONFIG_MAPS}?limit=2&continue={table['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
    assert "continue" not in rest["metadata"]
    async with http.get(CONFIG_MAPS, headers={"Accept": "text/html"}) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (406, "NotAcceptable")


async def test_a_watch_list_ends_its_beginning_with_a_bookmark(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(ROLLOUT, rollout())
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=0"
    async with http.get(f"{ROLLOUTS}?{query}") as reply:
        added, bookmark = [json.loads(line) for line in (await reply.text()).splitlines()][:2]
    assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    async with http.get(f"{ROLLOUTS}?watch=1&sendInitialEvents=true") as reply:
        assert reply.status == 422, "so that the client lists instead"


async def test_a_warning_goes_with_a_write_that_succeeds(http: aiohttp.ClientSession) -> None:
    body = rollout()
    body["spec"]["foo"] = 1
    async with http.post(ROLLOUTS, json=body) as reply:
        assert reply.status == 201
        assert reply.headers["Warning"] == '299 - "unknown field \\"spec.foo\\""'
    async with http.post(f"{ROLLOUTS}?fieldValidation=Strict", json=rollout("other") | {"extra": 1}) as reply:
        assert reply.status == 400


async def test_an_apply_is_read_from_yaml_and_needs_a_manager(http: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {on: 'off'}\n"
    url = f"{CONFIG_MAPS}/settings"
    async with http.patch(url, data=body, headers=headers) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")
    for expected in (201, 200):
        async with http.patch(f"{url}?fieldManager=me", data=body, headers=headers) as reply:
            assert reply.status == expected
    async with http.patch(f"{url}?fieldManager=me", data=b"a: [", headers=headers) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")


async def test_a_page_of_another_site_can_neither_read_nor_write(http: aiohttp.ClientSession) -> None:
    for headers in ({"Host": "evil.com"}, {"Origin": "https://evil.com"}):
        async with http.post(CONFIG_MAPS, json=config_map(), headers=headers) as reply:
            assert (reply.status, (await reply.json())["reason"]) == (403, "Forbidden")
    assert (await get(http, CONFIG_MAPS))["items"] == []
