"""The kinds that the API serves: those the mesh is made of, and those that clients only look for. Pure."""

from typing import Final

from meshsim.api.kinds import KINDS, Kind

INGRESS: Final = Kind("networking.k8s.io", ("v1",), "Ingress", "ingresses", ("ing",), has_status=True)
"""Nothing here acts on one; Argo's own controller doesn't start without being able to watch them."""

POD_DISRUPTION_BUDGET: Final = Kind(
    "policy", ("v1",), "PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), has_status=True
)
"""Looked at when a pod is to be evicted."""

SERVED: Final[tuple[Kind, ...]] = (*KINDS, INGRESS, POD_DISRUPTION_BUDGET)
