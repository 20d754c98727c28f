"""The real kubectl against the API server: what people type, and what they read."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT
from meshsim.api.meta import Key
from meshsim.client.http import HttpApi
from tests.kits.apiserver import secured_apiserver
from tests.kits.eventually import eventually
from tests.kits.kubectl import Kubectl, needs_kubectl
from tests.kits.manifests import pod, pod_template, rollout, service, virtual_service
from tests.kits.processes import serving

pytestmark = [pytest.mark.asyncio, needs_kubectl]


@pytest_asyncio.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    """A kubectl and the server it talks to."""
    async with secured_apiserver(tmp_path / "data") as server:
        yield Kubectl(server, tmp_path)


def deployment(name: str = "web", replicas: int = 2) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod_template(name)},
    }


def job(name: str = "once") -> Object:
    container = {"name": name, "image": "busybox:1", "command": ["sleep", "1"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template}}


def listed(*objects: Object) -> Object:
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def a_virtual_service() -> Object:
    return virtual_service() | {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}


def header(table: str) -> Sequence[str]:
    return table.splitlines()[0].split()


async def test_manifests_are_applied_changed_and_applied_again(kubectl: Kubectl) -> None:
    everything = listed(rollout(), a_virtual_service(), deployment(), service(), job())
    out = await kubectl("apply", "-f", "-", stdin=everything)
    assert out.splitlines() == [
        "rollout.argoproj.io/web created",
        "virtualservice.networking.istio.io/web created",
        "deployment.apps/web created",
        "service/web created",
        "job.batch/once created",
    ]
    out = await kubectl("apply", "-f", "-", stdin=everything)
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["unchanged"] * 4
    assert "configured" in await kubectl("apply", "-f", "-", stdin=deployment(replicas=5))
    assert await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "5"
    changed = await kubectl.run("diff", "-f", "-", stdin=deployment(replicas=6))
    assert changed.code == 1
    assert "+  replicas: 6" in changed.out
    assert (await kubectl.run("diff", "-f", "-", stdin=deployment(replicas=5))).code == 0


async def test_objects_are_shown_in_every_form(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=listed(rollout(), a_virtual_service(), pod()))
    assert header(await kubectl("get", "ro")) == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
    wide = await kubectl("get", "pods", "-o", "wide")
    assert header(wide)[:8] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED"]
    assert '["web"]' in await kubectl("get", "vs")
    assert "kind: Rollout" in await kubectl("get", "rollout", "web", "-o", "yaml")
    assert await kubectl("get", "ro,vs,po", "-o", "name") == (
        "rollout.argoproj.io/web\nvirtualservice.networking.istio.io/web\npod/web-1-a\n"
    )
    assert "apiVersion: networking.istio.io/v1beta1" in await kubectl(
        "get", "virtualservices.v1beta1.networking.istio.io", "web", "-o", "yaml"
    )
    described = await kubectl("describe", "ro", "web")
    assert "Kind:         Rollout" in described
    assert "Set Weight:  20" in described
    assert "setWeight" in await kubectl("explain", "rollout.spec.strategy.canary.steps")
    assert "web-1-a" in await kubectl("get", "po", "-l", "app=web", "--field-selector=status.phase=Pending")
    missing = await kubectl.run("get", "ro", "none")
    assert missing.err == 'Error from server (NotFound): rollouts.argoproj.io "none" not found\n'


async def test_a_watch_shows_what_changes(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=rollout())
    async with kubectl.started("get", "ro", "-w", "--output-watch-events") as watching:
        assert watching.stdout is not None
        assert b"EVENT" in await watching.stdout.readline()
        assert b"ADDED" in await watching.stdout.readline()
        await kubectl("annotate", "ro", "web", "a=b")
        assert b"MODIFIED" in await watching.stdout.readline()


async def test_objects_are_changed_in_every_way(kubectl: Kubectl, tmp_path: Path) -> None:
    await kubectl("create", "-f", "-", stdin=listed(rollout(), deployment()))
    await kubectl("scale", "ro", "web", "--replicas=7")
    await kubectl("label", "ro", "web", "tier=front")
    await kubectl("annotate", "ro", "web", "note=kept")
    await kubectl("patch", "ro", "web", "--type=merge", "-p", '{"spec":{"revisionHistoryLimit":3}}')
    operation = '[{"op":"add","path":"/metadata/labels/team","value":"a"}]'
    await kubectl("patch", "ro", "web", "--type=json", "-p", operation)
    await kubectl(
        "patch",
        "deploy",
        "web",
        "-p",
        '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:v9"}]}}}}',
    )
    await kubectl("set", "image", "deploy/web", "web=web:v10")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/replicas: 7/replicas: 8/" "$1"\n')
    editor.chmod(0o700)
    await kubectl("edit", "ro", "web", EDITOR=str(editor))
    edited = json.loads(await kubectl("get", "ro", "web", "-o", "json"))
    assert edited["spec"]["replicas"] == 8
    assert edited["spec"]["revisionHistoryLimit"] == 3
    assert edited["metadata"]["labels"] == {"tier": "front", "team": "a"}
    images = await kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
    assert images == "web:v10", "a strategic patch changes the container of that name and adds none"
    refused = await kubectl.run("patch", "ro", "web", "-p", '{"spec":{"replicas":1}}')
    assert "application/strategic-merge-patch+json is not supported by argoproj.io/v1alpha1" in refused.err


async def test_what_is_wrong_is_said_before_it_is_stored(kubectl: Kubectl) -> None:
    body = rollout()
    body["spec"]["replicsa"] = 3
    assert 'unknown field "spec.replicsa"' in (await kubectl.run("apply", "-f", "-", stdin=body)).err
    warned = await kubectl.run("apply", "--validate=warn", "--dry-run=server", "-f", "-", stdin=body)
    assert warned.code == 0
    assert 'Warning: unknown field "spec.replicsa"' in warned.err
    body = a_virtual_service()
    body["spec"]["http"][0]["route"][0]["weight"] = -1
    assert (
        "denied the request: configuration is invalid: weight -1 < 0"
        in (await kubectl.run("create", "-f", "-", stdin=body)).err
    )
    assert (await kubectl.run("get", "ro", "web")).code == 1


async def test_an_apply_on_the_server_knows_whose_field_is_whose(kubectl: Kubectl) -> None:
    assert "serverside-applied" in await kubectl("apply", "--server-side", "-f", "-", stdin=rollout())
    theirs = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {"replicas": 9},
    }
    apply = ("apply", "--server-side", "--field-manager=scaler", "-f", "-")
    assert 'conflict with "kubectl": .spec.replicas' in (await kubectl.run(*apply, stdin=theirs)).err
    await kubectl(*apply, "--force-conflicts", stdin=theirs)
    assert await kubectl("get", "ro", "web", "-o", "jsonpath={.spec.replicas}") == "9"


async def test_what_is_deleted_goes_with_what_it_owns(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=listed(rollout(), rollout("held", finalizers=["x.io/f"])))
    assert 'rollout.argoproj.io "web" deleted' in await kubectl("delete", "ro", "web", "--cascade=foreground", "--wait")
    held = await kubectl.run("delete", "ro", "held", "--timeout=1s")
    assert "timed out waiting for the condition" in held.err
    await kubectl("patch", "ro", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert (await kubectl.run("get", "ro", "held")).code == 1
    await kubectl("create", "namespace", "shop")
    await kubectl("-n", "shop", "create", "configmap", "settings", "--from-literal=a=b")
    assert 'namespace "shop" deleted' in await kubectl("delete", "namespace", "shop")


async def test_kubectl_waits_until_it_is_so(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=listed(rollout(), deployment()))
    async with kubectl.started("wait", "ro/web", "--for=jsonpath={.status.phase}=Healthy", "--timeout=20s") as waiting:
        await kubectl(
            "patch", "ro", "web", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Healthy"}}'
        )
        out, _ = await waiting.communicate()
        assert b"condition met" in out
    async with (
        kubectl.started("rollout", "status", "deploy/web", "--timeout=20s") as following,
        HttpApi(kubectl.server.connection) as api,
    ):
        assert following.stdout is not None
        assert b"Waiting for deployment" in await following.stdout.readline()
        status = {
            "observedGeneration": 1,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
            "readyReplicas": 2,
        }
        await api.patch(DEPLOYMENT, Key("default", "web"), {"status": status}, subresource="status")
        assert b"successfully rolled out" in (await following.communicate())[0]


async def test_kubernetes_own_kinds_are_created_by_name(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "api", "--image=api:v1", "--replicas=3", "--port=8080")
    await kubectl("create", "secret", "generic", "token", "--from-literal=k=v")
    await kubectl("create", "job", "once", "--image=busybox:1", "--", "sleep", "1")
    await kubectl("expose", "deploy", "api", "--port=80", "--target-port=8080")
    await kubectl("run", "single", "--image=web:v1")
    assert await kubectl("get", "deploy", "api", "-o", "jsonpath={.spec.replicas}") == "3"
    assert await kubectl("get", "secret", "token", "-o", "jsonpath={.data.k}") == "dg=="
    assert "80/TCP" in await kubectl("get", "svc", "api")
    assert header(await kubectl("get", "all"))[:3] == ["NAME", "READY", "STATUS"]


async def test_whoever_reaches_the_api_may_do_everything(kubectl: Kubectl) -> None:
    assert await kubectl("auth", "can-i", "delete", "rollouts") == "yes\n"
    assert "meshsim" in await kubectl("auth", "whoami")


async def test_events_are_found_by_what_they_are_about(kubectl: Kubectl) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"},
        "involvedObject": {
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "namespace": "default",
        },
        "type": "Normal",
        "reason": "RolloutPaused",
        "message": "Rollout is paused",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await kubectl("create", "-f", "-", stdin=listed(rollout(), event))
    assert "RolloutPaused" in await kubectl("get", "events")
    assert "RolloutPaused" in await kubectl("events", "--for", "rollout/web")
    none = await kubectl.run("events", "--for", "rollout/other")
    assert "No events found" in none.out + none.err


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    async with secured_apiserver(tmp_path / "data") as server:
        await Kubectl(server, tmp_path)("create", "-f", "-", stdin=rollout())
    async with secured_apiserver(tmp_path / "data") as server:
        kubectl = Kubectl(server, tmp_path)
        assert "web" in await eventually(lambda: kubectl("get", "ro"), within_s=20)


@contextlib.asynccontextmanager
async def a_pod_that_answers(kubectl: Kubectl) -> AsyncIterator[int]:
    """A pod on a node, and a port of its where a server answers with what it is sent."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    with serving("meshsim.runtime", "--kubeconfig", str(kubectl.server.kubeconfig), "--port", "0", "--drain", "0s"):
        await kubectl("create", "-f", "-", stdin=pod())
        await kubectl("wait", "pod/web-1-a", "--for=condition=Ready", "--timeout=20s")
        ip = await kubectl("get", "pod", "web-1-a", "-o", "jsonpath={.status.podIP}")
        async with await asyncio.start_server(echo, ip, 0) as server:
            yield server.sockets[0].getsockname()[1]


async def forwarded_port(forwarding: asyncio.subprocess.Process) -> int:
    """The local port that kubectl says it forwards."""
    assert forwarding.stdout is not None
    told = (await forwarding.stdout.readline()).decode()
    return int(told.split(" -> ")[0].rpartition(":")[2])


async def test_ports_of_a_pod_are_forwarded(kubectl: Kubectl) -> None:
    async with (
        a_pod_that_answers(kubectl) as port,
        kubectl.started("port-forward", "pod/web-1-a", f":{port}", ":1") as forwarding,
    ):
        local, closed = await forwarded_port(forwarding), None
        while closed is None or closed == local:
            # Each port is told once an address.
            closed = await forwarded_port(forwarding)
        sent = bytes(range(256)) * 4096
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", local)
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(20):
                assert await reader.read(-1) == sent
            writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", closed)
        writer.write(b"?")
        assert forwarding.stderr is not None
        async with asyncio.timeout(20):
            assert b"cannot reach port 1" in await forwarding.stderr.readline()
        writer.close()


async def test_what_is_no_longer_in_the_manifests_is_pruned(kubectl: Kubectl) -> None:
    both = [each | {"metadata": each["metadata"] | {"labels": {"part": "of-it"}}} for each in (deployment(), service())]
    await kubectl("apply", "-f", "-", stdin=listed(*both))
    out = await kubectl("apply", "-f", "-", "--prune", "-l", "part=of-it", stdin=both[0])
    assert out.splitlines() == ["deployment.apps/web unchanged", "service/web pruned"]


async def test_who_wants_what_nothing_would_act_on_is_told(kubectl: Kubectl) -> None:
    assert (await kubectl.run("get", "statefulsets,daemonsets")).err == "No resources found in default namespace.\n"
    refused = await kubectl.run("create", "cronjob", "tick", "--image=x", "--schedule=* * * * *")
    assert "cronjobs.batch are not emulated: nothing here would act on one" in refused.err
    assert "No resource quota." in await kubectl("describe", "namespace", "default")
