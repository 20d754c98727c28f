"""`python -m meshsim.runtime`: the node as a process: the kubelet and the EndpointSlice controller."""

import argparse
import asyncio
import logging
import sys
from contextlib import AsyncExitStack, aclosing
from ipaddress import ip_address
from typing import Final

from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, REPLICA_SET, SERVICE
from meshsim.api.lag import Lags, parse_lag
from meshsim.client.connection import Source
from meshsim.client.flags import add_api_flags, source_of
from meshsim.client.http import HttpApi
from meshsim.client.informer import Informer
from meshsim.kit.address import Address
from meshsim.kit.durations import DurationError, parse_duration
from meshsim.kit.errors import UsageError
from meshsim.kit.flags import PlaneParser, port
from meshsim.kit.hosts import is_any
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.events import PodEvents
from meshsim.runtime.endpoints.endpoints import Caches, EndpointsController
from meshsim.runtime.listening import has_aliases
from meshsim.runtime.pods.kubelet import Kubelet
from meshsim.runtime.pods.own_address import address_towards
from meshsim.runtime.pods.pod_worker import Node
from meshsim.runtime.pods.runtimes import Runtimes
from meshsim.runtime.served.guard import passes_of
from meshsim.runtime.served.pages import NodePages
from meshsim.telemetry.pages import serve_pages

_log: Final = logging.getLogger(__name__)


def main() -> int:
    """Run pods until told to stop; returns the exit code."""
    flags = node_parser().parse_args()

    async def serve(plane: Plane) -> None:
        await run_node(plane, flags)

    return run_plane(serve, flags)


def node_parser() -> PlaneParser:
    """The node's command line."""
    parser = PlaneParser(prog="meshsim node", description="Runs the pods and reports their endpoints.")
    add_api_flags(parser)
    parser.add_argument(
        "--port", type=port, default=10250, help="port of /metrics, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--node-ip",
        type=_ip,
        metavar="IP",
        help="address at which the API server reaches the node "
        "(default: --host, or where that is every address the one that reaches the API)",
    )
    parser.add_argument("--name", default="meshsim", help="name of the node (default %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run: the same chances in each pod")
    parser.add_argument("--lag", default="", metavar="HOP=DURATION,…", help="pass changes on late: endpoints=3s")
    parser.add_argument(
        "--drain", default="2s", help="real time that a terminating pod goes on serving (default %(default)s)"
    )
    parser.add_argument(
        "--shared-address",
        action="store_true",
        help="put all pods at 127.0.0.1, with ports of their own, as where a machine has no more loopback addresses",
    )
    add_plane_flags(parser)
    return parser


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not an IP address') from None


async def run_node(plane: Plane, flags: argparse.Namespace) -> None:
    """Wire the node together and run it until the plane stops."""
    try:
        lags, drain_s = Lags(parse_lag(flags.lag)), parse_duration(flags.drain)
    except DurationError as error:
        raise UsageError(f"--drain: {error}") from None

    def give_up(task: str, failure: Exception) -> None:
        # Half a node is worse than none: whoever started it starts it again.
        _log.error("%s failed", task, exc_info=failure)
        plane.stopping.set()

    source = source_of(flags)
    async with (
        AsyncExitStack() as stack,
        HttpApi(source, user_agent="meshsim-node") as api,
        aclosing(Runtimes(plane.clock, flags.seed, api)) as runtimes,
        TaskOwner(give_up) as tasks,
    ):
        pages = NodePages(lags, plane.clock, passes_of(api, flags.name))
        address = await serve_pages(stack, pages.app, Address(flags.host, flags.port))
        host, _, own_port = address.rpartition(":")

        async def own_address() -> str:
            return flags.node_ip or await _reached_at(host, source)

        caches = Caches(*(Informer(api, kind) for kind in (SERVICE, POD, ENDPOINT_SLICE, ENDPOINTS)))
        events = PodEvents(api, plane.clock, flags.name)
        node = Node(
            name=flags.name,
            api=api,
            clock=plane.clock,
            runtime=runtimes,
            learn=caches.pods.learn,
            lags=lags,
            events=events,
            port=int(own_port),
            address=own_address,
            has_aliases=not flags.shared_address and has_aliases(),
            drain_s=drain_s,
        )
        kubelet = Kubelet(node, caches.pods)
        controller = EndpointsController(api, caches, plane.clock, lags)
        replica_sets = Informer(api, REPLICA_SET)
        pages.show(kubelet, replica_sets)
        for informer in (*caches.all(), replica_sets):
            tasks.start(informer.run(), f"informer {informer.kind}")
        tasks.start(events.run(), "pod events")
        tasks.start(kubelet.run(), "kubelet")
        tasks.start(controller.run(), "endpoints controller")
        plane.ready({"node": address})
        await plane.stopping.wait()


async def _reached_at(host: str, source: Source) -> str:
    """Where the API server of this source reaches who listens on the host. Raises OSError while that is unknown."""
    if not is_any(host):
        return host
    return await asyncio.to_thread(lambda: address_towards(source.read().url))


if __name__ == "__main__":
    sys.exit(main())
