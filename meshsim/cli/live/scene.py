"""One moment of the demo, as it is shown. Frozen: whoever draws it decides nothing."""

from dataclasses import dataclass
from enum import StrEnum

from meshsim.cli.argo.views import RolloutView
from meshsim.cli.live.spans import Observation
from meshsim.cli.live.traffic import Recent, Slice
from meshsim.cli.steps import Step


class Stage(StrEnum):
    """Where the demo is."""

    STARTING = "starting"
    BEFORE = "before the release"
    RELEASING = "releasing"
    SETTLING = "settling"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version now."""

    version: str
    role: str
    """canary or stable; empty for neither."""
    share: float
    """Configured, 0 to 1."""
    observation: Observation | None
    """Since the split last changed; None while it changes."""
    recent: Recent
    failed: int
    cpu_cores: float
    pods_ready: int
    pods: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is shown at one moment."""

    stage: Stage
    title: str
    """What is going on, in one sentence."""
    old: str
    new: str
    """The two versions of the release."""
    speed: float
    elapsed_s: float
    """Real seconds since the demo began."""
    traffic_url: str
    host: str
    rollout: RolloutView | None = None
    steps: tuple[Step, ...] = ()
    versions: tuple[VersionState, ...] = ()
    slices: tuple[Slice, ...] = ()
    requests: int = 0
    failed: int = 0

    @property
    def share_of_new(self) -> float:
        """What the new version is configured to get, 0 to 1."""
        return next((state.share for state in self.versions if state.version == self.new), 0.0)
