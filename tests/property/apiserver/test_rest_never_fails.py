"""Whatever is sent, the API answers with what was asked for or with a Status that says why not: never with a 500."""

import asyncio
import json
from typing import Any, Final

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import POD, Kind
from meshsim.apiserver.served import SERVED
from meshsim.apiserver.server import api_server
from meshsim.client.api import PatchType
from meshsim.kit.clock import LoopClock
from tests.kits.manifests import config_map, pod, replica_set, rollout, service, virtual_service

pytestmark = pytest.mark.property

Request = tuple[str, str, dict[str, str], dict[str, str], bytes]

GOOD: Final = [rollout(), replica_set(), pod("web"), service(), config_map("web"), virtual_service()]
FIELDS: Final = [
    "metadata", "spec", "status", "name", "labels", "annotations", "ownerReferences", "finalizers", "containers",
    "ports", "replicas", "selector", "matchLabels", "template", "resources", "limits", "env", "volumes", "strategy",
    "data", "stringData", "type", "conditions", "managedFields", "generateName", "kind", "apiVersion", "uid",
]  # fmt: skip
PARTS: Final = [
    "",
    "/web",
    *(f"/web/{part}" for part in ("status", "scale", "other", "eviction", "log", "portforward")),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["web", "x", "v1", "", "TCP", "ClusterIP", "2026-01-01T00:00:00Z", "25%"]),
)
ANYTHING: SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good object with something anywhere in it replaced."""
    value = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    place: Any = value
    while True:
        key: Any = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(ANYTHING)
        return value


OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "replace", "remove", "test", "copy", "move", "jump"]),
            "path": st.sampled_from(["", "/spec", "/metadata/labels/a", "/spec/ports/0", "/spec/ports/-", "x", "/a/b"]),
        },
        optional={"value": ANYTHING, "from": st.sampled_from(["/spec", "/metadata", "", "/none"])},
    ),
    max_size=3,
)
BODIES = st.one_of(
    mutated().map(write_json),
    ANYTHING.map(write_json),
    OPERATIONS.map(write_json),
    st.binary(max_size=40),
    st.binary(max_size=60).map(lambda tail: b"k8s\x00" + tail),
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    kind: Kind = draw(st.sampled_from([*SERVED, POD, POD]))
    version = draw(st.sampled_from(kind.versions))
    path = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    if kind.namespaced and draw(st.booleans()):
        path += "/namespaces/default"
    path += f"/{kind.plural}" + draw(
        st.sampled_from(["", "/web", "/web/status", "/web/scale", "/web/eviction", "/web/log", "/web/portforward"])
    )
    query = draw(
        st.dictionaries(
            st.sampled_from(
                ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "dryRun", "fieldManager",
                 "fieldValidation", "propagationPolicy", "gracePeriodSeconds", "force", "includeObject"]
            ),
            st.one_of(st.text(max_size=6), st.sampled_from(["1", "All", "Strict", "a=b", "metadata.name=a", "Orphan"])),
            max_size=2,
        )
    )  # fmt: skip
    accept = draw(
        st.sampled_from(["application/json", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "text/html", ";;="])
    )
    content_types = [*PatchType, "application/json", "application/vnd.kubernetes.protobuf", "application/yaml"]
    headers = {"Accept": accept, "Content-Type": draw(st.sampled_from(content_types))}
    method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "PATCH", "DELETE", "OPTIONS"]))
    return method, path, query, headers, draw(BODIES)


@given(st.lists(requests(), min_size=1, max_size=8))
def test_no_request_makes_the_api_fail(sent: list[Request]) -> None:
    asyncio.run(send(sent))


async def send(sent: list[Request]) -> None:
    async with api_server(LoopClock()) as server:
        address = await server.listen("127.0.0.1", 0)
        async with aiohttp.ClientSession(f"http://{address}", timeout=aiohttp.ClientTimeout(total=20)) as session:
            for obj in GOOD:
                await answer(session, ("POST", collection_of(obj), {}, {}, write_json(obj)))
            for request in sent:
                await answer(session, request)
            # Whatever was stored by all that can still be listed, in every form.
            for obj in GOOD:
                for accept in ("application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"):
                    code = await answer(session, ("GET", collection_of(obj), {}, {"Accept": accept}, b""))
                    assert code == 200


def collection_of(obj: Object) -> str:
    api_version = obj.get("apiVersion", "networking.istio.io/v1")
    root = "apis" if "/" in api_version else "api"
    plural = f"{obj.get('kind', 'VirtualService').lower()}s"
    return f"/{root}/{api_version}/namespaces/default/{plural}"


async def answer(session: aiohttp.ClientSession, request: Request) -> int:
    method, path, query, headers, body = request
    async with session.request(method, path, params=query, headers=headers, data=body or None) as reply:
        text = await reply.text()
        assert reply.status < 500 or '"reason":"Timeout"' in text, (request, text)
        if reply.status >= 400:
            status = json.loads(text)
            assert (status["kind"], status["code"]) == ("Status", reply.status)
        return reply.status
