"""`python -m tests.fuzz [--seconds N] [TARGET…]`: search for input that breaks a promise, each target for a while.

With atheris, where it is installed, which follows the branches that input takes; else with hypothesis, blindly. What
has led anywhere is kept in build/fuzz and begins the next search. The API as a whole is searched by hypothesis.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

_CORPUS: Final = Path("build/fuzz")
_REST: Final = "rest"


def main() -> int:
    """Search one target after another; returns 1 when one has failed."""
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - a target's own process instruments it

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [*TARGETS, _REST]
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default %(default)s)")
    flags = parser.parse_args()
    unknown = set(flags.targets) - set(names)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    has_atheris = importlib.util.find_spec("atheris") is not None
    print("with atheris" if has_atheris else "with hypothesis: atheris is not installed", flush=True)
    failed = []
    for name in flags.targets or names:
        engine = "rest" if name == _REST else "atheris_engine" if has_atheris else "hypothesis_engine"
        if not _search(f"tests.fuzz.{engine}", name, flags.seconds):
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _search(module: str, name: str, seconds: int) -> bool:
    """Search in a process of its own: what is searched for may end it."""
    corpus = _CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile("w+", errors="replace") as told:
        started = time.monotonic()
        command = [sys.executable, "-m", module, name, str(seconds), str(corpus)]
        code = subprocess.run(command, check=False, stdout=told, stderr=subprocess.STDOUT).returncode
        took_s = time.monotonic() - started
        told.seek(0)
        lines = told.read().splitlines()
    if code != 0:
        print("\n".join(lines[-60:]))
    said = next((line for line in reversed(lines) if line.startswith("Done ")), f"ended with {code}")
    print(f"{'✓' if code == 0 else '✗'} {name:<14} {took_s:5.1f} s   {said}", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
