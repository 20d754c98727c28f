"""`make check`: everything that a change must pass, with the seconds each step took and what repairs it.

All steps run, so that one run shows all there is to repair.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BIN: Final = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to check: a program of the .venv with its arguments, and what to do when it fails."""

    name: str
    command: tuple[str, ...]
    repair: str

    def run(self) -> bool:
        """Run it, show its output only when it fails, and say how it went."""
        program, *arguments = self.command
        started = time.monotonic()
        run = subprocess.run(
            [_BIN / program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if run.returncode != 0:
            print(run.stdout, end="")
        mark = "✓" if run.returncode == 0 else "✗"
        said = run.stdout.strip().splitlines()
        outcome = said[-1] if run.returncode == 0 and said else f"repair: {self.repair}"
        print(f"{mark} {self.name:<17} {time.monotonic() - started:5.1f} s   {outcome}", flush=True)
        return run.returncode == 0


_STEPS: Final = (
    Step("format", ("ruff", "format", "--check", "."), "make fix"),
    Step("lint", ("ruff", "check", "."), "make fix, and by hand what is left"),
    Step("types", ("mypy", "meshsim", "controller", "loadtest", "tests", "tools"), "by hand"),
    Step("import contracts", ("lint-imports", "--no-cache"), "import downwards only, as docs/architecture.md says"),
    Step(
        "tests",
        ("pytest", "-n", "2", "--hypothesis-profile=ci", "-m", "not e2e and not compose"),
        "run one alone: .venv/bin/pytest FILE::TEST",
    ),
)


def main() -> int:
    """Run every step; returns 1 when any of them failed."""
    outcomes = [step.run() for step in _STEPS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
