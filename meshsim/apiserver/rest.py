"""The API over HTTP: a request in, the registry's verb, an answer out. Every refusal is a Status object."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.apiserver import query, refusals
from meshsim.apiserver.deletion import DeleteOptions
from meshsim.apiserver.paths import Paths, Target
from meshsim.apiserver.registry import Registry, WriteOptions, patch_types
from meshsim.apiserver.representation import JSON, Representation
from meshsim.apiserver.selection import Selection, selection_of
from meshsim.apiserver.watch import Watch
from meshsim.client.api import ApiError, PatchType

_log: Final = logging.getLogger(__name__)
MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""What a real API server reads of one request."""
_MAX_DEPTH: Final = 100
_BOOKMARK_INTERVAL_S: Final = 60.0
_DEFAULT_WATCH_S: Final = 1800.0

Answer = web.StreamResponse


class Rest:
    """The API's request handler.

    `settled` is awaited between a write and its answer: when it returns, the write is on disk and on its way
    to every watcher.
    """

    def __init__(self, registry: Registry, settled: Callable[[], Awaitable[None]]) -> None:
        self._registry = registry
        self._settled = settled
        self._paths = Paths(registry.store.kinds)
        self._watches: set[Watch] = set()

    def close(self) -> None:
        """End every watch, so that its connection can close."""
        for watch in self._watches:
            watch.end()

    async def handle(self, request: web.Request) -> Answer:
        """Answer one request; nothing escapes as anything but a Status."""
        try:
            return await self._dispatch(request, self._paths.target(request.path))
        except ApiError as error:
            return _refused(error)
        except web.HTTPRequestEntityTooLarge:
            return _refused(refusals.too_large(f"Request entity too large: limit is {MAX_BODY_BYTES}"))
        except RecursionError:
            return _refused(refusals.bad_request("the body of the request is nested too deeply"))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - a request that we fail on must not look like a broken connection
            _log.exception("%s %s failed", request.method, request.path)
            return _refused(ApiError(500, "InternalError", "Internal error occurred; the server's log says more"))

    async def _dispatch(self, request: web.Request, target: Target) -> Answer:
        verbs = self._object_verbs if target.name else self._collection_verbs
        verb = verbs().get(request.method)
        creates_nowhere = request.method == "POST" and target.kind.namespaced and target.namespace is None
        if verb is None or creates_nowhere:
            raise refusals.method_not_allowed()
        return await verb(request, target)

    def _object_verbs(self) -> dict[str, "Verb"]:
        return {"GET": self._get, "PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}

    def _collection_verbs(self) -> dict[str, "Verb"]:
        return {"GET": self._list, "POST": self._create, "DELETE": self._delete_collection}

    async def _get(self, request: web.Request, target: Target) -> Answer:
        obj = self._registry.get(target.kind, target.key, target.subresource)
        return _answer(_representation(request, target).object(obj))

    async def _list(self, request: web.Request, target: Target) -> Answer:
        asked = request.query
        selection = _selection(request, target)
        if query.is_set(asked, "watch"):
            return await self._watch(request, target, selection)
        query.listed_version(asked, self._registry.store.version)
        items = self._registry.select(target.kind, selection)
        return _answer(_representation(request, target).list(items, self._registry.store.version))

    async def _create(self, request: web.Request, target: Target) -> Answer:
        body = await _read(request)
        obj = self._registry.create(target.kind, target.namespace or "", body, _write_options(request, target))
        return await self._written(request, target, obj, 201)

    async def _replace(self, request: web.Request, target: Target) -> Answer:
        body = await _read(request)
        obj = self._registry.replace(target.kind, target.key, body, _write_options(request, target))
        return await self._written(request, target, obj)

    async def _patch(self, request: web.Request, target: Target) -> Answer:
        if request.content_type not in patch_types(target.kind):
            accepted = ", ".join(patch_types(target.kind))
            raise refusals.unsupported_media_type(
                f"the body of the request was in an unknown format - accepted media types include: {accepted}"
            )
        how = PatchType(request.content_type)
        body = await _read(request)
        obj = self._registry.patch(target.kind, target.key, body, how, _write_options(request, target))
        return await self._written(request, target, obj)

    async def _delete(self, request: web.Request, target: Target) -> Answer:
        options, dry_run = await _deletion(request)
        obj = self._registry.delete(target.kind, target.key, options, dry_run=dry_run)
        if not dry_run and self._registry.store.with_uid(obj["metadata"]["uid"]) is not None:
            return await self._written(request, target, obj)
        await self._settled()
        return _answer(write_json(_deleted(target, obj)))

    async def _delete_collection(self, request: web.Request, target: Target) -> Answer:
        options, dry_run = await _deletion(request)
        gone = self._registry.delete_all(target.kind, _selection(request, target), options, dry_run=dry_run)
        await self._settled()
        return _answer(_representation(request, target).list(gone, self._registry.store.version))

    async def _written(self, request: web.Request, target: Target, obj: Object, code: int = 200) -> Answer:
        await self._settled()
        return _answer(_representation(request, target).object(obj), code)

    async def _watch(self, request: web.Request, target: Target, selection: Selection) -> Answer:
        options = query.watch_options(request.query)
        watch = Watch(self._registry.store, target.kind, selection, options.version)
        self._watches.add(watch)
        try:
            return await _stream(request, watch, _representation(request, target), options)
        finally:
            watch.end()
            self._watches.discard(watch)


Verb = Callable[[web.Request, Target], Awaitable[Answer]]


async def _stream(
    request: web.Request, watch: Watch, representation: Representation, options: query.WatchOptions
) -> Answer:
    answer = web.StreamResponse(headers={"Content-Type": JSON})
    await answer.prepare(request)
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def bookmark_again() -> None:
        watch.bookmark()
        timers[:] = [loop.call_later(_BOOKMARK_INTERVAL_S, bookmark_again)]

    def finish() -> None:
        if options.bookmarks:
            watch.bookmark()
        watch.end()

    if options.bookmarks:
        timers.append(loop.call_later(_BOOKMARK_INTERVAL_S, bookmark_again))
    deadline = loop.call_later(_DEFAULT_WATCH_S if options.timeout_s is None else options.timeout_s, finish)
    try:
        while told := await watch.next():
            await answer.write(b"".join([representation.event(each) for each in told]))
        await answer.write_eof()
    except ConnectionResetError:
        pass  # The watcher left; there is nobody to tell.
    finally:
        deadline.cancel()
        for timer in timers:
            timer.cancel()
    return answer


def _representation(request: web.Request, target: Target) -> Representation:  # noqa: ARG001
    return Representation(target.kind, target.version)


def _selection(request: web.Request, target: Target) -> Selection:
    asked = request.query
    return selection_of(target.kind, target.namespace, asked.get("labelSelector", ""), asked.get("fieldSelector", ""))


def _write_options(request: web.Request, target: Target) -> WriteOptions:
    return WriteOptions(target.version, target.subresource, query.is_dry_run(request.query))


async def _deletion(request: web.Request) -> tuple[DeleteOptions, bool]:
    body = await _read(request) if request.can_read_body else None
    options = query.delete_options(request.query, body)
    body_dry_run = isinstance(body, dict) and body.get("dryRun") == ["All"]
    return options, query.is_dry_run(request.query) or body_dry_run


async def _read(request: web.Request) -> Any:
    data = await request.read()
    try:
        body = read_json(data)
    except UnicodeDecodeError:
        raise refusals.bad_request("the body of the request is not UTF-8") from None
    except FieldError as error:
        raise refusals.bad_request(f"the body of the request cannot be read: {error}") from None
    if data.count(b"{") + data.count(b"[") > _MAX_DEPTH and _is_deeper(body, _MAX_DEPTH):
        raise refusals.bad_request(f"the body of the request is nested more than {_MAX_DEPTH} deep")
    return body


def _is_deeper(value: object, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)


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
    answer = _answer(write_json(status), status["code"])
    retry_after_s = (status.get("details") or {}).get("retryAfterSeconds")
    if retry_after_s:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer
