"""`python -m controller`: the controllers as one process: of Rollouts and analyses, and a cluster's own."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from controller.analysis.providers.in_cluster import StandIn
from controller.analysis.providers.outbound import Outbound
from controller.analysis.providers.registry import Providers
from controller.controllers import RolloutControllers, add_cluster_controllers
from controller.counted import CountedApi
from controller.events import EventRecorder
from controller.instance import instance_selectors
from controller.leadership.elector import Elector
from controller.leadership.fence import FencedApi
from controller.leadership.plan import lease_of
from controller.leadership.process import is_gone, own_identity
from controller.manager import Manager
from controller.rollout.rules import ArgoVersion, Rules
from meshsim.api.validate.fields import label_value_errors
from meshsim.client.flags import add_api_flags, source_of
from meshsim.client.http import HttpApi
from meshsim.kit.address import Address
from meshsim.kit.flags import PlaneParser, port
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.kit.tasks import TaskOwner
from meshsim.telemetry.exposition import Sample
from meshsim.telemetry.pages import metrics_routes, serve_pages

_log: Final = logging.getLogger(__name__)


def main() -> int:
    """Reconcile until told to stop; returns the exit code."""
    parser = PlaneParser(prog="meshsim controller", description="Reconciles Rollouts and analyses.")
    add_api_flags(parser)
    parser.add_argument(
        "--port", type=port, default=8090, help="port of /metrics, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--argo-version",
        choices=list(ArgoVersion),
        default=ArgoVersion.V1_10,
        help="whose rules for traffic to follow (default %(default)s)",
    )
    parser.add_argument(
        "--instance-id",
        type=_label_value,
        default="",
        metavar="ID",
        help="handle only what has this in the label argo-rollouts.argoproj.io/controller-instance-id "
        "(default: only what lacks the label)",
    )
    parser.add_argument(
        "--without-rollouts",
        action="store_true",
        help="reconcile only what a cluster's own controllers do (ReplicaSets, Deployments, Jobs, autoscalers, "
        "disruption budgets): somebody else's runs Rollouts, analyses and experiments",
    )
    parser.add_argument("--no-hazard-warnings", action="store_true", help="emit no MeshsimHazard events")
    parser.add_argument(
        "--prometheus",
        default="",
        help="URL of the Prometheus that metrics without an address ask (ARGO_ROLLOUTS_PROMETHEUS_ADDRESS wins), and "
        "that answers for addresses inside a cluster, as http://prometheus.istio-system:9090, unknown here",
    )
    parser.add_argument(
        "--allow-metadata-addresses",
        action="store_true",
        help="let analyses reach link-local addresses and those of cloud metadata services",
    )
    add_plane_flags(parser)
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        await run_controller(plane, flags)

    return run_plane(serve, flags)


def _label_value(text: str) -> str:
    problems = label_value_errors(text)
    if problems:
        raise argparse.ArgumentTypeError(f'"{text}" is no label value: {problems[0]}')
    return text


async def run_controller(plane: Plane, flags: argparse.Namespace) -> None:
    """Wire the controllers together and run them until the plane stops."""

    def give_up(task: str, failure: Exception) -> None:
        # Half a controller is worse than none: whoever started it starts it again.
        _log.error("%s failed", task, exc_info=failure)
        plane.stopping.set()

    async with (
        HttpApi(source_of(flags), user_agent="meshsim-controller") as http,
        Outbound(reaches_metadata=flags.allow_metadata_addresses) as outbound,
        TaskOwner(give_up) as tasks,
    ):
        lease = lease_of(flags.instance_id, has_rollouts=not flags.without_rollouts)
        elector = Elector(http, lease, own_identity(), plane.clock, is_gone)
        api = CountedApi(FencedApi(http, lambda: elector.leads))
        recorder = EventRecorder(api, plane.clock)
        tasks.start(recorder.run(), "event recorder")
        rules = Rules(ArgoVersion(flags.argo_version), not flags.no_hazard_warnings)
        providers = Providers(api, plane.clock, outbound, StandIn(flags.prometheus), os.environ)
        selectors = instance_selectors(flags.instance_id)
        manager = Manager(api, plane.clock, give_up, selectors, lambda: elector.leads)
        add_cluster_controllers(manager, api, plane.clock, recorder)
        samples = api.samples
        if not flags.without_rollouts:
            samples = RolloutControllers(manager, api, plane.clock, recorder, rules, providers).samples

        def all_samples() -> Iterator[Sample]:
            yield from samples()
            yield from elector.samples()

        pages = web.Application()
        pages.add_routes(metrics_routes(all_samples))
        async with AsyncExitStack() as stack:
            address = await serve_pages(stack, pages, Address(flags.host, flags.port))
            plane.ready({"metrics": address})
            await _lead(plane, elector, manager, tasks)


async def _lead(plane: Plane, elector: Elector, manager: Manager, tasks: TaskOwner) -> None:
    """Stand by until this process leads, then reconcile until the plane stops; another one may lead right after."""
    competing = tasks.start(elector.run(), "leader election")
    won = tasks.start(elector.won(), "wait for the lease")
    stopped = tasks.start(plane.stopping.wait(), "wait for the end")
    await asyncio.wait((won, stopped), return_when=asyncio.FIRST_COMPLETED)
    if won.done():
        async with manager:
            await stopped
    competing.cancel()
    await asyncio.wait((competing,))
    await elector.release()


if __name__ == "__main__":
    sys.exit(main())
