"""Integration tests of Jobs: the controller, the kubelet and pods that run to their end."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.events import EventRecorder
from controller.job.reconciler import setup
from controller.manager import Manager
from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT, JOB, POD
from meshsim.api.meta import Key
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from tests.kits.eventually import eventually
from tests.kits.node import RunningNode, new_api, running_node

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def running() -> AsyncIterator[RunningNode]:
    clock = VirtualClock()
    api = new_api(clock)
    manager = Manager(api, clock)
    recorder = EventRecorder(api, clock)
    setup(manager, api, clock, recorder)
    async with running_node(api, clock) as node, manager, TaskOwner() as tasks:
        tasks.start(recorder.run(), "event recorder")
        yield node


def job_object(container: Object, annotations: Object | None = None, **spec: Any) -> Object:
    template = {
        "metadata": {"annotations": annotations or {}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "job:v1", **container}]},
    }
    return {"metadata": {"name": "job", "namespace": "default"}, "spec": {"template": template, **spec}}


async def ended(node: RunningNode) -> tuple[str, str]:
    """The condition and the reason with which the job ended, while time goes on."""

    async def has_ended() -> Object:
        await node.clock.advance(1)
        (condition,) = (await node.api.get(JOB, Key("default", "job")))["status"]["conditions"]
        found: Object = condition
        return found

    condition = await eventually(has_ended, within_s=10, ignoring=(KeyError, ValueError))
    return condition["type"], condition["reason"]


async def codes(node: RunningNode) -> list[int]:
    return [
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
        for pod in (await node.api.list(POD)).items
    ]


async def test_a_command_that_ends_well_completes_its_job() -> None:
    async with running() as node:
        await node.api.create(JOB, job_object({"command": [sys.executable, "-c", "print('done')"]}))
        assert await ended(node) == ("Complete", "CompletionsReached")
        assert await codes(node) == [0]
        status = (await node.api.get(JOB, Key("default", "job")))["status"]
        assert (status["succeeded"], "completionTime" in status) == (1, True)


async def test_a_command_that_fails_is_tried_again_until_the_limit() -> None:
    async with running() as node:
        await node.api.create(JOB, job_object({"command": ["sh", "-c", "exit 4"]}, backoffLimit=1))
        assert await ended(node) == ("Failed", "BackoffLimitExceeded")
        assert await codes(node) == [4, 4]


async def test_a_job_that_takes_too_long_is_ended() -> None:
    async with running() as node:
        await node.api.create(JOB, job_object({"command": ["sleep", "600"]}, activeDeadlineSeconds=5))
        assert await ended(node) == ("Failed", "DeadlineExceeded")


@pytest.mark.parametrize(("code", "end"), [("0", "Complete"), ("3", "Failed")])
async def test_a_simulated_container_of_a_job_ends_as_its_annotations_say(code: str, end: str) -> None:
    annotations = {"meshsim.dev/run-time": "5s", "meshsim.dev/exit-code": code}
    async with running() as node:
        await node.api.create(JOB, job_object({}, annotations, backoffLimit=0))
        assert (await ended(node))[0] == end
        assert await codes(node) == [int(code)]


async def told(node: RunningNode) -> list[tuple[str, str, str]]:
    """Type, reason and message of what the controller told of the job."""
    events = [each for each in (await node.api.list(EVENT)).items if each["involvedObject"]["kind"] == "Job"]
    assert {each["source"]["component"] for each in events} == {"job-controller"}
    return sorted((each["type"], each["reason"], each["message"]) for each in events)


@pytest.mark.parametrize(
    ("container", "spec", "expected"),
    [
        ({"command": ["true"]}, {}, [("Normal", "Completed", "Job completed")]),
        (
            {"command": ["false"]},
            {"backoffLimit": 0},
            [("Warning", "BackoffLimitExceeded", "Job has reached the specified backoff limit")],
        ),
        (
            {"command": ["sleep", "600"]},
            {"activeDeadlineSeconds": 5},
            [
                ("Normal", "SuccessfulDelete", "Deleted pod: POD"),
                ("Warning", "DeadlineExceeded", "Job was active longer than specified deadline"),
            ],
        ),
    ],
    ids=["completed", "failed", "too late"],
)
async def test_what_becomes_of_a_job_is_told(
    container: Object, spec: Object, expected: list[tuple[str, str, str]]
) -> None:
    async with running() as node:
        await node.api.create(JOB, job_object(container, **spec))
        (name,) = await eventually(lambda: pod_names(node))
        await ended(node)
        wanted = sorted([("Normal", "SuccessfulCreate", f"Created pod: {name}"), *expected])
        wanted = [(kind, reason, message.replace("POD", name)) for kind, reason, message in wanted]

        async def is_told() -> bool:
            return await told(node) == wanted

        await eventually(is_told)


async def pod_names(node: RunningNode) -> list[str]:
    return [pod["metadata"]["name"] for pod in (await node.api.list(POD)).items]
