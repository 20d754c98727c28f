"""`python -m meshsim.apiserver`: the API server as a process, and the dashboard that shows what is in it."""

import sys
from pathlib import Path

from meshsim.apiserver.server import api_server
from meshsim.dashboard.server import DashboardServer
from meshsim.kit.flags import PlaneParser, port
from meshsim.kit.plane import Plane, add_plane_flags, run_plane


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    parser = PlaneParser(prog="meshsim apiserver", description="A Kubernetes API without a cluster.")
    parser.add_argument(
        "--port", type=port, default=6443, help="port of the API, 0 for a free one (default %(default)s)"
    )
    parser.add_argument(
        "--dashboard-port",
        type=port,
        default=3100,
        help="port of the dashboard, 0 for a free one (default %(default)s)",
    )
    parser.add_argument(
        "--data-dir", type=Path, default=None, help="directory to keep the objects in (default: memory)"
    )
    parser.add_argument(
        "--stats", action="append", default=[], metavar="URL", help="a proxy's metrics for the dashboard, repeatable"
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name that this machine is reached by, repeatable",
    )
    parser.add_argument("--seed", type=int, default=None, help="repeat a run: the same generated names")
    add_plane_flags(parser)
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        async with api_server(plane.clock, flags.data_dir, allowed_hosts=flags.allowed_host, seed=flags.seed) as server:
            dashboard = DashboardServer(server.local, plane.clock, flags.stats, flags.allowed_host)
            try:
                api = await server.listen(flags.host, flags.port)
                plane.ready({"api": api, "dashboard": await dashboard.listen(flags.host, flags.dashboard_port)})
                await plane.stopping.wait()
            finally:
                await dashboard.close()

    return run_plane(serve, flags)


if __name__ == "__main__":
    sys.exit(main())
