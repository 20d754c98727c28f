import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from meshsim.api.decode import write_json
from meshsim.api.kinds import CONFIG_MAP, REPLICA_SET, ROLLOUT, SERVICE, VIRTUAL_SERVICE
from meshsim.api.meta import Key
from meshsim.client.api import ConflictError, ExpiredError, NotFoundError, PatchType
from meshsim.client.http import HttpApi
from meshsim.client.informer import Informer
from meshsim.kit.tasks import TaskOwner
from tests.kits.eventually import eventually
from tests.kits.manifests import config_map, replica_set, rollout, service, virtual_service

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

WEB = Key("default", "web")
ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest_asyncio.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A bare HTTP client with the server's URL as its base."""
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


class Lines:
    """The events of a watch, one after another."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(5):
            line = await self._reply.content.readline()
        event = json.loads(line)
        return event["type"], event["object"]


async def status_of(reply: aiohttp.ClientResponse) -> tuple[int, str]:
    status = await reply.json()
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", reply.status)
    return reply.status, status["reason"]


async def test_a_client_can_do_everything_an_object_can_have_done(api: HttpApi) -> None:
    created = await api.create(ROLLOUT, rollout())
    assert await api.get(ROLLOUT, WEB) == created
    replaced = await api.replace(ROLLOUT, created | {"spec": {**created["spec"], "replicas": 5}})
    assert replaced["metadata"]["generation"] == 2
    patched = await api.patch(ROLLOUT, WEB, {"status": {"phase": "Healthy"}}, subresource="status")
    assert (patched["spec"]["replicas"], patched["status"]) == (5, {"phase": "Healthy"})
    with pytest.raises(ConflictError):
        await api.replace(ROLLOUT, created)
    listing = await api.list(ROLLOUT, "default")
    assert listing.items == [patched]
    await api.delete(ROLLOUT, WEB)
    with pytest.raises(NotFoundError):
        await api.get(ROLLOUT, WEB)


async def test_every_kind_of_patch_works_where_it_should(api: HttpApi) -> None:
    await api.create(SERVICE, service())
    await api.patch(SERVICE, WEB, {"spec": {"ports": [{"port": 81}]}}, how=PatchType.STRATEGIC)
    await api.patch(SERVICE, WEB, {"metadata": {"labels": {"a": "b"}}}, how=PatchType.MERGE)
    path = "/spec/selector/rollouts-pod-template-hash"
    after = await api.patch(SERVICE, WEB, [{"op": "add", "path": path, "value": "abc"}], how=PatchType.JSON)
    assert sorted(port["port"] for port in after["spec"]["ports"]) == [80, 81]
    assert after["metadata"]["labels"] == {"a": "b"}
    assert after["spec"]["selector"] == {"app": "web", "rollouts-pod-template-hash": "abc"}


async def test_an_object_is_served_in_each_of_its_versions(http: aiohttp.ClientSession) -> None:
    body = virtual_service()
    async with http.post("/apis/networking.istio.io/v1beta1/namespaces/default/virtualservices", json=body) as reply:
        assert reply.status == 201
        assert (await reply.json())["apiVersion"] == "networking.istio.io/v1beta1"
    for version in VIRTUAL_SERVICE.versions:
        async with http.get(f"/apis/networking.istio.io/{version}/virtualservices") as reply:
            listing = await reply.json()
        assert listing["apiVersion"] == f"networking.istio.io/{version}"
        assert [item["apiVersion"] for item in listing["items"]] == [f"networking.istio.io/{version}"]


async def test_lists_are_narrowed_by_labels_and_fields(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(CONFIG_MAP, config_map("a", labels={"tier": "x"}))
    await api.create(CONFIG_MAP, config_map("b", labels={"tier": "y"}))
    assert [obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP, selector="tier in (y)")).items] == ["b"]
    async with http.get(CONFIG_MAPS, params={"fieldSelector": "metadata.name=a"}) as reply:
        assert [item["metadata"]["name"] for item in (await reply.json())["items"]] == ["a"]
    async with http.get(CONFIG_MAPS, params={"fieldSelector": "data.x=a"}) as reply:
        assert await status_of(reply) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("method", "path", "code", "reason"),
    [
        ("GET", "/nowhere", 404, "NotFound"),
        ("GET", "/api/v1/cats", 404, "NotFound"),
        ("GET", f"{ROLLOUTS}/none", 404, "NotFound"),
        ("POST", f"{ROLLOUTS}/none", 405, "MethodNotAllowed"),
        ("PUT", ROLLOUTS, 405, "MethodNotAllowed"),
        ("POST", "/apis/argoproj.io/v1alpha1/rollouts", 405, "MethodNotAllowed"),
        ("GET", f"{ROLLOUTS}?watch=1&resourceVersion=1", 410, "Expired"),
        ("GET", f"{ROLLOUTS}?resourceVersion=99999999999999", 504, "Timeout"),
        ("GET", f"{ROLLOUTS}?resourceVersion=soon", 400, "BadRequest"),
        ("GET", f"{ROLLOUTS}?watch=1&timeoutSeconds=-1", 400, "BadRequest"),
        ("GET", f"{ROLLOUTS}?labelSelector=,", 400, "BadRequest"),
        ("DELETE", f"{ROLLOUTS}/none?propagationPolicy=Sideways", 400, "BadRequest"),
        ("DELETE", f"{ROLLOUTS}?dryRun=Some", 400, "BadRequest"),
    ],
)
async def test_a_refusal_is_a_status(
    http: aiohttp.ClientSession, method: str, path: str, code: int, reason: str
) -> None:
    async with http.request(method, path) as reply:
        assert await status_of(reply) == (code, reason)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 400),
        (b"{", 400),
        (b'"\xff"', 400),
        (b"[" * 5000, 400),
        (b'{"metadata":{"name":"x"},"data":' + b'{"a":' * 200 + b"1" + b"}" * 201, 400),
        (b"x" * (4 * 1024 * 1024), 413),
    ],
    ids=["empty", "cut off", "not utf-8", "endless", "deep", "huge"],
)
async def test_a_hostile_body_is_refused_and_the_server_goes_on(
    http: aiohttp.ClientSession, body: bytes, code: int
) -> None:
    async with http.post(CONFIG_MAPS, data=io.BytesIO(body), headers={"Content-Type": "application/json"}) as reply:
        assert (await status_of(reply))[0] == code
    async with http.get(CONFIG_MAPS) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_form_that_any_web_page_can_send_is_refused(http: aiohttp.ClientSession, content_type: str) -> None:
    body = json.dumps(config_map())
    async with http.post(CONFIG_MAPS, data=body, headers={"Content-Type": content_type}) as reply:
        assert await status_of(reply) == (415, "UnsupportedMediaType")


async def test_a_field_that_stands_twice_is_an_error_to_who_wants_to_know(http: aiohttp.ClientSession) -> None:
    body = b'{"metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'
    headers = {"Content-Type": "application/json"}
    async with http.post(f"{CONFIG_MAPS}?fieldValidation=Strict", data=body, headers=headers) as reply:
        assert 'strict decoding error: duplicate field "data.k"' in (await reply.json())["message"]
    async with http.post(CONFIG_MAPS, data=body, headers=headers) as reply:
        assert reply.status == 201


async def test_yaml_that_would_keep_the_server_busy_is_refused(http: aiohttp.ClientSession) -> None:
    body = io.BytesIO(b"data: {" + b"a: {b: c}, " * 40_000 + b"}")
    async with http.post(CONFIG_MAPS, data=body, headers={"Content-Type": "application/yaml"}) as reply:
        assert (await status_of(reply))[0] == 413


async def test_a_patch_of_an_unknown_type_is_refused(api: HttpApi, http: aiohttp.ClientSession) -> None:
    await api.create(CONFIG_MAP, config_map())
    async with http.patch(f"{CONFIG_MAPS}/settings", json={}) as reply:
        assert await status_of(reply) == (415, "UnsupportedMediaType")


async def test_a_deletion_answers_with_what_is_left(api: HttpApi, http: aiohttp.ClientSession) -> None:
    created = await api.create(ROLLOUT, rollout())
    async with http.delete(f"{ROLLOUTS}/web", json={"propagationPolicy": "Background"}) as reply:
        status = await reply.json()
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"]["uid"] == created["metadata"]["uid"]
    await api.create(ROLLOUT, rollout(finalizers=["x.io/f"]))
    async with http.delete(f"{ROLLOUTS}/web") as reply:
        held = await reply.json()
    assert held["kind"] == "Rollout"
    assert held["metadata"]["deletionTimestamp"]


async def test_a_whole_selection_can_be_deleted(api: HttpApi, http: aiohttp.ClientSession) -> None:
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        await api.create(CONFIG_MAP, config_map(name, labels={"tier": tier}))
    async with http.delete(CONFIG_MAPS, params={"labelSelector": "tier=x"}) as reply:
        assert len((await reply.json())["items"]) == 2
    assert [obj["metadata"]["name"] for obj in (await api.list(CONFIG_MAP)).items] == ["c"]


async def test_a_watch_tells_what_comes_after_its_version(api: HttpApi, http: aiohttp.ClientSession) -> None:
    first = await api.create(CONFIG_MAP, config_map("a"))
    params = {"watch": "True", "resourceVersion": first["metadata"]["resourceVersion"]}
    async with http.get(CONFIG_MAPS, params=params) as reply:
        lines = Lines(reply)
        await api.create(CONFIG_MAP, config_map("b"))
        await api.patch(CONFIG_MAP, Key("default", "a"), {"data": {"k": "v"}})
        await api.delete(CONFIG_MAP, Key("default", "b"))
        told = [await lines.next() for _ in range(3)]
    assert [(kind, obj["metadata"]["name"]) for kind, obj in told] == [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]
    versions = [int(obj["metadata"]["resourceVersion"]) for _, obj in told]
    assert versions == sorted(set(versions)), "a deletion has a version of its own"


@pytest.mark.parametrize("params", [{}, {"resourceVersion": "0"}])
async def test_a_watch_without_a_version_begins_with_what_is_there(
    api: HttpApi, http: aiohttp.ClientSession, params: dict[str, str]
) -> None:
    await api.create(CONFIG_MAP, config_map("a"))
    async with http.get(CONFIG_MAPS, params={"watch": "1", **params}) as reply:
        lines = Lines(reply)
        assert (await lines.next())[0] == "ADDED"
        await api.create(CONFIG_MAP, config_map("b"))
        assert (await lines.next())[1]["metadata"]["name"] == "b"


async def test_what_leaves_a_selection_is_gone_and_what_enters_it_is_new(
    api: HttpApi, http: aiohttp.ClientSession
) -> None:
    await api.create(REPLICA_SET, replica_set("a", labels={"hash": "1"}))
    async with http.get("/apis/apps/v1/replicasets", params={"watch": "1", "labelSelector": "hash=1"}) as reply:
        lines = Lines(reply)
        key = Key("default", "a")
        await api.patch(REPLICA_SET, key, {"spec": {"replicas": 2}})
        out = await api.patch(REPLICA_SET, key, {"metadata": {"labels": {"hash": "2"}}})
        await api.patch(REPLICA_SET, key, {"spec": {"replicas": 3}})
        await api.patch(REPLICA_SET, key, {"metadata": {"labels": {"hash": "1"}}})
        told = [await lines.next() for _ in range(4)]
    assert [kind for kind, _ in told] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    gone = told[2][1]["metadata"]
    assert gone["labels"] == {"hash": "1"}, "what is gone is told as it last matched"
    assert gone["resourceVersion"] == out["metadata"]["resourceVersion"]


async def test_a_watch_ends_after_its_timeout_with_a_bookmark(http: aiohttp.ClientSession) -> None:
    params = {"watch": "1", "timeoutSeconds": "0", "allowWatchBookmarks": "true"}
    async with http.get(CONFIG_MAPS, params=params) as reply:
        kind, obj = await Lines(reply).next()
        rest = await reply.read()
    assert (kind, obj["kind"], rest) == ("BOOKMARK", "ConfigMap", b"")
    assert int(obj["metadata"]["resourceVersion"]) > 0


async def test_watchers_hear_of_a_write_before_its_writer(api: HttpApi, http: aiohttp.ClientSession) -> None:
    async with http.get(CONFIG_MAPS, params={"watch": "1"}) as reply:
        for number in range(20):
            await api.create(CONFIG_MAP, config_map(f"c{number}"))
            # What has been sent is there without waiting for more of it.
            assert f'"c{number}"' in reply.content.read_nowait().decode()


async def test_an_informer_keeps_up_and_survives_a_long_absence(api: HttpApi) -> None:
    informer = Informer(api, CONFIG_MAP)
    async with TaskOwner() as tasks:
        tasks.start(informer.run(), "informer")
        await informer.synced.wait()
        for number in range(30):
            await api.create(CONFIG_MAP, config_map(f"c{number}"))
        await api.delete(CONFIG_MAP, Key("default", "c0"))
        await eventually(lambda: len(list(informer.all())) == 29)
    with pytest.raises(ExpiredError):
        await anext(aiter(api.watch(CONFIG_MAP, "1")))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
async def test_the_server_says_that_it_is_well(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as reply:
        assert (reply.status, await reply.text()) == (200, "ok")


async def test_the_version_is_one_that_kubectl_understands(http: aiohttp.ClientSession) -> None:
    async with http.get("/version?timeout=32s") as reply:
        version = await reply.json()
    assert (version["major"], version["minor"]) == ("1", "32")
    assert version["gitVersion"].startswith("v1.32.0+meshsim")


async def test_what_is_packed_is_refused_unopened(http: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with http.post(CONFIG_MAPS, data=bomb, headers=headers) as reply:
        assert await status_of(reply) == (415, "UnsupportedMediaType")


async def test_a_path_with_a_line_feed_is_not_found_like_any_other(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(URL(f"{url}/api/v1/namespaces/a%0Ab", encoded=True)) as reply:
        assert await status_of(reply) == (404, "NotFound")


async def test_a_body_that_breaks_its_own_framing_is_refused(url: str) -> None:
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    await writer.drain()
    writer.write(b"not a size\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize(
    ("expected", "first_answer"),
    [("100-continue", b"HTTP/1.1 100 Continue"), ("a-miracle", b"HTTP/1.1 417 Expectation Failed")],
)
async def test_a_client_may_ask_before_it_sends_its_body(url: str, expected: str, first_answer: bytes) -> None:
    body = write_json(config_map("asked"))
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(f"{head}Expect: {expected}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(first_answer)
    if expected == "100-continue":
        await reader.readline()
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
    writer.close()
