"""The Api over HTTP, with aiohttp. One session a process; watches are long streams of JSON lines."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.api.kinds import POD, Kind
from meshsim.api.meta import Key
from meshsim.client.api import ApiError, Listing, PatchType, UnreachableError, WatchEvent, error_of

_REQUEST_TIMEOUT_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_LINE_BYTES: Final = 8 * 1024 * 1024


class HttpApi:
    """A Kubernetes API at a base URL. Open it with `async with`."""

    def __init__(self, url: str, *, user_agent: str = "meshsim") -> None:
        self.url = url.rstrip("/")
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S),
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=_MAX_LINE_BYTES,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, kind: Kind, key: Key) -> Object:
        return await self._ask("GET", _path(kind, key.namespace, key.name))

    async def list(self, kind: Kind, namespace: str | None = None, *, selector: str = "") -> Listing:
        answer = await self._ask("GET", _path(kind, namespace), _query(labelSelector=selector))
        items = answer.get("items") or []
        # Items of a list carry neither, as on a real API; whoever reads one alone wants both.
        for item in items:
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return Listing(items, answer["metadata"]["resourceVersion"])

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        query = _query(
            watch="true", resourceVersion=resource_version, allowWatchBookmarks="true", labelSelector=selector
        )
        forever = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._open().get(
                URL(self.url + _path(kind, namespace), encoded=True), params=query, timeout=forever
            ) as reply:
                if reply.status != 200:
                    raise _refusal(await reply.read(), reply.status)
                async for line in reply.content:
                    yield _event_of(line)
        except (aiohttp.ClientError, OSError, TimeoutError, FieldError, KeyError, ValueError) as error:
            raise _unreachable(self.url, error) from error

    async def logs(self, pod: Key, options: Mapping[str, str]) -> AsyncIterator[bytes]:
        """What a container printed, piece by piece; the options are PodLogOptions'. Raises ApiError."""
        unhurried = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
        url = URL(self.url + _path(POD, pod.namespace, pod.name, "log"), encoded=True)
        try:
            async with self._open().get(url, params=options, timeout=unhurried) as reply:
                if reply.status != 200:
                    raise _refusal(await reply.read(), reply.status)
                async for piece in reply.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(self.url, error) from error

    async def create(self, kind: Kind, obj: Object) -> Object:
        return await self._ask("POST", _path(kind, obj["metadata"].get("namespace")), body=obj)

    async def replace(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        metadata = obj["metadata"]
        return await self._ask("PUT", _path(kind, metadata.get("namespace"), metadata["name"], subresource), body=obj)

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        path = _path(kind, key.namespace, key.name, subresource)
        return await self._ask("PATCH", path, body=patch, content_type=how)

    async def delete(
        self, kind: Kind, key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = "Background"
    ) -> None:
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._ask("DELETE", _path(kind, key.namespace, key.name), body=options)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        data = None if body is None else write_json(body)
        headers = None if data is None else {"Content-Type": content_type}
        try:
            async with self._open().request(
                method, URL(self.url + path, encoded=True), params=query, data=data, headers=headers
            ) as reply:
                answer = await reply.read()
                if reply.status >= 400:
                    raise _refusal(answer, reply.status)
                return _object(read_json(answer))
        except (aiohttp.ClientError, OSError, TimeoutError, FieldError) as error:
            raise _unreachable(self.url, error) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("HttpApi is used inside `async with`")
        return self._session


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    parts = [f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"]
    if namespace and kind.namespaced:
        parts.append(f"namespaces/{_segment(namespace)}")
    parts.append(kind.plural)
    parts.extend(_segment(part) for part in (name, subresource) if part)
    return "/".join(parts)


def _segment(name: str) -> str:
    """A name as one segment of a path: `a/../b` leads nowhere but to an object of that name."""
    return "%2E" * len(name) if name in {".", ".."} else quote(name, safe="")


def _query(**parameters: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


def _object(answer: object) -> Object:
    if not isinstance(answer, dict):
        raise FieldError("", "an object was expected")
    return answer


def _event_of(line: bytes) -> WatchEvent:
    event = _object(read_json(line))
    told = _object(event["object"])
    if event["type"] == "ERROR":
        raise error_of(told, int(told.get("code") or 500))
    return WatchEvent(event["type"], told)


def _refusal(answer: bytes, code: int) -> ApiError:
    try:
        status = read_json(answer)
    except FieldError:
        status = {}
    return error_of(status if isinstance(status, dict) else {}, code)


def _unreachable(url: str, error: Exception) -> UnreachableError:
    reason = "no answer in time" if isinstance(error, asyncio.TimeoutError) else str(error) or type(error).__name__
    return UnreachableError(0, "Unreachable", f"the API at {url} cannot be reached: {reason}")
