"""Kubernetes' own workloads beside the ReplicaSet, as far as they are emulated: Deployment and Job."""

from typing import Final

from meshsim.api.decode import Object, Wire
from meshsim.api.meta import Condition, LabelSelector, ObjectMeta

POD_TEMPLATE_HASH_LABEL: Final = "pod-template-hash"
"""On a Deployment's ReplicaSets and their pods: which template they are of."""
REVISION_ANNOTATION: Final = "deployment.kubernetes.io/revision"


class RollingUpdate(Wire, frozen=True):
    """How far a rolling update may go above and below the wanted number of pods: a count, or a share of it."""

    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"


class DeploymentStrategy(Wire, frozen=True):
    """RollingUpdate, or Recreate: first none of the old, then all of the new."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DeploymentSpec(Wire, frozen=True):
    """How many pods of which template, and how they are replaced. Times are seconds."""

    selector: LabelSelector = LabelSelector()
    replicas: int = 1
    template: Object = {}
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    progress_deadline_seconds: int = 600
    paused: bool = False


class DeploymentStatus(Wire, frozen=True):
    """How far it is. Counters that are zero are absent on the wire."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Wire, frozen=True):
    """Replaces the pods of one template by those of the next."""

    metadata: ObjectMeta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


class JobSpec(Wire, frozen=True):
    """How often a template's pods must end well, and how much may go wrong. Times are seconds.

    Without `completions` any pod that ends well is enough once no other runs.
    """

    template: Object = {}
    parallelism: int = 1
    completions: int | None = None
    backoff_limit: int = 6
    active_deadline_seconds: int | None = None
    suspend: bool = False


class JobStatus(Wire, frozen=True):
    """How far it is. Counters that are zero are absent on the wire."""

    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: str = ""
    completion_time: str = ""
    conditions: tuple[Condition, ...] = ()


class Job(Wire, frozen=True):
    """Runs pods until enough of them have ended well."""

    metadata: ObjectMeta
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()
