"""`python -m meshsim.runtime`: the node as a process: the kubelet and the EndpointSlice controller."""

import argparse
import logging
import sys
from contextlib import aclosing
from typing import Final

from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from meshsim.client.http import HttpApi
from meshsim.client.informer import Informer
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.addresses import has_aliases
from meshsim.runtime.endpoints import EndpointsController
from meshsim.runtime.kubelet import Kubelet
from meshsim.runtime.metrics import pod_samples
from meshsim.runtime.pod_worker import Node
from meshsim.runtime.runtimes import Runtimes
from meshsim.runtime.server import NodeServer

_log: Final = logging.getLogger(__name__)


def main() -> int:
    """Run pods until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="meshsim node", description="Runs the pods and reports their endpoints.")
    parser.add_argument("--api", required=True, help="URL of the API")
    parser.add_argument(
        "--port", type=int, default=10250, help="port of /metrics, 0 for a free one (default %(default)s)"
    )
    parser.add_argument("--name", default="meshsim", help="name of the node (default %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run: the same chances in each pod")
    add_plane_flags(parser)
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        await run_node(plane, flags)

    return run_plane(serve, flags)


async def run_node(plane: Plane, flags: argparse.Namespace) -> None:
    """Wire the node together and run it until the plane stops."""

    def give_up(task: str, failure: Exception) -> None:
        # Half a node is worse than none: whoever started it starts it again.
        _log.error("%s failed", task, exc_info=failure)
        plane.stopping.set()

    runtimes = Runtimes(plane.clock, flags.seed)
    async with (
        aclosing(runtimes),
        HttpApi(flags.api, user_agent="meshsim-node") as api,
        TaskOwner(give_up) as tasks,
    ):
        pods, services = Informer(api, POD), Informer(api, SERVICE)
        slices, endpoints = Informer(api, ENDPOINT_SLICE), Informer(api, ENDPOINTS)
        node = Node(flags.name, api, plane.clock, runtimes, pods.learn, has_aliases())
        kubelet = Kubelet(node, pods)
        controller = EndpointsController(api, services, pods, slices, endpoints)
        async with NodeServer(lambda: pod_samples(kubelet.workers.values())) as server:
            address = await server.listen(flags.host, flags.port)
            for informer in (pods, services, slices, endpoints):
                tasks.start(informer.run(), f"informer {informer.kind}")
            tasks.start(kubelet.run(), "kubelet")
            tasks.start(controller.run(), "endpoints controller")
            plane.ready({"node": address})
            await plane.stopping.wait()


if __name__ == "__main__":
    sys.exit(main())
