"""All analyses of a mesh, one after the other."""

from collections.abc import Callable, Sequence
from typing import Final

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
from meshsim.api.validate.lint import Subject

ANALYSES: Final[Sequence[Callable[[Mesh], Found]]] = (
    analyze_destinations,
    analyze_subsets,
    analyze_ingress_subsets,
    analyze_gateways,
    analyze_mesh_hosts,
    analyze_conflicting_gateways,
    analyze_destination_rules,
)


def analyze(subjects: Sequence[Subject]) -> Found:
    """Every finding, with the number of the object it is about, in the order of the objects."""
    mesh = Mesh(subjects)
    found = [one for analysis in ANALYSES for one in analysis(mesh)]
    return iter(sorted(found, key=lambda item: item[0]))
