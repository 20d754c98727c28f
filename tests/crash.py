"""`python -m tests.crash [--kills N] [--seeds S…]`: an API server killed under writes, and what it lost: nothing."""

import argparse
import tempfile
from pathlib import Path

import uvloop

from tests.kits.crashes import Trial


def main() -> None:
    """Run a trial for each seed and print what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="for each seed (default %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="when it is killed (default 1)")
    flags = parser.parse_args()
    for seed in flags.seeds:
        with tempfile.TemporaryDirectory() as directory:
            print(f"seed {seed}: {uvloop.run(Trial(Path(directory), seed).run(flags.kills))}", flush=True)


if __name__ == "__main__":
    main()
