"""`python -m meshsim.sample`: the sample application as a process."""

import argparse
import os
import sys

from aiohttp import web

from meshsim.kit.chance import draws
from meshsim.kit.clock import LoopClock
from meshsim.kit.durations import parse_duration
from meshsim.kit.errors import StartError, UsageError
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from meshsim.sample.app import SampleApp, color_of, fault_of


def main() -> int:
    """Serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m meshsim.sample", description="Says which version answers, in colour."
    )
    parser.add_argument(
        "--port", type=int, default=_number("PORT", 8080), help="port, 0 for a free one (default $PORT, else 8080)"
    )
    parser.add_argument("--version", default=os.environ.get("VERSION", "v1"), help="what it says it is ($VERSION)")
    parser.add_argument("--color", default=os.environ.get("COLOR"), help="its colour ($COLOR, else the version's)")
    parser.add_argument("--error", default=os.environ.get("ERROR_RATE", "0"), help="share that fails ($ERROR_RATE)")
    parser.add_argument("--latency", default=os.environ.get("LATENCY", "0"), help="time each takes ($LATENCY)")
    parser.add_argument("--drain", default="2s", help="time it goes on serving when told to end (default %(default)s)")
    add_plane_flags(parser)
    parser.set_defaults(host=os.environ.get("HOST", "127.0.0.1"))
    flags = parser.parse_args()

    async def serve(plane: Plane) -> None:
        await run_sample(plane, flags)

    return run_plane(serve, flags)


async def run_sample(plane: Plane, flags: argparse.Namespace) -> None:
    """Serve until the plane stops, and for a moment longer: callers go elsewhere before the door closes."""
    clock = LoopClock()
    try:
        fault, drain_s = fault_of(flags.error, flags.latency), parse_duration(flags.drain)
    except ValueError as error:
        raise UsageError(str(error)) from None
    app = SampleApp(flags.version, flags.color or color_of(flags.version), fault, clock, draws())
    runner = web.AppRunner(app.routes(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, flags.host, flags.port).start()
        plane.ready({"sample": "{}:{}".format(*runner.addresses[0][:2])})
        await plane.stopping.wait()
        app.leaving = True
        await clock.sleep(drain_s)
    except OSError as error:
        raise StartError(f"cannot listen on {flags.host}:{flags.port}: {error.strerror or error}") from None
    finally:
        await runner.cleanup()


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default


if __name__ == "__main__":
    sys.exit(main())
