"""The kinds the mesh and its rollouts are made of: how each is named in a URL, in YAML and by people."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `versions` are the served ones, preferred first; `version` is the one objects are stored in."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = False
    """Status is a subresource: the main resource's writes leave it alone, its own change nothing else."""
    has_scale: bool = False
    counts_generations: bool = True
    """`metadata.generation` rises with every change of the spec."""
    categories: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The preferred served version."""
        return self.versions[0]

    @property
    def singular(self) -> str:
        """The lower-case name that people type."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`rollouts.argoproj.io`, or `pods` for the core group: how error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def __str__(self) -> str:
        return self.kind

    def __eq__(self, other: object) -> bool:
        # Kinds are keys wherever objects are kept: they are told apart by what names them.
        if type(other) is not type(self):
            return NotImplemented
        return self.kind == other.kind and self.group == other.group and self.versions == other.versions

    def __hash__(self) -> int:
        return hash(self.kind)


_ARGO: Final = "argoproj.io"
_ISTIO: Final = "networking.istio.io"
_ISTIO_VERSIONS: Final = ("v1", "v1beta1", "v1alpha3")
_ALL: Final = ("all",)

NAMESPACE: Final = Kind(
    "", ("v1",), "Namespace", "namespaces", ("ns",), namespaced=False, has_status=True, counts_generations=False
)
NODE: Final = Kind("", ("v1",), "Node", "nodes", ("no",), namespaced=False, has_status=True, counts_generations=False)
POD: Final = Kind("", ("v1",), "Pod", "pods", ("po",), has_status=True, counts_generations=False, categories=_ALL)
SERVICE: Final = Kind(
    "", ("v1",), "Service", "services", ("svc",), has_status=True, counts_generations=False, categories=_ALL
)
ENDPOINTS: Final = Kind("", ("v1",), "Endpoints", "endpoints", ("ep",), counts_generations=False)
EVENT: Final = Kind("", ("v1",), "Event", "events", ("ev",), counts_generations=False)
CONFIG_MAP: Final = Kind("", ("v1",), "ConfigMap", "configmaps", ("cm",), counts_generations=False)
SECRET: Final = Kind("", ("v1",), "Secret", "secrets", counts_generations=False)
SERVICE_ACCOUNT: Final = Kind("", ("v1",), "ServiceAccount", "serviceaccounts", ("sa",), counts_generations=False)
POD_TEMPLATE: Final = Kind("", ("v1",), "PodTemplate", "podtemplates")
ENDPOINT_SLICE: Final = Kind("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices")
DEPLOYMENT: Final = Kind(
    "apps", ("v1",), "Deployment", "deployments", ("deploy",), has_status=True, has_scale=True, categories=_ALL
)
REPLICA_SET: Final = Kind(
    "apps", ("v1",), "ReplicaSet", "replicasets", ("rs",), has_status=True, has_scale=True, categories=_ALL
)
JOB: Final = Kind("batch", ("v1",), "Job", "jobs", has_status=True, categories=_ALL)
HORIZONTAL_POD_AUTOSCALER: Final = Kind(
    "autoscaling",
    ("v2", "v1"),
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    ("hpa",),
    has_status=True,
    counts_generations=False,
    categories=_ALL,
)
POD_DISRUPTION_BUDGET: Final = Kind(
    "policy", ("v1",), "PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), has_status=True
)
"""Looked at when a pod is to be evicted."""
INGRESS: Final = Kind("networking.k8s.io", ("v1",), "Ingress", "ingresses", ("ing",), has_status=True)
"""Nothing here acts on one; Argo's own controller doesn't start without being able to watch them."""
LEASE: Final = Kind("coordination.k8s.io", ("v1",), "Lease", "leases", counts_generations=False)

ROLLOUT: Final = Kind(_ARGO, ("v1alpha1",), "Rollout", "rollouts", ("ro",), has_status=True, has_scale=True)
ANALYSIS_TEMPLATE: Final = Kind(_ARGO, ("v1alpha1",), "AnalysisTemplate", "analysistemplates", ("at",))
CLUSTER_ANALYSIS_TEMPLATE: Final = Kind(
    _ARGO, ("v1alpha1",), "ClusterAnalysisTemplate", "clusteranalysistemplates", ("cat",), namespaced=False
)
ANALYSIS_RUN: Final = Kind(_ARGO, ("v1alpha1",), "AnalysisRun", "analysisruns", ("ar",))
EXPERIMENT: Final = Kind(_ARGO, ("v1alpha1",), "Experiment", "experiments", ("exp",))

VIRTUAL_SERVICE: Final = Kind(_ISTIO, _ISTIO_VERSIONS, "VirtualService", "virtualservices", ("vs",), has_status=True)
DESTINATION_RULE: Final = Kind(_ISTIO, _ISTIO_VERSIONS, "DestinationRule", "destinationrules", ("dr",), has_status=True)
GATEWAY: Final = Kind(_ISTIO, _ISTIO_VERSIONS, "Gateway", "gateways", ("gw",), has_status=True)
SERVICE_ENTRY: Final = Kind(_ISTIO, _ISTIO_VERSIONS, "ServiceEntry", "serviceentries", ("se",), has_status=True)
SIDECAR: Final = Kind(_ISTIO, _ISTIO_VERSIONS, "Sidecar", "sidecars", has_status=True)

KINDS: Final[tuple[Kind, ...]] = (
    NAMESPACE, NODE, POD, SERVICE, ENDPOINTS, EVENT, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, POD_TEMPLATE, ENDPOINT_SLICE,
    DEPLOYMENT, REPLICA_SET, JOB, HORIZONTAL_POD_AUTOSCALER, LEASE, ROLLOUT, ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE, ANALYSIS_RUN, EXPERIMENT, VIRTUAL_SERVICE, DESTINATION_RULE, GATEWAY, SERVICE_ENTRY,
    SIDECAR, INGRESS, POD_DISRUPTION_BUDGET,
)  # fmt: skip


def kind_named(api_version: str, kind: str, kinds: Iterable[Kind] = KINDS) -> Kind | None:
    """The kind that a manifest's apiVersion and kind name, in any of its served versions."""
    group, _, version = api_version.rpartition("/")
    return next((k for k in kinds if k.kind == kind and k.group == group and version in k.versions), None)


def kind_of_resource(group: str, plural: str, kinds: Iterable[Kind] = KINDS) -> Kind | None:
    """The kind that a URL's group and plural name."""
    return next((k for k in kinds if k.plural == plural and k.group == group), None)
