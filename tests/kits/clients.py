"""The Kubernetes clients that people use from Python, each behind the same few verbs on plain objects."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Protocol, Self

import kr8s.asyncio
import lightkube
from kr8s.asyncio.objects import APIObject, new_class
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.config import new_client_from_config
from kubernetes_asyncio.dynamic import DynamicClient
from kubernetes_asyncio.watch import Watch
from lightkube.codecs import AnyResource, from_dict
from lightkube.core.resource_registry import resource_registry
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind

NAMESPACE: Final = "default"


class RefusedError(Exception):
    """The API said no; what is told is the HTTP status."""


class Client(Protocol):
    """One client library, told which kind it works on."""

    async def list(self, labels: str) -> tuple[list[Object], str]: ...
    async def create(self, obj: Object) -> Object: ...
    async def patch(self, name: str, patch: Object) -> Object: ...
    async def apply(self, obj: Object, manager: str, *, force: bool = False) -> Object: ...
    async def delete(self, name: str) -> None: ...
    def watch(self, version: str, labels: str) -> AsyncIterator[tuple[str, Object]]: ...


class Kr8s:
    """kr8s. It has no verb for server-side apply: that is a plain request there."""

    def __init__(self, api: Any, kind: Kind) -> None:
        self._api = api
        self._kind = kind
        self._class: Any = new_class(kind.kind, kind.api_version, asyncio=True, namespaced=True, plural=kind.plural)

    @classmethod
    async def open(cls, kubeconfig: Path, kind: Kind, stack: AsyncExitStack) -> Self:
        """Sign in as the kubeconfig says."""
        # A fresh loop each test: what kr8s keeps for the last one would not run on it.
        api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace=NAMESPACE)
        stack.push_async_callback(close_kr8s, api)
        return cls(api, kind)

    async def list(self, labels: str) -> tuple[list[Object], str]:
        found = [obj.raw.to_dict() async for obj in self._api.get(self._class, label_selector=labels)]
        request = self._api.call_api("GET", self._kind.api_version, url=self._kind.plural, namespace=NAMESPACE)
        async with request as reply:
            return found, reply.json()["metadata"]["resourceVersion"]

    async def create(self, obj: Object) -> Object:
        made: APIObject = self._class(obj, api=self._api)
        await made.create()
        return dict(made.raw.to_dict())

    async def patch(self, name: str, patch: Object) -> Object:
        one = await self._class.get(name, api=self._api)
        await one.patch(patch)
        return dict(one.raw.to_dict())

    async def apply(self, obj: Object, manager: str, *, force: bool = False) -> Object:
        try:
            async with self._api.call_api(
                "PATCH",
                self._kind.api_version,
                url=f"{self._kind.plural}/{obj['metadata']['name']}",
                namespace=NAMESPACE,
                params={"fieldManager": manager, "force": str(force).lower()},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=json.dumps(obj),
            ) as reply:
                return dict(reply.json())
        except kr8s.ServerError as error:
            raise RefusedError(error.response.status_code if error.response else 0) from error

    async def delete(self, name: str) -> None:
        await (await self._class.get(name, api=self._api)).delete(grace_period=0)

    async def watch(self, version: str, labels: str) -> AsyncIterator[tuple[str, Object]]:
        async for event, obj in self._api.watch(self._class, label_selector=labels, since=version):
            yield event, obj.raw.to_dict()


async def close_kr8s(api: Any) -> None:
    await api._session.aclose()


class Lightkube:
    """lightkube: typed models of what is built in, generic ones of custom resources."""

    def __init__(self, client: lightkube.AsyncClient, kind: Kind) -> None:
        self._client = client
        known = resource_registry.get(kind.api_version, kind.kind)
        self._is_custom = "." in kind.group
        self._class: Any = known or create_namespaced_resource(kind.group, kind.version, kind.kind, kind.plural)

    @classmethod
    async def open(cls, kubeconfig: Path, kind: Kind, stack: AsyncExitStack) -> Self:
        """Sign in as the kubeconfig says."""
        config = lightkube.KubeConfig.from_file(kubeconfig)
        client = lightkube.AsyncClient(config, namespace=NAMESPACE, field_manager="lightkube", trust_env=False)
        stack.push_async_callback(client.close)
        return cls(client, kind)

    async def list(self, labels: str) -> tuple[list[Object], str]:
        name, _, value = labels.partition("=")
        listed = self._client.list(self._class, labels={name: value})
        found = [obj.to_dict() async for obj in listed]
        return found, str(listed.resourceVersion)

    async def create(self, obj: Object) -> Object:
        return await self._plain(self._client.create(self._typed(obj)))

    async def patch(self, name: str, patch: Object) -> Object:
        how = PatchType.MERGE if self._is_custom else PatchType.STRATEGIC
        return await self._plain(self._client.patch(self._class, name, patch, patch_type=how))

    async def apply(self, obj: Object, manager: str, *, force: bool = False) -> Object:
        return await self._plain(self._client.apply(self._typed(obj), field_manager=manager, force=force))

    async def delete(self, name: str) -> None:
        await self._client.delete(self._class, name, grace_period=0)

    async def watch(self, version: str, labels: str) -> AsyncIterator[tuple[str, Object]]:
        name, _, value = labels.partition("=")
        async for event, obj in self._client.watch(self._class, labels={name: value}, resource_version=version):
            yield event, obj.to_dict()

    @staticmethod
    def _typed(obj: Object) -> AnyResource:
        return from_dict(obj)

    @staticmethod
    async def _plain(asked: Any) -> Object:
        try:
            return dict((await asked).to_dict())
        except lightkube.ApiError as error:
            raise RefusedError(error.status.code) from error


class KubernetesAsyncio:
    """kubernetes_asyncio's dynamic client, which finds kinds by discovery."""

    def __init__(self, resource: Any) -> None:
        self._resource = resource

    @classmethod
    async def open(cls, kubeconfig: Path, kind: Kind, stack: AsyncExitStack) -> Self:
        """Sign in as the kubeconfig says."""
        client: ApiClient = await stack.enter_async_context(await new_client_from_config(str(kubeconfig)))
        dynamic = await DynamicClient(client)
        return cls(await dynamic.resources.get(api_version=kind.api_version, kind=kind.kind))

    async def list(self, labels: str) -> tuple[list[Object], str]:
        listed = (await self._resource.get(namespace=NAMESPACE, label_selector=labels)).to_dict()
        return listed["items"], listed["metadata"]["resourceVersion"]

    async def create(self, obj: Object) -> Object:
        return await self._plain(self._resource.create(body=obj, namespace=NAMESPACE))

    async def patch(self, name: str, patch: Object) -> Object:
        merge = "application/merge-patch+json"
        return await self._plain(self._resource.patch(name=name, namespace=NAMESPACE, body=patch, content_type=merge))

    async def apply(self, obj: Object, manager: str, *, force: bool = False) -> Object:
        asked = self._resource.server_side_apply(
            body=obj, namespace=NAMESPACE, field_manager=manager, force_conflicts=force
        )
        return await self._plain(asked)

    async def delete(self, name: str) -> None:
        await self._resource.delete(name=name, namespace=NAMESPACE, body={"gracePeriodSeconds": 0})

    async def watch(self, version: str, labels: str) -> AsyncIterator[tuple[str, Object]]:
        watcher = Watch()
        try:
            async for event in self._resource.watch(
                namespace=NAMESPACE, label_selector=labels, resource_version=version, timeout=30, watcher=watcher
            ):
                yield event["type"], event["raw_object"]
        finally:
            await watcher.close()

    @staticmethod
    async def _plain(asked: Any) -> Object:
        answer = dict((await asked).to_dict())
        # Its dynamic client hands a refusal out like any other answer.
        if answer.get("status") == "Failure":
            raise RefusedError(answer["code"])
        return answer


CLIENTS: Final = (Kr8s, Lightkube, KubernetesAsyncio)
