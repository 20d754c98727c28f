"""The Api over HTTP or HTTPS, with aiohttp. One session a process; watches are long streams of JSON lines."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.api.kinds import POD, Kind
from meshsim.api.meta import Key
from meshsim.client.api import ApiError, Listing, PatchType, UnreachableError, WatchEvent, error_of
from meshsim.client.connection import Connection, Source, tls_of
from meshsim.kit.errors import UsageError

_log: Final = logging.getLogger(__name__)
_REQUEST_TIMEOUT_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 5.0
_UNHURRIED: Final = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S)
"""For what goes on for as long as both ends want."""
_MAX_LINE_BYTES: Final = 8 * 1024 * 1024
_REFUSALS_TOLD: Final = 10
"""Who goes on asking in vain for so long is waiting for a person."""


class HttpApi:
    """A Kubernetes API at a URL, or wherever a source says. Open it with `async with`.

    A source that changes is read again once the API refuses what it said before.
    """

    def __init__(self, api: str | Source, *, user_agent: str = "meshsim") -> None:
        self._source: Source = Connection(api.rstrip("/")) if isinstance(api, str) else api
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._access: _Access | None = None
        self._is_stale = True
        self._refusals = 0
        self._reading = asyncio.Lock()

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
        return Listing(items, answer["metadata"].get("resourceVersion", ""))

    async def watch(
        self, kind: Kind, resource_version: str, namespace: str | None = None, *, selector: str = ""
    ) -> AsyncIterator[WatchEvent]:
        query = _query(
            watch="true", resourceVersion=resource_version, allowWatchBookmarks="true", labelSelector=selector
        )
        access = await self._accessed()
        try:
            async with access.request("GET", _path(kind, namespace), params=query, timeout=_UNHURRIED) as reply:
                if reply.status != 200:
                    raise self._refusal(access, await reply.read(), reply.status)
                async for line in reply.content:
                    yield _event_of(line)
        except (aiohttp.ClientError, OSError, TimeoutError, FieldError, KeyError, ValueError) as error:
            raise self._unreachable(access, error) from error

    async def logs(self, pod: Key, options: Mapping[str, str]) -> AsyncIterator[bytes]:
        """What a container printed, piece by piece; the options are PodLogOptions'. Raises ApiError."""
        path = _path(POD, pod.namespace, pod.name, "log")
        access = await self._accessed()
        try:
            async with access.request("GET", path, params=options, timeout=_UNHURRIED) as reply:
                if reply.status != 200:
                    raise self._refusal(access, await reply.read(), reply.status)
                async for piece in reply.content.iter_any():
                    yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(access, error) from error

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

    async def evict(self, pod: Key) -> None:
        eviction: Object = {"apiVersion": "policy/v1", "kind": "Eviction"}
        body = eviction | {"metadata": {"name": pod.name, "namespace": pod.namespace}}
        await self._ask("POST", _path(POD, pod.namespace, pod.name, "eviction"), body=body)

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
        access = await self._accessed()
        try:
            async with access.request(method, path, params=query, data=data, headers=headers) as reply:
                answer = await reply.read()
                if reply.status >= 400:
                    raise self._refusal(access, answer, reply.status)
                return _object(read_json(answer))
        except (aiohttp.ClientError, OSError, TimeoutError, FieldError) as error:
            raise self._unreachable(access, error) from error

    async def _accessed(self) -> "_Access":
        """Where and how to ask, read from the source the first time. Raises UnreachableError while it says nothing."""
        if self._access is not None and not self._is_stale:
            return self._access
        if self._session is None:
            raise RuntimeError("HttpApi is used inside `async with`")
        async with self._reading:
            if self._access is None or self._is_stale:
                try:
                    # It may lie on a disk.
                    self._access = await asyncio.to_thread(_access, self._session, self._source, self._access)
                except OSError as error:
                    raise UnreachableError(0, "Unreachable", f"{self._source}: {error.strerror}") from error
                except UsageError as error:
                    raise UnreachableError(0, "Unreachable", str(error)) from error
                self._is_stale = False
            return self._access

    def _refusal(self, access: "_Access", answer: bytes, code: int) -> ApiError:
        if code != 401:
            return _refusal(answer, code)
        why = f"that of {self._source} is not its" if access.signs_in else "use its kubeconfig"
        message = f"the API at {access.url} wants another sign-in: {why} (Unauthorized)"
        self._refusals += 1
        if self._refusals == _REFUSALS_TOLD:
            _log.warning(message)
        self._read_again_after(access)
        return ApiError(401, "Unauthorized", message)

    def _unreachable(self, access: "_Access", error: Exception) -> UnreachableError:
        if isinstance(error, aiohttp.ClientConnectorError):
            # Another authority, another port: the API may have begun anew.
            self._read_again_after(access)
        return _unreachable(access.url, error)

    def _read_again_after(self, access: "_Access") -> None:
        # Another request may have found out before.
        if self._access is access:
            self._is_stale = True


class _Access:
    """A connection in use."""

    def __init__(self, session: aiohttp.ClientSession, connection: Connection) -> None:
        self.connection = connection
        self.url = connection.url
        self.signs_in = connection.is_secure and bool(connection.token or connection.client_pem)
        self._session = session
        self._headers: dict[str, str] = {}
        self._options: dict[str, Any] = {"allow_redirects": False}
        if connection.is_secure:
            self._options["ssl"] = tls_of(connection)
            if connection.server_name:
                self._options["server_hostname"] = connection.server_name
            if connection.token:
                self._headers["Authorization"] = f"Bearer {connection.token}"

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Ask, as one of its own."""
        said = {**self._headers, **(headers or {})}
        return self._session.request(
            method, URL(self.url + path, encoded=True), headers=said, **self._options, **options
        )


def _access(session: aiohttp.ClientSession, source: Source, before: _Access | None) -> _Access:
    """What the source says now: as before, if it is the same. Raises what reading it does."""
    connection = source.read()
    return before if before is not None and before.connection == connection else _Access(session, connection)


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
    return UnreachableError(0, "Unreachable", f"the API at {url} cannot be reached: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Why there was no answer, without what aiohttp says of its own objects."""
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        number = error.os_error.errno or 0
        return os.strerror(number) if number > 0 else error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__
