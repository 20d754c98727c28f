"""What the API says of itself: health, version, discovery, OpenAPI; and the questions that are no objects."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from meshsim import __version__
from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.apiserver import refusals
from meshsim.apiserver.bodies import read_body
from meshsim.apiserver.discovery import AGGREGATED, AGGREGATED_BETA, Discovery
from meshsim.apiserver.openapi import OpenApi
from meshsim.apiserver.representation import JSON
from meshsim.apiserver.reviews import REVIEWS, review_kind, reviewed

KUBERNETES_MINOR: Final = "32"
"""The release whose behaviour this API has."""


class About:
    """Answers every path that names no stored object."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        kinds = tuple(kinds)
        self._discovery = Discovery(kinds, REVIEWS)
        self._openapi = OpenApi(kinds)
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
        first, *rest = request.path.strip("/").split("/")
        answer = self._below.get(first)
        return await answer(request, rest) if answer is not None else None

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
            case [group, "v1", plural]:
                return await self._review(request, group, plural)
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

    async def _review(self, request: web.Request, group: str, plural: str) -> web.Response | None:
        kind = review_kind(group, plural)
        if kind is None:
            return None
        if request.method != "POST":
            raise refusals.method_not_allowed()
        return json_answer(reviewed(group, kind, await read_body(request)), 201)

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


def _found(document: Object | None) -> web.Response | None:
    return json_answer(document) if document is not None else None


async def _healthy(_request: web.Request, _path: list[str]) -> web.Response:
    return web.Response(text="ok")


async def _say_version(_request: web.Request, _path: list[str]) -> web.Response:
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
