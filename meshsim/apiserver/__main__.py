"""`python -m meshsim.apiserver`: the API server as a process, and the dashboard that shows what is in it."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from meshsim.apiserver.access.flags import add_security_flags, check_security_flags, wishes_of
from meshsim.apiserver.server import api_server
from meshsim.dashboard.server import DashboardServer
from meshsim.kit.clock import LoopClock
from meshsim.kit.flags import PlaneParser, port
from meshsim.kit.hosts import is_loopback, reached_at
from meshsim.kit.plane import Plane, add_plane_flags, run_plane

if TYPE_CHECKING:
    from meshsim.apiserver.access.credentials import Credentials

_log: Final = logging.getLogger(__name__)


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
    parser.add_argument("--seed", type=int, default=None, help="repeat a run: the same generated names")
    add_security_flags(parser)
    add_plane_flags(parser)
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        check_security_flags(flags)
        if flags.insecure_http:
            await _serve(plane, flags, None)
        else:
            # Nine megabytes of cryptography, which only this needs.
            from meshsim.apiserver.access.credentials import credentials  # noqa: PLC0415

            with wishes_of(flags) as wishes:
                own = await asyncio.to_thread(credentials, wishes, LoopClock().now())
                await _serve(plane, flags, _Secured(own, flags.write_kubeconfig or wishes.directory / "kubeconfig"))

    return run_plane(serve, flags)


@dataclass(frozen=True, slots=True)
class _Secured:
    """What the server signs with, and where clients read how to sign in."""

    credentials: "Credentials"
    kubeconfig: Path


async def _serve(plane: Plane, flags: argparse.Namespace, secured: _Secured | None) -> None:
    tls, token = (secured.credentials.tls, secured.credentials.token) if secured is not None else (None, "")
    advertised = flags.advertise_host
    hosts = [*flags.allowed_host, *([advertised] if advertised else [])]
    async with api_server(plane.clock, flags.data_dir, allowed_hosts=hosts, token=token, seed=flags.seed) as server:
        is_private = is_loopback(flags.host)
        is_open = is_private or flags.insecure_bind
        if is_open and not is_private:
            _log.warning("everybody who reaches %s sees what the dashboard shows", flags.host)
        dashboard = DashboardServer(
            server.local, plane.clock, flags.stats, allowed_hosts=hosts, token="" if is_open else token
        )
        try:
            addresses = {"api": await server.listen(flags.host, flags.port, tls)}
            addresses["dashboard"] = await dashboard.listen(flags.host, flags.dashboard_port, None if is_open else tls)
            if secured is not None:
                host, port = advertised or reached_at(flags.host), int(addresses["api"].rpartition(":")[2])
                await asyncio.to_thread(secured.credentials.write_kubeconfig, secured.kubeconfig, host, port)
                addresses["kubeconfig"] = str(secured.kubeconfig.absolute())
            if flags.ready_fd is None:
                _tell(addresses)
            plane.ready(addresses)
            await plane.stopping.wait()
        finally:
            await dashboard.close()


def _tell(addresses: Mapping[str, str]) -> None:
    """Say where it is to the person who started it by hand."""
    kubeconfig = addresses.get("kubeconfig")
    api = f"https://{addresses['api']}   (kubeconfig: {kubeconfig})" if kubeconfig else f"http://{addresses['api']}"
    print(f"API         {api}", flush=True)  # noqa: T201 - people read this


if __name__ == "__main__":
    sys.exit(main())
