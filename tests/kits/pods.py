"""Pods for tests."""

from typing import Any

from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.api.listening_ports import ports_of
from meshsim.api.meta import Key
from meshsim.client.api import Api

READINESS: Object = {"httpGet": {"path": "/healthz", "port": 8080}}


def pod_object(name: str, *, image: str = "web:v1", probe: Object | None = READINESS, **metadata: Any) -> Object:
    """A pod of one container that listens on 8080; `metadata` is added to its own."""
    container: Object = {"name": "web", "image": image, "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}, **metadata},
        "spec": {"containers": [container | ({"readinessProbe": probe} if probe else {})]},
    }


def conditions_of(obj: Object) -> dict[str, str]:
    """The status of each condition of an object."""
    return {each["type"]: each["status"] for each in (obj.get("status") or {}).get("conditions") or ()}


def port_of(obj: Object) -> int:
    """Where a pod listens: on 8080, unless another program of this machine has that at every address."""
    return ports_of(obj["metadata"].get("annotations") or {}).get(8080, 8080)


def url_of(obj: Object, path: str = "/") -> str:
    """Where a pod is asked."""
    return f"http://{obj['status']['podIP']}:{port_of(obj)}{path}"


async def pod_named(api: Api, name: str) -> Object:
    """The pod of that name in `default`. Raises NotFoundError."""
    return await api.get(POD, Key("default", name))


async def pod_with(api: Api, name: str, condition: str, status: str = "True") -> Object:
    """The pod of that name in `default`, asserting that the condition has that status."""
    obj = await pod_named(api, name)
    assert conditions_of(obj).get(condition) == status
    return obj


async def ready_pod(api: Api, name: str) -> Object:
    """The pod of that name in `default`, asserting that it is ready."""
    return await pod_with(api, name, "Ready")
