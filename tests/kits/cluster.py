"""An API server and a node in the test's own process, on a clock that runs fast; its programs are real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from meshsim.api.decode import Object
from meshsim.api.kinds import NODE, POD
from meshsim.api.meta import Key
from meshsim.apiserver.pods.nodes import kubelet_url
from meshsim.apiserver.server import api_server
from meshsim.client.api import ApiError
from meshsim.client.http import HttpApi
from meshsim.kit.clock import ScaledClock, start_epoch
from meshsim.kit.plane import Plane
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.__main__ import node_parser, run_node
from tests.kits.eventually import eventually
from tests.kits.pods import ready_pod

_SPEED = 20.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where it is."""

    url: str
    api: HttpApi
    node_url: str

    async def pod(self, name: str, *containers: Object, **spec: object) -> Object:
        """A pod of these containers, once it is ready."""
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [*containers], **spec},
        }
        await self.api.create(POD, body)
        return await eventually(lambda: ready_pod(self.api, name))

    async def pod_ip(self, name: str) -> str:
        """Where a pod is."""
        ip = (await self.api.get(POD, Key("default", name)))["status"]["podIP"]
        assert isinstance(ip, str)
        return ip


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """Run both until the block ends."""
    epoch = start_epoch(_SPEED)
    async with api_server(ScaledClock(epoch)) as server, TaskOwner() as tasks:
        url = f"http://{await server.listen('127.0.0.1', 0)}"
        words = ["--api", url, "--port", "0", "--drain", "0s", "--clock", epoch.to_text()]
        # argparse looks for the translations of its sentences.
        flags = await asyncio.to_thread(lambda: node_parser().parse_args(words))
        plane = Plane(flags)
        life = tasks.start(run_node(plane, flags), "node")
        async with HttpApi(url) as api:
            try:
                yield Cluster(url, api, await eventually(lambda: _node_url(api), ignoring=(ApiError,)))
            finally:
                plane.stopping.set()
                await life


async def _node_url(api: HttpApi) -> str:
    return kubelet_url(await api.get(NODE, Key("", "meshsim")))
