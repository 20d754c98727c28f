"""Objects as people write them, small and valid; keyword arguments go into `metadata`."""

from typing import Any

from meshsim.api.decode import Object


def rollout(name: str = "web", *, replicas: int = 3, **metadata: Any) -> Object:
    """A canary with two steps."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": pod_template(name),
            "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
        },
    }


def replica_set(name: str = "web-1", *, app: str = "web", owner: Object | None = None, **metadata: Any) -> Object:
    """A ReplicaSet of one pod."""
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default", **owned_by(owner), **metadata},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": pod_template(app)},
    }


def pod(name: str = "web-1-a", *, app: str = "web", owner: Object | None = None, **metadata: Any) -> Object:
    """A pod that is on a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}, **owned_by(owner), **metadata},
        "spec": {"nodeName": "meshsim", **pod_template(app)["spec"]},
    }


def service(name: str = "web", **metadata: Any) -> Object:
    """A Service with one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def virtual_service(name: str = "web", **metadata: Any) -> Object:
    """One route to one host."""
    return {
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"hosts": [name], "http": [{"name": "main", "route": [{"destination": {"host": name}}]}]},
    }


def config_map(name: str = "settings", *, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    """The simplest object there is."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "data": data or {},
    }


def pod_template(app: str, image: str = "web:v1") -> Object:
    """A template with one container."""
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": app, "image": image, "ports": [{"containerPort": 8080}]}]},
    }


def owned_by(owner: Object | None) -> Object:
    """`ownerReferences` to a stored object, as its controller would write them."""
    if owner is None:
        return {}
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {"ownerReferences": [reference]}
