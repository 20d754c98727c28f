"""A routing recording's world and configurations, translated into what `meshsim proxy` is given."""

import json
from collections.abc import Iterable
from typing import Any, Final

import yaml

from tests.conformance.backend import selects

Config = dict[str, Any]

_GATEWAY_PORT: Final = 80


def manifests(config: Config, world: dict[str, Any]) -> str:
    """The YAML that a configuration runs with: the world's services and workloads, the defaults, its own objects."""
    texts = [
        world["default_gateway"] if config.get("default_gateway_added") else "",
        world["default_destinationrule"] if config.get("default_destinationrule_added") else "",
        config["yaml"],
    ]
    documents = [*world["services"], *_pods(world), *_slices(world)]
    # As JSON, which is YAML: the recording's reader took `name: y` for a text, ours for a truth value.
    documents += [document for text in texts for document in yaml.safe_load_all(text) if document]
    return "\n---\n".join(json.dumps(document) for document in documents)


def port_of(request: dict[str, Any], config: Config) -> int:
    """The number of the listener that a request goes to."""
    return int(request.get("port") or (_GATEWAY_PORT if config["proxy"] == "gateway" else 9080))


def proxy_arguments(config: Config, ports: Iterable[int]) -> list[str]:
    """The flags of the proxy, without its files."""
    arguments = ["--port", "0", "--admin-port", "0", "--stats-port", "0", "--access-log", "json"]
    arguments += ["--role", config["proxy"]]
    for port in sorted(set(ports)):
        arguments += ["--listen", f"{port}=127.0.0.1:0"]
    labels = dict(config.get("labels") or {})
    if labels and config["proxy"] == "gateway":
        labels.setdefault("istio", "ingressgateway")
    if labels:
        arguments += ["--proxy-labels", ",".join(f"{key}={value}" for key, value in labels.items())]
    return arguments


def _pods(world: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for workload in world["workloads"]:
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {key: workload[key] for key in ("name", "namespace", "labels")},
            "status": {"podIP": workload["ip"]},
        }


def _slices(world: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for service in world["services"]:
        metadata = service["metadata"]
        workloads = [workload for workload in world["workloads"] if selects(service, workload)]
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "metadata": {
                "name": f"{metadata['name']}-slice",
                "namespace": metadata["namespace"],
                "labels": {"kubernetes.io/service-name": metadata["name"]},
            },
            "ports": [{"name": port["name"], "port": port["targetPort"]} for port in service["spec"]["ports"]],
            "endpoints": [
                {
                    "addresses": [workload["ip"]],
                    "conditions": {"ready": True},
                    "targetRef": {"kind": "Pod", "name": workload["name"], "namespace": workload["namespace"]},
                }
                for workload in workloads
            ],
        }
