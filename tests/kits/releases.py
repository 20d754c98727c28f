"""Rollouts with what they need around them, as people apply them: named demo, image demo:v1."""

from typing import Any

from meshsim.api.decode import Object


def _rollout(strategy: Object, replicas: int, **spec: Any) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "demo"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "demo"}},
            "template": {
                "metadata": {"labels": {"app": "demo"}},
                "spec": {"containers": [{"name": "demo", "image": "demo:v1"}]},
            },
            "strategy": strategy,
            **spec,
        },
    }


def _service(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "demo"}, "ports": [{"port": 80}]},
    }


def _virtual_service(stable: Object, canary: Object) -> Object:
    route = [{"destination": stable, "weight": 100}, {"destination": canary, "weight": 0}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "demo"},
        "spec": {"hosts": ["demo"], "http": [{"name": "primary", "route": route}]},
    }


def routed_canary(steps: list[Object], *, replicas: int = 5, spec: Object | None = None, **canary: Any) -> list[Object]:
    """A canary whose traffic Istio splits between two Services."""
    strategy = {
        "canary": {
            "canaryService": "demo-canary",
            "stableService": "demo-stable",
            "trafficRouting": {"istio": {"virtualService": {"name": "demo", "routes": ["primary"]}}},
            "steps": steps,
            **canary,
        }
    }
    return [
        _rollout(strategy, replicas, **(spec or {})),
        _service("demo-stable"),
        _service("demo-canary"),
        _virtual_service({"host": "demo-stable"}, {"host": "demo-canary"}),
    ]


def subset_canary(steps: list[Object], *, replicas: int = 5, **canary: Any) -> list[Object]:
    """A canary whose traffic Istio splits between two subsets of one host."""
    rule = {"name": "demo", "canarySubsetName": "canary", "stableSubsetName": "stable"}
    istio = {"virtualService": {"name": "demo", "routes": ["primary"]}, "destinationRule": rule}
    destination_rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "demo"},
        "spec": {"host": "demo", "subsets": [{"name": "stable"}, {"name": "canary"}]},
    }
    return [
        _rollout({"canary": {"trafficRouting": {"istio": istio}, "steps": steps, **canary}}, replicas),
        destination_rule,
        _virtual_service({"host": "demo", "subset": "stable"}, {"host": "demo", "subset": "canary"}),
    ]


def plain_canary(steps: list[Object], *, replicas: int = 5, **canary: Any) -> list[Object]:
    """A canary whose traffic follows its pods."""
    return [_rollout({"canary": {"steps": steps, **canary}}, replicas)]


def blue_green(*, replicas: int = 3, spec: Object | None = None, **strategy: Any) -> list[Object]:
    """A release by switching a Service over, with a preview."""
    services = {"activeService": "demo-active", "previewService": "demo-preview"}
    return [
        _rollout({"blueGreen": {**services, **strategy}}, replicas, **(spec or {})),
        _service("demo-active"),
        _service("demo-preview"),
    ]


def analysis_template(name: str, *args: str) -> Object:
    """An analysis that measures a success rate and takes these arguments too."""
    provider = {"prometheus": {"address": "http://metrics", "query": "rate({{args.service}})"}}
    metric = {"name": "rate", "interval": "1s", "count": 3, "successCondition": "result > 0.9", "provider": provider}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {
            "args": [{"name": "service", "value": "demo"}, *({"name": arg} for arg in args)],
            "metrics": [metric],
        },
    }
