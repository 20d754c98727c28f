"""`python -m controller`: the controllers as one process: Rollouts and ReplicaSets."""

import argparse
import logging
import sys
from collections.abc import Iterator
from typing import Final

from controller.events import EventRecorder
from controller.manager import Manager
from controller.metrics import CountingRecorder, MeasuredReconciler, Reconciles, controller_info, rollout_samples
from controller.replicaset.reconciler import setup as setup_replica_sets
from controller.rollout.cache import Cache
from controller.rollout.reconciler import RolloutReconciler, rollout_watches
from controller.rollout.rules import ArgoVersion, Rules
from controller.server import MetricsServer
from meshsim.api.kinds import ROLLOUT
from meshsim.client.api import Api
from meshsim.client.http import HttpApi
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.kit.tasks import TaskOwner
from meshsim.telemetry.exposition import Sample

_log: Final = logging.getLogger(__name__)


def main() -> int:
    """Reconcile until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m controller", description="Reconciles Rollouts and ReplicaSets.")
    parser.add_argument("--api", required=True, help="URL of the API")
    parser.add_argument(
        "--port", type=int, default=8090, help="port of /metrics, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--argo-version",
        choices=list(ArgoVersion),
        default=ArgoVersion.V1_10,
        help="whose rules for traffic to follow (default %(default)s)",
    )
    parser.add_argument("--no-hazard-warnings", action="store_true", help="emit no MeshsimHazard events")
    add_plane_flags(parser)
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        await run_controller(plane, flags)

    return run_plane(serve, flags)


async def run_controller(plane: Plane, flags: argparse.Namespace) -> None:
    """Wire the controllers together and run them until the plane stops."""

    def give_up(task: str, failure: Exception) -> None:
        # Half a controller is worse than none: whoever started it starts it again.
        _log.error("%s failed", task, exc_info=failure)
        plane.stopping.set()

    async with HttpApi(flags.api, user_agent="meshsim-controller") as api, TaskOwner(give_up) as tasks:
        recorder = EventRecorder(api, plane.clock)
        tasks.start(recorder.run(), "event recorder")
        rules = Rules(ArgoVersion(flags.argo_version), not flags.no_hazard_warnings)
        controllers = Controllers(plane, api, recorder, rules)
        async with MetricsServer(controllers.samples) as server:
            address = await server.listen(flags.host, flags.port)
            async with controllers.manager:
                plane.ready({"metrics": address})
                await plane.stopping.wait()


class Controllers:
    """Everything that reconciles, and what it reports."""

    def __init__(self, plane: Plane, api: Api, recorder: EventRecorder, rules: Rules) -> None:
        self.manager = Manager(api, plane.clock)
        self._recorder = CountingRecorder(recorder)
        self._reconciles = Reconciles(ROLLOUT)
        cache = Cache(self.manager.informer)
        self._rollouts = cache.informers[ROLLOUT]
        reconciler = RolloutReconciler(api, cache, plane.clock, self._recorder, rules)
        measured = MeasuredReconciler(reconciler, plane.clock, self._reconciles)
        self.manager.add("rollout", measured, rollout_watches(cache))
        setup_replica_sets(self.manager, api, plane.clock)

    def samples(self) -> Iterator[Sample]:
        """All series of `/metrics`."""
        yield from controller_info()
        yield from rollout_samples(self._rollouts)
        yield from self._reconciles.samples()
        yield from self._recorder.samples()


if __name__ == "__main__":
    sys.exit(main())
