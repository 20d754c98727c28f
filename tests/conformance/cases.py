"""A recorded case, how it is held against our answer, and the count at the end."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

_FIDELITY: Final = Path(__file__).resolve().parents[2] / "docs" / "fidelity.md"


@dataclass(frozen=True, slots=True)
class Case:
    """What the real program answered and what ours does. What raises has failed."""

    id: str
    recorded: Callable[[], object]
    decided: Callable[[], object]
    group: str = ""
    """A name that several cases share, where docs/fidelity.md speaks of all of them."""


def disagreement(case: Case) -> str | None:
    """None when both answers are equal, else both in words."""
    try:
        recorded, decided = case.recorded(), case.decided()
    except Exception as error:  # noqa: BLE001 - a case that is not understood has failed
        return f"{type(error).__name__}: {error}"
    if recorded == decided:
        return None
    return f"\n    recorded {json.dumps(recorded, default=str)}\n    ours     {json.dumps(decided, default=str)}"


def deliberate_differences() -> dict[str, str]:
    """Case id → the line of docs/fidelity.md that names it."""
    if not _FIDELITY.exists():
        return {}
    lines = _FIDELITY.read_text().splitlines()
    return {id_: line.strip() for line in lines for id_ in re.findall(r"`([\w./#-]+)`", line)}


def tell(outcomes: Iterable[tuple[str, Sequence[str]]], out: TextIO) -> bool:
    """Print what disagrees, by case id, and last `N of M`; True when only deliberate differences are left."""
    explained = deliberate_differences()
    agreed = unexplained = total = 0
    for id_, problems in outcomes:
        total += 1
        if not problems:
            agreed += 1
        elif id_ in explained:
            out.write(f"{id_}: deliberate: {explained[id_]}\n")
        else:
            unexplained += 1
            out.write(f"{id_}: " + "; ".join(problems) + "\n")
    out.write(f"{agreed} of {total}\n")
    return unexplained == 0


def count(cases: Sequence[Case], out: TextIO) -> tuple[int, int]:
    """Print disagreements; returns how many cases agree, and how many differ without being meant to."""
    explained = deliberate_differences()
    agreed = unexplained = 0
    for case in cases:
        problem = disagreement(case)
        if problem is None:
            agreed += 1
        elif case.id in explained or case.group in explained:
            out.write(f"{case.id}: deliberate: {explained.get(case.id) or explained[case.group]}\n")
        else:
            unexplained += 1
            out.write(f"{case.id}: {problem}\n")
    return agreed, unexplained


def compare(cases: Iterable[Case], out: TextIO) -> bool:
    """Print disagreements and, last, `N of M`; True when nothing but deliberate differences is left."""
    every = list(cases)
    agreed, unexplained = count(every, out)
    out.write(f"{agreed} of {len(every)}\n")
    return unexplained == 0
