"""Integration tests of the lives of pods: a real kubelet and real servers, on a clock that jumps."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import CONFIG_MAP, EVENT, NODE, POD
from meshsim.api.meta import Key
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import VirtualClock
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.containers.containers import Sandbox
from meshsim.runtime.simulated.simulated import SimulatedContainer
from tests.kits.eventually import eventually
from tests.kits.manifests import config_map
from tests.kits.node import RunningNode, new_api, running_node
from tests.kits.pods import READINESS, conditions_of, pod_named, pod_object, pod_with, port_of, ready_pod, url_of

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def node() -> AsyncIterator[RunningNode]:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock) as node:
        yield node


async def is_gone(node: RunningNode, name: str) -> bool:
    try:
        await pod_named(node.api, name)
    except NotFoundError:
        return True
    return False


async def started(node: RunningNode, obj: Object) -> Object:
    """Create the pod and let it become ready."""
    created = await node.api.create(POD, obj)
    await eventually(lambda: created["metadata"]["uid"] in node.kubelet.workers)
    await node.clock.advance(1.0)
    return await eventually(lambda: ready_pod(node.api, created["metadata"]["name"]))


async def get(pod: Object, path: str = "/") -> tuple[int, dict[str, str], Any]:
    async with aiohttp.ClientSession() as session, session.get(url_of(pod, path)) as answer:
        return answer.status, dict(answer.headers), await answer.json()


async def annotate(node: RunningNode, name: str, annotation: str, value: str) -> None:
    """Change how a live pod behaves."""
    patch = {"metadata": {"annotations": {f"meshsim.dev/{annotation}": value}}}
    await node.api.patch(POD, Key("default", name), patch)


def requests_of(node: RunningNode, pod: Object) -> int:
    return container_of(node, pod).requests


def container_of(node: RunningNode, pod: Object) -> SimulatedContainer:
    """What runs the only container of the pod."""
    (worker,) = node.kubelet.workers[pod["metadata"]["uid"]].containers
    assert isinstance(worker.running, SimulatedContainer)
    return worker.running


def sandbox_of(pod: Object) -> Sandbox:
    return Sandbox(pod["status"]["podIP"], {8080: port_of(pod)})


async def is_refused(sandbox: Sandbox) -> bool:
    try:
        _, writer = await asyncio.open_connection(sandbox.ip, sandbox.port(8080))
    except OSError:
        return True
    writer.close()
    return False


async def test_a_pod_starts_within_a_second_and_is_ready_only_after_that(node: RunningNode) -> None:
    await node.api.create(POD, pod_object("a"))
    created_at = node.clock.now()
    await eventually(lambda: len(node.kubelet.workers) == 1)
    await node.clock.advance(0.9)
    waiting = await eventually(lambda: pod_with(node.api, "a", "PodScheduled"))
    assert (waiting["status"]["phase"], waiting["spec"]["nodeName"]) == ("Pending", "node")
    assert conditions_of(waiting)["Ready"] == "False"
    await node.clock.advance(0.1)
    ready = await eventually(lambda: ready_pod(node.api, "a"))
    since = next(each for each in ready["status"]["conditions"] if each["type"] == "Ready")["lastTransitionTime"]
    assert ready["status"]["phase"] == "Running"
    assert from_rfc3339(since) - created_at >= 1


async def test_a_ready_pod_answers_at_its_own_address_on_its_container_port(node: RunningNode) -> None:
    first, second = await started(node, pod_object("a")), await started(node, pod_object("b", image="web:v2"))
    assert first["status"]["podIP"] != second["status"]["podIP"]
    for pod, name, version in ((first, "a", "v1"), (second, "b", "v2")):
        status, headers, body = await get(pod, "/x")
        assert (status, headers["x-version"], body["version"], body["pod"]) == (200, version, version, name)


async def test_a_pod_without_a_probe_is_ready_as_soon_as_it_runs(node: RunningNode) -> None:
    pod = await started(node, pod_object("a", probe=None))
    assert (await get(pod))[0] == 200


async def test_a_pod_is_not_ready_until_its_probe_passes(node: RunningNode) -> None:
    probe = {"tcpSocket": {"port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 3}
    created = await node.api.create(POD, pod_object("a", probe=probe, annotations={"meshsim.dev/startup-delay": "7s"}))
    worker = await eventually(lambda: node.kubelet.workers[created["metadata"]["uid"]], ignoring=(KeyError,))
    created_at = node.clock.now()
    await node.clock.advance(1.0)
    await eventually(lambda: pod_with(node.api, "a", "PodReadyToStartContainers"))
    assert await is_refused(worker.sandbox)

    async def in_time() -> Object:
        await node.clock.advance(0.25)
        return await ready_pod(node.api, "a")

    # It runs after 1 s and listens after 8 s; it is probed after 6 s, in vain, and 3 s later.
    await eventually(in_time)
    assert 9 <= node.clock.now() - created_at < 12


@pytest.mark.parametrize("port", [8081, "nameless"], ids=["nobody listens", "no such name"])
async def test_a_probe_that_never_passes_leaves_the_pod_running_and_not_ready(
    node: RunningNode, port: int | str
) -> None:
    probe = {"httpGet": {"path": "/", "port": port}}
    created = await node.api.create(POD, pod_object("a", probe=probe))
    await eventually(lambda: created["metadata"]["uid"] in node.kubelet.workers)
    await node.clock.advance(60)
    pod = await eventually(lambda: pod_with(node.api, "a", "PodReadyToStartContainers"))
    assert (pod["status"]["phase"], conditions_of(pod)["Ready"]) == ("Running", "False")


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        ({"httpGet": {"path": "/up", "port": 8081}}, 'Get "http://{0}:8081/up": dial tcp {0}:8081'),
        ({"tcpSocket": {"port": 8081}}, "dial tcp {0}:8081"),
    ],
)
async def test_a_probe_that_nobody_answers_says_so_in_the_kubelets_words(
    node: RunningNode, handler: Object, what: str
) -> None:
    await node.api.create(POD, pod_object("a", probe=handler))
    await eventually(lambda: node.kubelet.workers)
    await node.clock.advance(2)

    async def told() -> bool:
        pod = await pod_named(node.api, "a")
        said = [event["message"] for event in (await node.api.list(EVENT)).items if event["reason"] == "Unhealthy"]
        refused = f"{what.format(pod['status']['podIP'])}: connect: connection refused"
        return said == [f"Readiness probe failed: {refused}"]

    await eventually(told, ignoring=(KeyError,))


async def test_a_pod_that_fails_its_probe_three_times_is_no_longer_ready(node: RunningNode) -> None:
    pod = await started(node, pod_object("a", probe=READINESS | {"periodSeconds": 5}))
    await annotate(node, "a", "healthy", "false")
    await eventually(lambda: not container_of(node, pod).behaviour.healthy)
    failing_since = node.clock.now()

    async def in_time() -> Object:
        await node.clock.advance(0.5)
        return await pod_with(node.api, "a", "Ready", "False")

    await eventually(in_time)
    assert 10 < node.clock.now() - failing_since < 20


async def test_a_readiness_gate_opens_the_pod_at_once(node: RunningNode) -> None:
    obj = pod_object("a")
    obj["spec"]["readinessGates"] = [{"conditionType": "mesh/synced"}]
    await node.api.create(POD, obj)
    await eventually(lambda: len(node.kubelet.workers) == 1)
    await node.clock.advance(1)
    held = await eventually(lambda: pod_with(node.api, "a", "ContainersReady"))
    assert conditions_of(held)["Ready"] == "False"
    opened = [*held["status"]["conditions"], {"type": "mesh/synced", "status": "True"}]
    await node.api.patch(POD, Key("default", "a"), {"status": {"conditions": opened}}, subresource="status")
    ready = await eventually(lambda: ready_pod(node.api, "a"))
    assert conditions_of(ready)["mesh/synced"] == "True"


async def test_behaviour_changes_on_a_live_pod(node: RunningNode) -> None:
    pod = await started(node, pod_object("a"))
    await annotate(node, "a", "error-rate", "100%")

    async def fails() -> bool:
        return (await get(pod))[0] == 500

    await eventually(fails)
    await annotate(node, "a", "error-rate", "often")
    assert await fails(), "nonsense changes nothing"


async def test_a_pod_whose_annotations_make_no_sense_says_so_and_starts_once_they_do(node: RunningNode) -> None:
    created = await node.api.create(POD, pod_object("a", annotations={"meshsim.dev/latency-p50": "fast"}))
    await eventually(lambda: created["metadata"]["uid"] in node.kubelet.workers)
    await node.clock.advance(1)

    async def complains() -> bool:
        (status,) = (await pod_named(node.api, "a"))["status"]["containerStatuses"]
        waiting = status["state"]["waiting"]
        return waiting["reason"] == "CreateContainerConfigError" and "latency-p50" in waiting["message"]

    await eventually(complains, ignoring=(KeyError,))
    await annotate(node, "a", "latency-p50", "1ms")
    await eventually(lambda: ready_pod(node.api, "a"))


async def test_a_pod_starts_once_the_config_map_is_there_that_its_environment_comes_from(node: RunningNode) -> None:
    obj = pod_object("web-1")
    obj["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    await node.api.create(POD, obj)
    await eventually(lambda: node.kubelet.workers)
    await node.clock.advance(1.0)

    async def complains() -> bool:
        (status,) = (await pod_named(node.api, "web-1"))["status"]["containerStatuses"]
        refusal = {"reason": "CreateContainerConfigError", "message": 'configmap "settings" not found'}
        return bool(status["state"]["waiting"] == refusal)

    await eventually(complains, ignoring=(KeyError,))
    await node.api.create(CONFIG_MAP, config_map(data={"MODE": "fast"}))
    await node.clock.advance(11.0)
    assert await eventually(lambda: ready_pod(node.api, "web-1"))


async def test_a_deleted_pod_serves_on_for_a_moment_then_finishes_and_goes() -> None:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock, drain_s=0.3) as node:
        pod = await started(node, pod_object("a", annotations={"meshsim.dev/latency-p50": "500ms"}))
        async with aiohttp.ClientSession() as session:
            url = url_of(pod)
            in_flight = asyncio.ensure_future(session.get(url))  # noqa: TID251 - awaited below
            await eventually(lambda: requests_of(node, pod) == 1)
            await node.api.delete(POD, Key("default", "a"))
            assert (await pod_named(node.api, "a"))["metadata"]["deletionTimestamp"]
            async with session.get(url) as new:
                assert (new.status, new.headers["connection"]) == (200, "close")
            async with await in_flight as old:
                assert old.status == 200
        await eventually(lambda: is_gone(node, "a"))
        assert await is_refused(sandbox_of(pod))


async def test_the_grace_period_ends_a_pod_that_does_not_finish(node: RunningNode) -> None:
    pod = await started(node, pod_object("a", annotations={"meshsim.dev/latency-p50": "1h"}))
    _, writer = await asyncio.open_connection(pod["status"]["podIP"], port_of(pod))
    writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    await eventually(lambda: requests_of(node, pod) == 1)
    await node.api.delete(POD, Key("default", "a"), grace_s=5)
    await eventually(lambda: is_refused(sandbox_of(pod)))
    await node.clock.advance(4.9)
    assert not await is_gone(node, "a")
    await node.clock.advance(0.2)
    await eventually(lambda: is_gone(node, "a"))
    writer.close()


async def test_a_pod_that_is_deleted_by_force_is_gone_at_once(node: RunningNode) -> None:
    pod = await started(node, pod_object("a"))
    await node.api.delete(POD, Key("default", "a"), grace_s=0)
    assert await is_gone(node, "a")
    await eventually(lambda: is_refused(sandbox_of(pod)))
    assert node.kubelet.workers == {}


async def test_a_node_that_restarts_serves_its_pods_again_where_they_were() -> None:
    clock = VirtualClock()
    api = new_api(clock)
    async with running_node(api, clock) as node:
        before = await started(node, pod_object("a"))
    assert await is_refused(sandbox_of(before))
    async with running_node(api, clock) as node:
        await eventually(lambda: answers(before))
        after = await pod_named(api, "a")
    assert after["status"] == before["status"]


async def answers(pod: Object) -> bool:
    try:
        return (await get(pod))[0] == 200
    except aiohttp.ClientError:
        return False


async def test_a_pod_of_another_node_is_left_alone(node: RunningNode) -> None:
    other = pod_object("other")
    other["spec"]["nodeName"] = "elsewhere"
    await node.api.create(POD, other)
    await started(node, pod_object("a"))
    assert [worker.pod.metadata.name for worker in node.kubelet.workers.values()] == ["a"]


async def test_without_loopback_aliases_a_pod_has_a_port_of_its_own() -> None:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock, has_aliases=False) as node:
        pod = await started(node, pod_object("a"))
        _, _, port = pod["metadata"]["annotations"]["meshsim.dev/ports"].partition("=")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
            assert (pod["status"]["podIP"], answer.headers["x-version"]) == ("127.0.0.1", "v1")


async def test_a_pod_whose_port_somebody_has_everywhere_is_reached_at_another(node: RunningNode) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        obj = pod_object("a", probe={"tcpSocket": {"port": port}})
        obj["spec"]["containers"][0]["ports"] = [{"containerPort": port}]
        pod = await started(node, obj)
        written, _, listening = pod["metadata"]["annotations"]["meshsim.dev/ports"].partition("=")
        url = f"http://{pod['status']['podIP']}:{listening}/"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert (int(written), answer.headers["x-version"]) == (port, "v1")


async def test_the_node_registers_and_is_ready(node: RunningNode) -> None:
    async def registered() -> bool:
        return conditions_of(await node.api.get(NODE, Key("", "node"))).get("Ready") == "True"

    await eventually(registered, ignoring=(NotFoundError,))


async def failed(node: RunningNode, name: str) -> Object:
    status: Object = (await pod_named(node.api, name))["status"]
    assert status["phase"] == "Failed", status
    return status


async def test_a_pod_is_ended_once_it_has_been_active_for_as_long_as_it_may(node: RunningNode) -> None:
    obj = pod_object("web")
    obj["spec"] |= {"activeDeadlineSeconds": 30}
    pod = await started(node, obj)
    await node.clock.advance(25)
    assert (await pod_named(node.api, "web"))["status"]["phase"] == "Running"
    await node.clock.advance(6)
    status = await eventually(lambda: failed(node, "web"))
    assert (status["reason"], status["message"]) == (
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    )
    assert "terminated" in status["containerStatuses"][0]["state"]
    assert conditions_of(await pod_named(node.api, "web"))["Ready"] == "False"
    with pytest.raises(aiohttp.ClientError):
        await get(pod)

    async def is_told() -> bool:
        events = (await node.api.list(EVENT)).items
        told = [(each["type"], each["message"]) for each in events if each["reason"] == "DeadlineExceeded"]
        return told == [("Normal", status["message"])]

    await eventually(is_told)
    await node.clock.advance(600)
    assert (await failed(node, "web"))["containerStatuses"][0]["restartCount"] == 0


async def test_a_deadline_that_is_set_while_a_pod_runs_counts_from_its_start(node: RunningNode) -> None:
    await started(node, pod_object("web"))
    await node.clock.advance(60)
    await node.api.patch(POD, Key("default", "web"), {"spec": {"activeDeadlineSeconds": 50}})
    assert (await eventually(lambda: failed(node, "web")))["reason"] == "DeadlineExceeded"


async def test_a_pod_that_never_came_up_is_ended_by_its_deadline_too(node: RunningNode) -> None:
    obj = pod_object("web")
    obj["spec"] |= {"activeDeadlineSeconds": 5}
    obj["spec"]["containers"][0]["image"] = "web:nonexistent"
    await node.api.create(POD, obj)

    async def fails() -> Object:
        await node.clock.advance(1)
        return await failed(node, "web")

    status = await eventually(fails)
    assert status["reason"] == "DeadlineExceeded"
    assert "waiting" in status["containerStatuses"][0]["state"]


async def test_a_deadline_is_nothing_to_a_pod_that_has_done_its_work(node: RunningNode) -> None:
    obj = pod_object("web", probe=None, annotations={"meshsim.dev/run-time": "3s"})
    obj["spec"] |= {"activeDeadlineSeconds": 30, "restartPolicy": "Never"}
    await node.api.create(POD, obj)

    async def has_succeeded() -> bool:
        await node.clock.advance(1)
        return bool((await pod_named(node.api, "web"))["status"]["phase"] == "Succeeded")

    await eventually(has_succeeded)
    await node.clock.advance(60)
    await annotate(node, "web", "touched", "true")
    await node.clock.advance(60)
    assert (await pod_named(node.api, "web"))["status"]["phase"] == "Succeeded"
    assert "DeadlineExceeded" not in {each["reason"] for each in (await node.api.list(EVENT)).items}
