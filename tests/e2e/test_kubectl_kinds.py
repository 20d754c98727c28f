"""The real kubectl and what the API knows of kinds: explain, definitions, autoscalers, managers of fields, refusals."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from tests.kits.apiserver import secured_apiserver
from tests.kits.kubectl import Kubectl, needs_kubectl
from tests.kits.manifests import pod_template, rollout

pytestmark = [pytest.mark.asyncio, needs_kubectl]


@pytest_asyncio.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with secured_apiserver(tmp_path / "data") as server:
        yield Kubectl(server, tmp_path)


def deployment(replicas: int = 2) -> Object:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pod_template("web")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def definition() -> Object:
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"port": {"type": "string", "description": "Its port."}}}
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": "Port", "type": "string", "jsonPath": ".spec.port"}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "monitors.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "monitors", "kind": "Monitor", "shortNames": ["mon"]},
            "versions": [version],
        },
    }


async def test_every_kind_is_explained(kubectl: Kubectl) -> None:
    steps = await kubectl("explain", "rollout.spec.strategy.canary.steps", "--recursive")
    assert "setWeight\t<integer>" in steps
    assert "Name, unique among its like." in await kubectl("explain", "pod.spec.containers")
    assert "replicas\t<integer>" in await kubectl("explain", "deployment.spec")
    assert "VERSION:    v2" in await kubectl("explain", "hpa.spec")


async def test_a_kind_of_ones_own_is_defined_used_and_taken_away(kubectl: Kubectl) -> None:
    assert await kubectl("apply", "-f", "-", stdin=definition()) == (
        "customresourcedefinition.apiextensions.k8s.io/monitors.example.com created\n"
    )
    await kubectl("wait", "--for=condition=established", "crd/monitors.example.com", "--timeout=10s")
    web = {"apiVersion": "example.com/v1", "kind": "Monitor", "metadata": {"name": "web"}, "spec": {"port": "http"}}
    assert await kubectl("apply", "-f", "-", stdin=web) == "monitor.example.com/web created\n"
    assert await kubectl("get", "mon") == "NAME   PORT\nweb    http\n"
    assert "Its port." in await kubectl("explain", "monitor.spec")
    refused = await kubectl.run("apply", "-f", "-", stdin={**web, "spec": {"prot": "http"}})
    assert 'unknown field "spec.prot"' in refused.err
    await kubectl("delete", "crd", "monitors.example.com")
    assert (await kubectl.run("get", "mon")).code == 1


async def test_the_definitions_of_argo_and_istio_are_there(kubectl: Kubectl) -> None:
    listed = await kubectl("get", "crd", "-o", "name")
    assert "customresourcedefinition.apiextensions.k8s.io/rollouts.argoproj.io" in listed.split()
    await kubectl("wait", "--for=condition=established", "crd/virtualservices.networking.istio.io", "--timeout=10s")


async def test_what_can_be_scaled_can_be_autoscaled(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=rollout())
    await kubectl("autoscale", "rollout", "web", "--min=1", "--max=5", "--cpu-percent=70")
    shown = (await kubectl("get", "hpa", "--no-headers")).split()
    assert shown[:6] == ["web", "Rollout/web", "cpu:", "<unknown>/70%", "1", "5"]


async def test_what_was_edited_is_a_conflict_and_what_kubectl_applied_before_is_not(kubectl: Kubectl) -> None:
    body = deployment(replicas=2)
    await kubectl("apply", "-f", "-", stdin=body)
    await kubectl("apply", "--server-side", "-f", "-", stdin=deployment(replicas=3))
    managers = await kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.managedFields[*].manager}")
    assert "kubectl-client-side-apply" not in managers.split()
    await kubectl("patch", "deployment", "web", "--field-manager=kubectl-edit", "-p", '{"spec":{"replicas":7}}')
    refused = await kubectl.run("apply", "--server-side", "-f", "-", stdin=body)
    assert 'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas' in refused.err
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=body)


async def test_amounts_that_are_none_are_refused(kubectl: Kubectl) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "abc"}}
    refused = await kubectl.run("apply", "-f", "-", stdin=body)
    assert 'Deployment in version "v1" cannot be handled as a Deployment: quantities must match' in refused.err
    refused = await kubectl.run("create", "deployment", "x", "--image=x", "--replicas=-2")
    assert "spec.replicas: Invalid value: -2: must be greater than or equal to 0" in refused.err
