"""Integration tests of init containers and sidecars: their order, their failures, their end."""

import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.apiserver.answers.pod_columns import pod_cells
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import VirtualClock
from tests.kits.eventually import eventually
from tests.kits.node import RunningNode, new_api, running_node
from tests.kits.pods import pod_named, pod_object, ready_pod

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def node() -> AsyncIterator[RunningNode]:
    clock = VirtualClock()
    async with running_node(new_api(clock), clock) as node:
        yield node


def prepared_pod(*init: Object, policy: str = "Always", **annotations: str) -> Object:
    known = {f"meshsim.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    obj = pod_object("a", probe=None, annotations=known)
    obj["spec"] |= {"initContainers": [{"image": "init:v1", **each} for each in init], "restartPolicy": policy}
    return obj


def program(name: str, script: str, **container: Any) -> Object:
    return {"name": name, "command": ["sh", "-c", script], **container}


SIDECAR: Object = {"name": "mesh", "restartPolicy": "Always"}


async def created(node: RunningNode, obj: Object) -> None:
    made = await node.api.create(POD, obj)
    await eventually(lambda: made["metadata"]["uid"] in node.kubelet.workers)


async def pod_that(node: RunningNode, holds: Callable[[Object], bool], *, step_s: float = 0.5) -> Object:
    """The pod once that holds, while time goes on."""

    async def found() -> Object:
        await node.clock.advance(step_s)
        pod = await pod_named(node.api, "a")
        assert holds(pod), pod["status"]
        return pod

    return await eventually(found, within_s=10, ignoring=(KeyError, IndexError))


def column(text: str) -> Callable[[Object], bool]:
    return lambda pod: pod_cells(pod).status == text


def ends(pod: Object, part: str = "initContainerStatuses") -> list[int | None]:
    return [each["state"].get("terminated", {}).get("exitCode") for each in pod["status"][part]]


async def test_init_containers_run_one_after_the_other_and_then_the_pod_starts(node: RunningNode) -> None:
    await created(node, prepared_pod({"name": "one"}, {"name": "two"}, init_time="5s"))
    await node.clock.advance(3)
    first = await pod_that(node, column("Init:0/2"), step_s=0)
    assert [next(iter(each["state"])) for each in first["status"]["initContainerStatuses"]] == ["running", "waiting"]
    assert first["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert first["status"]["phase"] == "Pending"
    await node.clock.advance(6)
    await pod_that(node, column("Init:1/2"), step_s=0)
    await node.clock.advance(10)
    ready = await eventually(lambda: ready_pod(node.api, "a"))
    assert (pod_cells(ready).status, ends(ready)) == ("Running", [0, 0])


async def test_programs_can_prepare_a_simulated_pod(node: RunningNode) -> None:
    await created(node, prepared_pod(program("migrate", "echo migrated")))
    ready = await pod_that(node, column("Running"))
    assert ends(ready) == [0]
    worker = node.kubelet.container("default", "a", "migrate")
    assert worker is not None
    assert worker.running is not None
    assert [line.text for line in worker.running.log.lines()] == [b"migrated"]


async def test_an_init_container_that_fails_is_tried_again_and_holds_the_pod_back(node: RunningNode) -> None:
    await created(node, prepared_pod(program("migrate", "exit 3")))
    waiting = await pod_that(node, column("Init:CrashLoopBackOff"))
    (init,) = waiting["status"]["initContainerStatuses"]
    assert (waiting["status"]["phase"], init["lastState"]["terminated"]["exitCode"]) == ("Pending", 3)
    assert [next(iter(each["state"])) for each in waiting["status"]["containerStatuses"]] == ["waiting"]


async def test_an_init_container_that_fails_ends_a_pod_that_is_never_restarted(node: RunningNode) -> None:
    await created(node, prepared_pod(SIDECAR, program("migrate", "exit 3"), policy="Never"))
    failed = await pod_that(node, lambda pod: pod["status"]["phase"] == "Failed" and ends(pod)[0] is not None)
    assert (pod_cells(failed).status, ends(failed)) == ("Init:Error", [0, 3])


async def test_an_init_container_whose_image_cannot_be_had_says_so(node: RunningNode) -> None:
    await created(node, prepared_pod({"name": "one", "image": "does-not-exist:v1"}))
    await pod_that(node, column("Init:ImagePullBackOff"))


async def test_a_sidecar_runs_beside_the_pod_and_is_restarted_when_it_ends(node: RunningNode) -> None:
    await created(node, prepared_pod(program("mesh", "sleep 60", restartPolicy="Always")))
    ready = await pod_that(node, lambda pod: pod_cells(pod).ready == "2/2")
    assert next(iter(ready["status"]["initContainerStatuses"][0]["state"])) == "running"
    sidecar = node.kubelet.container("default", "a", "mesh")
    assert sidecar is not None
    sidecar.kill()
    await pod_that(node, lambda pod: pod_cells(pod).restarts == 1 and pod_cells(pod).ready == "2/2")


async def test_the_pod_waits_for_its_sidecar_to_have_started(node: RunningNode) -> None:
    probe = {"startupProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 20}}
    await created(node, prepared_pod(SIDECAR | probe))
    await node.clock.advance(15)
    await pod_that(node, column("Init:0/1"), step_s=0)
    await node.clock.advance(10)
    await eventually(lambda: ready_pod(node.api, "a"))


async def test_sidecars_end_when_the_pods_work_is_done(node: RunningNode) -> None:
    await created(node, prepared_pod(SIDECAR, SIDECAR | {"name": "logs"}, policy="Never", run_time="5s"))
    done = await pod_that(node, lambda pod: pod["status"]["phase"] == "Succeeded")
    assert (ends(done), ends(done, "containerStatuses")) == ([0, 0], [0])
    assert pod_cells(done).status == "Completed"


async def test_a_sidecar_ends_after_the_containers_that_may_need_it(node: RunningNode) -> None:
    obj = prepared_pod(program("mesh", "trap 'echo told' TERM; while :; do sleep 0.02; done", restartPolicy="Always"))
    obj["spec"]["containers"][0] |= {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
    await created(node, obj)
    await pod_that(node, lambda pod: pod_cells(pod).ready == "2/2")
    sidecar = node.kubelet.container("default", "a", "mesh")
    assert sidecar is not None
    assert sidecar.running is not None
    log = sidecar.running.log
    await node.api.delete(POD, Key("default", "a"))
    main = node.kubelet.container("default", "a", "web")
    assert main is not None

    async def main_has_ended() -> bool:
        assert not log.lines()
        await node.clock.advance(0.5)
        return main.running is not None and main.running.exit is not None

    await eventually(main_has_ended)
    await eventually(lambda: b"told" in [line.text for line in log.lines()])
    await eventually(lambda: is_gone_in_time(node))


async def is_gone_in_time(node: RunningNode) -> bool:
    await node.clock.advance(5)
    try:
        await pod_named(node.api, "a")
    except NotFoundError:
        return True
    return False


async def test_a_pod_that_is_deleted_while_it_prepares_ends_what_runs_and_starts_nothing_more(
    node: RunningNode,
) -> None:
    await created(node, prepared_pod(program("migrate", "exec sleep 60")))
    await pod_that(node, lambda pod: "running" in pod["status"]["initContainerStatuses"][0]["state"])
    init, main = (node.kubelet.container("default", "a", name) for name in ("migrate", "web"))
    assert init is not None
    assert main is not None
    await node.api.delete(POD, Key("default", "a"))
    await eventually(lambda: is_gone_in_time(node))
    assert init.running is not None
    assert ((await init.running.wait()).code, main.running) == (128 + signal.SIGTERM, None)


async def test_a_node_that_restarts_does_not_prepare_a_pod_again() -> None:
    clock = VirtualClock()
    api = new_api(clock)
    async with running_node(api, clock) as node:
        await created(node, prepared_pod({"name": "one"}, SIDECAR))
        before = await pod_that(node, lambda pod: pod_cells(pod).ready == "2/2")
    async with running_node(api, clock) as node:
        await eventually(lambda: len(node.kubelet.workers) == 1)
        await clock.advance(5)
        after = await eventually(lambda: ready_pod(api, "a"))
    assert after["status"] == before["status"]
