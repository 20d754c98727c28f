"""Our validation gives Istio's and Argo's own verdicts, all of them."""

import io
import json
import lzma
from collections import defaultdict
from pathlib import Path

import pytest

from meshsim.api.decode import decode, read_documents
from meshsim.api.kinds import VIRTUAL_SERVICE
from meshsim.api.rollouts import Rollout
from meshsim.api.validate.findings import Finding
from meshsim.api.validate.lint import Subject, lint, subject_of
from meshsim.api.validate.rollout import check_rollout
from meshsim.kit.errors import InvalidManifestError
from tests.conformance.cases import compare
from tests.conformance.validation import RECORDINGS, read_cases
from tests.kits.shared import shared

_ISTIO_JUDGED = {"VirtualService", "DestinationRule", "Gateway", "ServiceEntry", "Sidecar"}


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_recorded_verdict_is_given_again(recording: str) -> None:
    out = io.StringIO()

    agrees = compare(read_cases([shared(recording)]), out)

    assert agrees, out.getvalue()


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"cases": []}')

    with pytest.raises(ValueError, match="holds no recorded verdicts"):
        list(read_cases([file]))


def test_rollouts_made_up_at_random_get_the_errors_that_argo_gives_them() -> None:
    """Word for word and in order; Argo Rollouts 1.10 with the validation of Kubernetes 1.34 that it contains."""
    with lzma.open(Path(__file__).with_name("random_rollouts.jsonl.xz"), "rt", encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]

    found = [[str(finding) for finding in check_rollout(decode(Rollout, case["rollout"]))] for case in recorded]

    assert found == [case["errors"] for case in recorded]


def _linted(subjects: list[Subject]) -> list[list[Finding]]:
    found: dict[int, list[Finding]] = defaultdict(list)
    for number, finding in lint(subjects):
        found[number].append(finding)
    return [[finding for finding in found[number] if not finding.is_warning] for number in range(len(subjects))]


def test_lint_finds_in_istios_own_manifests_what_istio_finds() -> None:
    corpus = shared("corpus/istio")
    verdicts = json.loads((corpus / "validation.json").read_text())

    for name, recorded in verdicts.items():
        documents = read_documents((corpus / name).read_text(), name)
        every = [subject_of(name, document.value) for document in documents]
        subjects = [s for s in every if s.group == VIRTUAL_SERVICE.group and s.kind in _ISTIO_JUDGED]
        # Istio's validator doesn't look at names, which the API judges.
        ours = [
            (subject.kind, subject.name, not any(error.path != "metadata.name" for error in errors))
            for subject, errors in zip(subjects, _linted(subjects), strict=True)
        ]
        assert ours == [(verdict["kind"], verdict["name"], verdict["valid"]) for verdict in recorded], name


@pytest.mark.parametrize(
    "case",
    json.loads(shared("vectors/argo/cli_lint.json").read_text())["cases"],
    ids=lambda case: case["file"],
)
def test_lint_refuses_what_argos_linter_refuses_for_the_same_first_reason(case: dict[str, str]) -> None:
    documents = read_documents(case["content"], case["file"])
    subjects = [subject_of(case["file"], document.value) for document in documents]

    first = next((error for errors in _linted(subjects) for error in errors), None)

    if "unknown field" in case["stderr"]:
        assert first is not None
        assert "unknown field" in first.message
    else:
        assert case["stderr"].strip() == (f"Error: {first}" if first else "")


def test_argos_examples_have_no_errors() -> None:
    corpus = shared("corpus/argo")
    subjects = []
    for file in sorted(corpus.glob("examples/**/*.yaml")):
        try:
            subjects += [subject_of(str(file), document.value) for document in read_documents(file.read_text(), "x")]
        except InvalidManifestError as error:
            pytest.fail(f"{file}: {error}")

    assert [str(error) for errors in _linted(subjects) for error in errors] == []
