"""Integration tests of Jobs: the controller, the kubelet and pods that run to their end."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.job.reconciler import setup
from controller.manager import Manager
from meshsim.api.decode import Object
from meshsim.api.kinds import JOB, POD
from meshsim.api.meta import Key
from meshsim.kit.clock import VirtualClock
from tests.kits.eventually import eventually
from tests.kits.node import RunningNode, new_api, running_node

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def running() -> AsyncIterator[RunningNode]:
    clock = VirtualClock()
    api = new_api(clock)
    manager = Manager(api, clock)
    setup(manager, api, clock)
    async with running_node(api, clock) as node, manager:
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
