"""`python -m tests.conformance.traces [PATH…]`: our controller against recorded timelines of the real one.

Prints for each timeline how many entries are equal and the first difference, and last how many timelines are equal.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from meshsim.api.decode import Object
from tests.conformance.replay import Entry, Replay

_DEFAULT: Final = Path(os.environ.get("MESHSIM_SHARED") or Path(__file__).resolve().parents[3] / "shared")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one timeline compares."""

    name: str
    equal: int
    entries: int
    difference: str = ""

    @property
    def is_equal(self) -> bool:
        """Every entry is equal and there is none more or less."""
        return not self.difference


def recordings(paths: list[Path]) -> Iterator[Path]:
    """The files of the paths, folders opened."""
    for path in paths:
        yield from sorted(path.glob("*.json")) if path.is_dir() else [path]


def compare(recording: Object) -> Outcome:
    """Replay a recording and compare entry by entry."""
    name, expected = recording["name"], recording["timeline"]
    try:
        got = asyncio.run(Replay(recording).run())
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is this timeline's outcome
        return Outcome(name, 0, len(expected), f"{type(error).__name__}: {error}")
    equal = sum(theirs == ours for theirs, ours in zip(expected, got, strict=False))
    return Outcome(name, equal, len(expected), _first_difference(expected, got))


def _first_difference(expected: list[Entry], got: list[Entry]) -> str:
    for index, (theirs, ours) in enumerate(zip(expected, got, strict=False)):
        if theirs != ours:
            paths = "; ".join(_differences("", theirs, ours))
            return f"entry {index} (t={theirs['t']} {theirs['after']}): {paths}"
    if len(expected) != len(got):
        longer = expected if len(expected) > len(got) else got
        extra = longer[min(len(expected), len(got))]
        whose = "missing" if longer is expected else "not recorded"
        return f"{len(expected)} entries recorded, {len(got)} made: t={extra['t']} {extra['after']} is {whose}"
    return ""


def _differences(path: str, theirs: Any, ours: Any) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            if theirs.get(key) != ours.get(key) or (key in theirs) != (key in ours):
                yield from _differences(f"{path}.{key}", theirs.get(key, "(absent)"), ours.get(key, "(absent)"))
    elif theirs != ours:
        yield f"{path.removeprefix('.')}: recorded {json.dumps(theirs)}, got {json.dumps(ours)}"


def main(arguments: list[str]) -> int:
    """Print the outcome of every timeline; 0 when all are equal."""
    paths = [Path(argument) for argument in arguments] or [_DEFAULT / "vectors/argo/traces"]
    outcomes = []
    for path in recordings(paths):
        outcome = compare(json.loads(path.read_text()))
        outcomes.append(outcome)
        print(f"{outcome.name}: {outcome.equal} / {outcome.entries}")
        if outcome.difference:
            print(f"  {outcome.difference}")
    equal = sum(outcome.is_equal for outcome in outcomes)
    print(f"{equal} of {len(outcomes)} timelines")
    return 0 if outcomes and equal == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
