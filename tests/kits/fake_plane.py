"""A process that behaves as a plane does towards its supervisor, well or badly: `python -m tests.kits.fake_plane`."""

import argparse
import os
import signal
import sys

from meshsim.kit.errors import StartError
from meshsim.kit.plane import Plane, add_plane_flags, run_plane


def main() -> int:
    """Behave as `--behave` says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--behave", default="serve", choices=["serve", "refuse", "crash", "talk"])
    parser.add_argument("--address", default="127.0.0.1:1")
    add_plane_flags(parser)
    flags = parser.parse_args()
    if flags.behave == "crash":
        sys.stderr.write("Error: the crankshaft broke\n")
        os.kill(os.getpid(), signal.SIGKILL)

    async def serve(plane: Plane) -> None:
        if flags.behave == "refuse":
            raise StartError("port 1 is taken")
        plane.ready({"fake": flags.address, "pid": str(os.getpid())})
        if flags.behave == "talk":
            sys.stderr.write("something odd\n")
            sys.stderr.flush()
        await plane.stopping.wait()

    return run_plane(serve, flags)


if __name__ == "__main__":
    sys.exit(main())
