"""What the API says of itself: health, version, discovery, OpenAPI; and the questions that are no objects."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from meshsim import __version__
from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import NODE, POD, Kind
from meshsim.apiserver import refusals
from meshsim.apiserver.answers.representation import JSON
from meshsim.apiserver.discovery.discovery import AGGREGATED, AGGREGATED_BETA, Discovery
from meshsim.apiserver.discovery.openapi import OpenApi
from meshsim.apiserver.discovery.reviews import REVIEWS, review_at, reviewed
from meshsim.apiserver.kinds.resource import Resource, resources_of
from meshsim.apiserver.pods.nodes import Nodes
from meshsim.apiserver.pods.usage import USAGE
from meshsim.apiserver.requests.bodies import read_body
from meshsim.apiserver.storage.selection import selection_of
from meshsim.apiserver.storage.store import Store

KUBERNETES_MINOR: Final = "32"
"""The release whose behaviour this API has."""


class About:
    """Answers every path that names no stored object."""

    def __init__(self, store: Store, nodes: Nodes) -> None:
        self._store = store
        self._nodes = nodes
        self._learn(store.kinds)
        self._below: dict[str, Callable[[web.Request, list[str]], Awaitable[web.Response | None]]] = {
            "healthz": _healthy,
            "readyz": _healthy,
            "livez": _healthy,
            "version": _say_version,
            "api": self._core,
            "apis": self._groups,
            "openapi": self._schemas,
        }

    async def handle(self, request: web.Request) -> web.Response | None:
        """The answer, or None when the path is not one of these. Raises ApiError."""
        if self._kinds is not self._store.kinds:
            self._learn(self._store.kinds)
        first, *rest = request.path.strip("/").split("/")
        about = self._below.get(first)
        answer = await about(request, rest) if about is not None else None
        # Only what is asked by being made, a review, is asked otherwise than by reading.
        if answer is not None and answer.status != 201 and request.method not in ("GET", "HEAD"):
            raise refusals.method_not_allowed()
        return answer

    def _learn(self, kinds: tuple[Kind, ...]) -> None:
        self._kinds = kinds
        self._discovery = Discovery([*resources_of(kinds), *REVIEWS, *USAGE])
        self._openapi = OpenApi(kinds)

    async def _core(self, request: web.Request, path: list[str]) -> web.Response | None:
        if not path:
            return self._roots(request, core=True)
        return _found(self._discovery.resource_list("", path[0])) if len(path) == 1 else None

    async def _groups(self, request: web.Request, path: list[str]) -> web.Response | None:
        match path:
            case []:
                return self._roots(request, core=False)
            case [group]:
                return _found(self._discovery.group(group))
            case [group, version]:
                return _found(self._discovery.resource_list(group, version))
            case ["metrics.k8s.io", "v1beta1", *asked]:
                return await self._usage(request, asked)
            case [group, version, plural]:
                return await self._review(request, review_at(group, version, plural))
            case _:
                return None

    async def _schemas(self, request: web.Request, path: list[str]) -> web.Response | None:
        match path:
            case ["v2"]:
                # An empty document: clients of the older form then leave all judgement to the server.
                return web.Response(body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
            case ["v3"]:
                return json_answer(self._openapi.index())
            case ["v3", *document]:
                return self._openapi_document(request, "/".join(document))
            case _:
                return None

    def _roots(self, request: web.Request, *, core: bool) -> web.Response:
        accept = request.headers.get("Accept", "")
        for content_type, version in ((AGGREGATED, "v2"), (AGGREGATED_BETA, "v2beta1")):
            if content_type.partition(";")[2] in accept.replace(" ", ""):
                document = self._discovery.aggregated(core=core, version=version)
                return web.Response(body=write_json(document), headers={"Content-Type": content_type})
        return json_answer(self._discovery.core_versions() if core else self._discovery.group_list())

    async def _review(self, request: web.Request, review: Resource | None) -> web.Response | None:
        if review is None:
            return None
        if request.method != "POST":
            raise refusals.method_not_allowed()
        return json_answer(reviewed(review, await read_body(request), self._nodes.passes.redeem), 201)

    async def _usage(self, request: web.Request, path: list[str]) -> web.Response | None:
        if request.method != "GET":
            raise refusals.method_not_allowed()
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        match path:
            case ["nodes"]:
                return json_answer(await self._nodes.node_metrics())
            case ["pods"]:
                return json_answer(await self._nodes.pod_metrics(selection_of(POD, None, labels, fields)))
            case ["namespaces", namespace, "pods"]:
                return json_answer(await self._nodes.pod_metrics(selection_of(POD, namespace, labels, fields)))
            case ["nodes", name]:
                return _named(await self._nodes.node_metrics(), NODE, name)
            case ["namespaces", namespace, "pods", name]:
                return _named(await self._nodes.pod_metrics(selection_of(POD, namespace)), POD, name)
            case _:
                return None

    def _openapi_document(self, request: web.Request, path: str) -> web.Response:
        document = self._openapi.document(path)
        if document is None:
            raise refusals.no_such_path()
        tag = f'"{self._openapi.hash(path)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=document, headers={"Content-Type": JSON, "ETag": tag})


def json_answer(body: object, code: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(body=write_json(body), status=code, headers={"Content-Type": JSON})


def _named(listing: Object, kind: Kind, name: str) -> web.Response:
    found = next((each for each in listing["items"] if each["metadata"]["name"] == name), None)
    if found is None:
        raise refusals.not_found(kind, name)
    return json_answer(found)


def _found(document: Object | None) -> web.Response | None:
    return json_answer(document) if document is not None else None


async def _healthy(_request: web.Request, _path: list[str]) -> web.Response:
    return web.Response(text="ok")


async def _say_version(_request: web.Request, path: list[str]) -> web.Response | None:
    if path:
        return None
    version: Object = {
        "major": "1",
        "minor": KUBERNETES_MINOR,
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+meshsim-{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "",
    }
    return json_answer(version)
