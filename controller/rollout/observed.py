"""Everything one reconcile of a rollout looks at: frozen, raw objects and typed views."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.rollout.versions import Version
from meshsim.api.analysis import AnalysisRun, AnalysisTemplate, Experiment
from meshsim.api.decode import Object
from meshsim.api.meta import Key
from meshsim.api.rollouts import Rollout


@dataclass(frozen=True, slots=True)
class Observed:
    """The rollout and the objects around it, as last seen. Objects are shared: copy before changing."""

    raw: Object
    """The Rollout on the wire."""
    rollout: Rollout
    """The same, typed; its template and selector are those of its workload when it refers to one."""
    pod_hash: str = ""
    """The hash of its pod template."""
    step_hash: str = ""
    """The hash of its steps, empty for blueGreen."""
    versions: tuple[Version, ...] = ()
    """The ReplicaSets that it owns and its selector matches, oldest first."""
    orphans: tuple[Object, ...] = ()
    """ReplicaSets that nobody owns and its selector matches."""
    strays: tuple[Object, ...] = ()
    """ReplicaSets that it owns and its selector doesn't match."""
    is_name_taken: bool = False
    """A ReplicaSet that isn't its own has the name that the present template's would get."""
    services: Mapping[str, Object] = field(default_factory=dict)
    """The Services it names, those that exist."""
    virtual_services: Mapping[Key, Object] = field(default_factory=dict)
    destination_rule: Object | None = None
    analysis_runs: tuple[AnalysisRun, ...] = ()
    """Those it owns."""
    experiments: tuple[Experiment, ...] = ()
    """Those it owns."""
    taken_names: frozenset[str] = frozenset()
    """Names of all analysis runs and experiments in its namespace that it doesn't own."""
    templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    """AnalysisTemplates of its namespace that it needs, by name; nested ones too."""
    cluster_templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    pods: tuple[Object, ...] = ()
    """Pods of its ReplicaSets, only when it has to touch them."""
    evicted: int | None = None
    """How many of them this reconcile has evicted, None before it tried."""
    workload: Object | None = None
    """What `workloadRef` refers to."""
    unresolved: str = ""
    """Why the workload couldn't be taken."""
