"""What `istioctl analyze` finds in Istio's own test cases, `meshsim lint --analyze` finds, too."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from meshsim.api.analyze.codes import Found
from meshsim.api.analyze.edges import analyze_conflicting_gateways, analyze_destination_rules
from meshsim.api.analyze.mesh import Mesh
from meshsim.api.analyze.virtual_services import (
    analyze_destinations,
    analyze_gateways,
    analyze_ingress_subsets,
    analyze_mesh_hosts,
    analyze_subsets,
)
from meshsim.api.decode import Object, read_documents
from meshsim.api.validate.lint import Subject, subject_of
from tests.kits.shared import shared

_ANALYSES: Final[dict[str, list[Callable[[Mesh], Found]]]] = {
    "&virtualservice.DestinationHostAnalyzer{}": [analyze_destinations, analyze_ingress_subsets],
    "&virtualservice.DestinationRuleAnalyzer{}": [analyze_subsets],
    "&virtualservice.GatewayAnalyzer{}": [analyze_gateways],
    "&virtualservice.ConflictingMeshGatewayHostsAnalyzer{}": [analyze_mesh_hosts],
    "&gateway.ConflictingGatewayAnalyzer{}": [analyze_conflicting_gateways],
    "&destinationrule.PodNotSelectedAnalyzer{}": [analyze_destination_rules],
}
_CASES: Final = [
    case
    for case in json.loads(shared("vectors/istio/analyze_cases.json").read_text())["cases"]
    if case["analyzer"] in _ANALYSES
]


def _objects(name: str) -> list[Object]:
    documents = [document.value for document in read_documents(shared(f"corpus/istio/{name}").read_text(), name)]
    return [obj for document in documents for obj in (document["items"] if document["kind"] == "List" else [document])]


def _named(subject: Subject) -> str:
    namespace = subject.object["metadata"].get("namespace")
    return f"{subject.kind} {namespace}/{subject.name}" if namespace else f"{subject.kind} {subject.name}"


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_the_findings_are_istios(case: dict[str, Any]) -> None:
    subjects = [subject_of(name, obj) for name in case["files"] for obj in _objects(name)]

    found = [one for analysis in _ANALYSES[case["analyzer"]] for one in analysis(Mesh(subjects))]

    ours = sorted((finding.message[1:8], _named(subjects[number])) for number, finding in found)
    assert ours == sorted((expected["code"], expected["resource"]) for expected in case["expected"])
