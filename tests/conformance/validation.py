"""Our validation against the recorded verdicts of Istio and Argo Rollouts.

    python -m tests.conformance.validation [FILE…]

Without FILE, both recordings that lie beside the repository. A FILE is recognised by its header. Disagreements are
printed one by one, deliberate ones with their line of docs/fidelity.md; the last line is `N of M`, where M counts
every case and N those that agree. A case that is not understood has failed. The exit code is 0 when only deliberate
differences are left.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conformance import validation_argo, validation_istio
from tests.conformance.cases import Case, compare
from tests.kits.shared import shared

RECORDINGS = ("vectors/istio/validation.json", "vectors/argo/validation.json")


def read_cases(files: Sequence[Path]) -> Iterator[Case]:
    """Every case of the files. Raises ValueError for a file of another form."""
    for file in files:
        document = json.loads(file.read_text())
        adapter = next((one for one in (validation_istio, validation_argo) if one.recognises(document)), None)
        if adapter is None:
            raise ValueError(f"{file} holds no recorded verdicts of Istio's or Argo's validation")
        yield from adapter.cases_of(document)


def main(arguments: Sequence[str]) -> int:
    """Compare and count; returns the exit code, 2 when there is nothing to compare with."""
    try:
        files = [Path(argument) for argument in arguments] or [shared(recording) for recording in RECORDINGS]
        cases = list(read_cases(files))
    except (OSError, ValueError, pytest.skip.Exception) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0 if compare(cases, sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
