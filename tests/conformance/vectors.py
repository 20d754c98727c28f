"""Our functions against recorded answers of the real ones.

    python -m tests.conformance.vectors [FILE…]

Without FILE, the recordings of Argo Rollouts that lie beside the repository. A FILE is recognised by its header.
Disagreements are printed one by one, deliberate ones with their line of docs/fidelity.md; then `N of M` for each file
and last the total. M counts every case of a file; a case that is not understood has failed.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from tests.conformance import (
    validation_argo,
    vectors_analysis,
    vectors_conditions,
    vectors_hashes,
    vectors_mesh,
    vectors_phases,
    vectors_plugin,
    vectors_replicas,
)
from tests.conformance.cases import Case, count
from tests.kits.shared import shared

RECORDINGS: Final = (
    "replica_counts",
    "replica_counts_generated",
    "validation",
    "istio_virtualservice",
    "pod_hash",
    "rollout_phase",
    "cli_promote",
    "cli_get_rollout",
    "cli_list",
    "cli_lint",
    "analysis",
    "expr",
    "expr_generated",
)

CasesOf = Callable[[Mapping[str, Any]], Iterator[Case]]

_BY_TITLE: Final[Mapping[str, CasesOf]] = {
    "Canary replica-count": vectors_replicas.cases_of,
    "Generated canary replica-count": vectors_replicas.cases_of,
    "Validation cases": validation_argo.cases_of,
    "Istio VirtualService / DestinationRule": vectors_mesh.cases_of,
    "Pod-template-hash": vectors_hashes.cases_of,
    "Rollout phase": vectors_phases.cases_of,
    "promote:": vectors_plugin.promote_cases,
    "kubectl argo rollouts get": vectors_plugin.get_cases,
    "list rollouts": vectors_plugin.list_cases,
    "lint:": vectors_plugin.lint_cases,
    "Analysis assessment": vectors_analysis.cases_of,
    "Expression evaluation": vectors_conditions.tested_cases,
    "expr conditions": vectors_conditions.generated_cases,
}


def read_cases(file: Path) -> list[Case]:
    """Every case of a file. Raises ValueError for a file of another form."""
    document = json.loads(file.read_text(encoding="utf-8"))
    title = str(document.get("header", {}).get("title", ""))
    for beginning, cases_of in _BY_TITLE.items():
        if title.startswith(beginning):
            return list(cases_of(document))
    raise ValueError(f"{file}: recordings titled {title!r} are not understood")


def compare_file(file: Path, out: TextIO) -> tuple[int, int, int]:
    """Print the disagreements and the count of one file; returns agreed, all, and the unexplained ones."""
    cases = read_cases(file)
    agreed, unexplained = count(cases, out)
    out.write(f"{file.name}: {agreed} of {len(cases)}\n")
    return agreed, len(cases), unexplained


def main(arguments: Sequence[str], out: TextIO) -> int:
    """Compare and count; 0 when only deliberate differences are left."""
    files = [Path(argument) for argument in arguments] or [shared(f"vectors/argo/{name}.json") for name in RECORDINGS]
    counts = [compare_file(file, out) for file in files]
    agreed, every, unexplained = (sum(count[index] for count in counts) for index in range(3))
    out.write(f"{agreed} of {every}\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout))
