"""The API over HTTP: a request in, the registry's verb, an answer out. Every refusal is a Status object."""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from aiohttp import HttpVersion11, web

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import POD
from meshsim.apiserver import refusals
from meshsim.apiserver.answers.representation import JSON, PlainJson, Representation, negotiate
from meshsim.apiserver.answers.streams import Streams
from meshsim.apiserver.discovery.about import About, json_answer
from meshsim.apiserver.eviction import evict
from meshsim.apiserver.kinds.served import NOT_EMULATED
from meshsim.apiserver.pods.nodes import Nodes
from meshsim.apiserver.pods.pod_streams import PodStreams
from meshsim.apiserver.registry import Registry, WriteOptions
from meshsim.apiserver.requests import query
from meshsim.apiserver.requests.bodies import MAX_BODY_BYTES, read_body
from meshsim.apiserver.requests.pages import Page, page_of
from meshsim.apiserver.requests.paths import Paths, Target
from meshsim.apiserver.storage.selection import Selection, selection_of
from meshsim.apiserver.writing.admission import FieldValidation
from meshsim.apiserver.writing.apply import Applying
from meshsim.apiserver.writing.deletion import DeleteOptions
from meshsim.apiserver.writing.patch import patch_types
from meshsim.client.api import ApiError, PatchType
from meshsim.kit.bearer import knows
from meshsim.kit.foreign import foreign_reason

_log: Final = logging.getLogger(__name__)
_PUBLIC: Final = frozenset({"/healthz", "/livez", "/readyz", "/version"})
"""What anybody may ask: the health and the version, as of a real API server."""

Answer = web.StreamResponse
Verb = Callable[[web.Request, Target], Awaitable[Answer]]


class Rest:
    """The API's request handler.

    `settled` is awaited between a write and its answer: when it returns, the write is on disk and on its way
    to every watcher. `allowed_hosts` are further names that this machine is called by. Without a token everybody
    gets in.
    """

    def __init__(
        self,
        registry: Registry,
        settled: Callable[[], Awaitable[None]],
        *,
        allowed_hosts: Collection[str] = (),
        token: str = "",
    ) -> None:
        self._registry = registry
        self._allowed_hosts = allowed_hosts
        self._token = token
        self._settled = settled
        self._paths = Paths(())
        self._nodes = Nodes(registry)
        self._about = About(registry.store, self._nodes)
        self._streams = Streams(registry.store)
        self._object_verbs: dict[str, Verb] = {
            "GET": self._get,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        self._collection_verbs: dict[str, Verb] = {
            "GET": self._list,
            "POST": self._create,
            "DELETE": self._delete_collection,
        }
        self._pod_verbs: dict[tuple[str, str], Verb] = {
            ("POST", "eviction"): self._evict,
            **PodStreams(registry, self._nodes).verbs,
        }

    def close(self) -> None:
        """End every watch, so that its connection can close."""
        self._streams.close()

    async def handle(self, request: web.Request) -> Answer:
        """Answer one request; nothing escapes as anything but a Status."""
        try:
            self._refuse_foreign(request)
            self._refuse_unknown(request)
            await _encourage(request)
            return await self._about.handle(request) or await self._dispatch(request)
        except ApiError as error:
            return _refused(error)
        except web.HTTPRequestEntityTooLarge:
            return _refused(refusals.too_large(f"Request entity too large: limit is {MAX_BODY_BYTES}"))
        except ConnectionError:
            return web.Response()  # The client has gone: nobody reads this.
        except Exception:  # noqa: BLE001 - a request that we fail on must not look like a broken connection
            _log.exception("%s %s failed", request.method, request.path)
            return _refused(ApiError(500, "InternalError", "Internal error occurred; the server's log says more"))

    def _refuse_foreign(self, request: web.Request) -> None:
        headers = request.headers
        reason = foreign_reason(headers.get("Host", ""), headers.get("Origin", ""), self._allowed_hosts)
        if reason:
            raise refusals.foreign(reason)

    def _refuse_unknown(self, request: web.Request) -> None:
        authorization = request.headers.get("Authorization")
        is_let_in = request.path in _PUBLIC if authorization is None else knows(self._token, authorization)
        if self._token and not is_let_in:
            raise refusals.unauthorized()

    async def _dispatch(self, request: web.Request) -> Answer:
        if self._paths.kinds is not self._registry.store.kinds:
            self._paths = Paths(self._registry.store.kinds)
        target = self._paths.target(request.path)
        if target.kind == POD and (request.method, target.subresource) in self._pod_verbs:
            return await self._pod_verbs[request.method, target.subresource](request, target)
        verb = (self._object_verbs if target.name else self._collection_verbs).get(request.method)
        creates_nowhere = request.method == "POST" and target.kind.namespaced and target.namespace is None
        if verb is None or creates_nowhere:
            raise refusals.method_not_allowed()
        return await verb(request, target)

    async def _get(self, request: web.Request, target: Target) -> Answer:
        representation = self._representation(request, target)
        return _answer(representation.object(self._registry.get(target.kind, target.key, target.subresource)))

    async def _list(self, request: web.Request, target: Target) -> Answer:
        asked, version = request.query, self._registry.store.version
        representation = self._representation(request, target)
        selection = _selection(request, target)
        if query.is_set(asked, "watch"):
            options = query.watch_options(asked)
            return await self._streams.stream(request, target.kind, selection, representation, options)
        query.listed_version(asked, version)
        items = self._registry.select(target.kind, selection)
        return _answer(representation.list(page_of(items, version, query.limit(asked), asked.get("continue", ""))))

    async def _create(self, request: web.Request, target: Target) -> Answer:
        if target.kind in NOT_EMULATED:
            raise refusals.not_emulated(target.kind)
        write = _Write(request, target)
        body = await read_body(request, strictly=write.options.validation is FieldValidation.STRICT)
        obj = self._registry.create(target.kind, target.namespace or "", body, write.options)
        return await self._written(write, obj, 201)

    async def _replace(self, request: web.Request, target: Target) -> Answer:
        write = _Write(request, target)
        body = await read_body(request, strictly=write.options.validation is FieldValidation.STRICT)
        return await self._written(write, self._registry.replace(target.kind, target.key, body, write.options))

    async def _patch(self, request: web.Request, target: Target) -> Answer:
        if request.content_type not in patch_types(target.kind):
            accepted = ", ".join(patch_types(target.kind))
            raise refusals.unsupported_media_type(
                f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            )
        how = PatchType(request.content_type)
        write = _Write(request, target)
        body = await read_body(request, strictly=write.options.validation is FieldValidation.STRICT)
        if how is PatchType.APPLY:
            return await self._apply(write, body)
        return await self._written(write, self._registry.patch(target.kind, target.key, body, how, write.options))

    async def _apply(self, write: "_Write", body: object) -> Answer:
        asked, target = write.request.query, write.target
        if target.kind in NOT_EMULATED:
            raise refusals.not_emulated(target.kind)
        manager = asked.get("fieldManager", "")
        if not manager:
            raise refusals.bad_request("PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
        applying = Applying(manager, query.is_set(asked, "force"), target.subresource, self._registry.now())
        is_new = self._registry.store.get(target.kind, target.key) is None
        obj = self._registry.apply(target.kind, target.key, body, applying, write.options)
        return await self._written(write, obj, 201 if is_new else 200)

    async def _delete(self, request: web.Request, target: Target) -> Answer:
        options, dry_run = await _deletion(request)
        obj = self._registry.delete(target.kind, target.key, options, dry_run=dry_run)
        await self._settled()
        if not dry_run and self._registry.store.with_uid(obj["metadata"]["uid"]) is not None:
            return _answer(PlainJson(target.kind, target.version).object(obj))
        return json_answer(_deleted(target, obj))

    async def _delete_collection(self, request: web.Request, target: Target) -> Answer:
        options, dry_run = await _deletion(request)
        gone = self._registry.delete_all(target.kind, _selection(request, target), options, dry_run=dry_run)
        await self._settled()
        return _answer(PlainJson(target.kind, target.version).list(Page(gone, self._registry.store.version)))

    async def _evict(self, request: web.Request, target: Target) -> Answer:
        body = await read_body(request)
        said = body.get("deleteOptions") if isinstance(body, dict) else None
        options = query.delete_options(request.query, said)
        evict(self._registry, target.key, options, dry_run=query.is_dry_run(request.query))
        await self._settled()
        return json_answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)

    async def _written(self, write: "_Write", obj: Object, code: int = 200) -> Answer:
        await self._settled()
        answer = _answer(self._representation(write.request, write.target).object(obj), code)
        for warning in write.warnings:
            answer.headers.add("Warning", f"299 - {write_json(warning).decode()}")
        return answer

    def _representation(self, request: web.Request, target: Target) -> Representation:
        accept = request.headers.get("Accept", "")
        if target.subresource == "scale":
            return PlainJson(target.kind, target.version)
        include = request.query.get("includeObject", "")
        representation = negotiate(accept, target.kind, target.version, include, self._registry.now)
        if representation is None:
            raise refusals.not_acceptable(f"only the following media types are accepted: {JSON}")
        return representation


async def _encourage(request: web.Request) -> None:
    """Tell a client that waits for it, before it sends a long body, that it may (Expect: 100-continue)."""
    expected = request.headers.get("Expect")
    if expected and request.version >= HttpVersion11:
        if expected.lower() != "100-continue":
            raise refusals.expectation_failed(expected)
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # The answer itself has not begun.


class _Write:
    """One writing request and the warnings that its answer carries."""

    def __init__(self, request: web.Request, target: Target) -> None:
        self.request = request
        self.target = target
        self.warnings: list[str] = []
        self.options = WriteOptions(
            version=target.version,
            subresource=target.subresource,
            dry_run=query.is_dry_run(request.query),
            validation=query.field_validation(request.query),
            warn=self.warnings.append,
            manager=query.manager(request.query, request.headers.get("User-Agent", "")),
        )


def _selection(request: web.Request, target: Target) -> Selection:
    asked = request.query
    return selection_of(target.kind, target.namespace, asked.get("labelSelector", ""), asked.get("fieldSelector", ""))


async def _deletion(request: web.Request) -> tuple[DeleteOptions, bool]:
    body = await read_body(request) if request.can_read_body else None
    options = query.delete_options(request.query, body)
    body_dry_run = isinstance(body, dict) and body.get("dryRun") == ["All"]
    return options, query.is_dry_run(request.query) or body_dry_run


def _deleted(target: Target, obj: Object) -> Object:
    details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
    if not target.kind.group:
        del details["group"]
    details["uid"] = obj["metadata"]["uid"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _answer(body: bytes, code: int = 200) -> web.Response:
    return web.Response(body=body, status=code, headers={"Content-Type": JSON})


def _refused(error: ApiError) -> web.Response:
    status = refusals.status_of(error)
    answer = json_answer(status, status["code"])
    retry_after_s = (status.get("details") or {}).get("retryAfterSeconds")
    if retry_after_s:
        answer.headers["Retry-After"] = str(retry_after_s)
    if status["code"] == 401:
        answer.headers["WWW-Authenticate"] = 'Bearer realm="meshsim"'
    return answer
