"""What one reconcile has decided so far.

A Draft lives only while one plan is made: it holds working copies of what earlier steps of the same reconcile
changed, because later steps see them changed, and the actions in the order they were decided in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from controller.rollout.actions import Action, Delete, Emit, Patch
from controller.rollout.observed import Observed
from controller.rollout.replicas import desired_replicas
from controller.rollout.rules import Rules
from controller.rollout.versions import Version, with_hash
from meshsim.api.analysis import AnalysisRun, Experiment
from meshsim.api.decode import Object
from meshsim.api.kinds import REPLICA_SET
from meshsim.api.merge_patch import merge_patch
from meshsim.api.meta import Condition, Key
from meshsim.api.rollouts import CanaryStatus, PauseCondition, RolloutDuration, RolloutStatus
from meshsim.api.routes import canary_of

RESYNC_S: Final = 900.0
"""How long a reconcile may be away; longer waits are looked at again by then."""

HAZARD: Final = "MeshsimHazard"
"""The reason of events that Argo doesn't have: outages in waiting."""

CANARY_PAUSE_STEP: Final = "CanaryPauseStep"
BLUE_GREEN_PAUSE: Final = "BlueGreenPause"
INCONCLUSIVE_ANALYSIS: Final = "InconclusiveAnalysisRun"
INCONCLUSIVE_EXPERIMENT: Final = "InconclusiveExperiment"


_DEFAULT_RULES: Final = Rules()


class StoppedError(Exception):
    """The reconcile ends here with an error: what was decided is done, the status is not written."""


@dataclass(slots=True)
class Pauses:
    """What becomes of pauses and the abort."""

    added: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    clears: bool = False
    adds_abort: bool = False
    removes_abort: bool = False
    abort_message: str = ""

    def abort(self, message: str) -> None:
        """Abort the update for that reason."""
        self.adds_abort, self.abort_message = True, message


@dataclass(slots=True)
class CurrentRuns:
    """The analysis runs that the status names."""

    step: AnalysisRun | None = None
    background: AnalysisRun | None = None
    pre_promotion: AnalysisRun | None = None
    post_promotion: AnalysisRun | None = None

    def all(self) -> list[AnalysisRun]:
        """Those there are."""
        return [run for run in (self.step, self.background, self.pre_promotion, self.post_promotion) if run]


class Draft:
    """One reconcile in the making."""

    def __init__(self, observed: Observed, now: float, rules: Rules = _DEFAULT_RULES) -> None:
        self.observed = observed
        self.rules = rules
        self.now = now
        self.rollout = observed.rollout
        self.versions = list(observed.versions)
        self.services: dict[str, Object] = dict(observed.services)
        self.virtual_services: dict[Key, Object] = dict(observed.virtual_services)
        self.destination_rule = observed.destination_rule
        self.annotations: Mapping[str, str] = observed.rollout.metadata.annotations
        self.pauses = Pauses()
        self.runs = CurrentRuns()
        self.other_runs: list[AnalysisRun] = []
        self.experiment: Experiment | None = None
        self.other_experiments: list[Experiment] = []
        old = observed.rollout.status
        self.status = RolloutStatus(
            restarted_at=old.restarted_at, duration=old.duration, canary=CanaryStatus(weights=old.canary.weights)
        )
        self.actions: list[Action] = []
        self.announcements: list[Emit] = []
        self.wakes: list[float] = []
        self.new_name = ""
        """The ReplicaSet of the present template."""
        self.retries_because = ""
        """Why it is tried again after a back-off, though the status was made."""
        self.ended: RolloutDuration | None = None
        """The attempt that ends with this reconcile."""
        self.found_condition: Condition | None = None
        """Says that the ReplicaSet was found, where no progress was noted before."""

    @property
    def replicas(self) -> int:
        """`spec.replicas`."""
        return desired_replicas(self.rollout)

    @property
    def new(self) -> Version | None:
        """The version of the present template."""
        return next((version for version in self.versions if version.name == self.new_name), None)

    @property
    def stable(self) -> Version | None:
        """The version that was promoted last."""
        new, stable_hash = self.new, self.rollout.status.stable_rs
        return new if new and stable_hash and new.hash == stable_hash else with_hash(self.versions, stable_hash)

    @property
    def others(self) -> list[Version]:
        """Neither of the two."""
        stable = self.stable
        names = {self.new_name, stable.name if stable else ""}
        return [version for version in self.versions if version.name not in names]

    @property
    def is_aborted(self) -> bool:
        """The update is aborted, or was just now."""
        return not self.pauses.removes_abort and (self.rollout.status.abort or self.pauses.adds_abort)

    @property
    def is_fully_promoted(self) -> bool:
        """The present template is the stable one; so it is before the very first version."""
        status = self.rollout.status
        return status.stable_rs == status.current_pod_hash

    @property
    def is_halted(self) -> bool:
        """ReplicaSets keep their sizes: a person paused the rollout, or an analysis was inconclusive."""
        return self.rollout.spec.paused or self.pause(INCONCLUSIVE_ANALYSIS) is not None

    @property
    def is_rolling_back_dynamically(self) -> bool:
        """With `dynamicStableScale`: back at the stable template, whose pods have yet to grow again."""
        return self.new is not None and self.is_rolling_back_to(self.new)

    def is_rolling_back_to(self, version: Version) -> bool:
        """The same, asked of one version."""
        weights, canary = self.rollout.status.canary.weights, canary_of(self.rollout)
        return (
            self.is_fully_promoted
            and canary.traffic_routing is not None
            and canary.dynamic_stable_scale
            and weights is not None
            and weights.canary.pod_template_hash != version.hash
            and version.available < self.replicas
        )

    @property
    def revision(self) -> int:
        """The rollout's own revision."""
        text = self.annotations.get("rollout.argoproj.io/revision", "")
        return int(text) if text.isascii() and text.isdecimal() else 0

    def pause(self, reason: str) -> PauseCondition | None:
        """The pause for that reason, as it was when the reconcile began."""
        return next((pause for pause in self.rollout.status.pause_conditions if pause.reason == reason), None)

    def emit(self, reason: str, message: str) -> None:
        """Tell people."""
        self.actions.append(Emit(reason, message))

    def warn(self, reason: str, message: str) -> None:
        """Warn people."""
        self.actions.append(Emit(reason, message, "Warning"))

    def hazard(self, sentence: str) -> None:
        """Point out what is about to go wrong."""
        if self.rules.warns_of_hazards:
            self.warn(HAZARD, sentence)

    def announce(self, reason: str, message: str) -> None:
        """Tell people once the status is written."""
        self.announcements.append(Emit(reason, message))

    def wake(self, instant: float, *, strictly_after: bool = False) -> None:
        """Look again at that instant, if it is to come and not further away than the resync."""
        instant = instant + _TICK_S if strictly_after else instant
        if self.now < instant < self.now + RESYNC_S:
            self.wakes.append(instant)

    def set_status(self, **changes: Any) -> None:
        """Change fields of the status that is being made."""
        self.status = msgspec.structs.replace(self.status, **changes)

    def set_canary_status(self, **changes: Any) -> None:
        """Change fields of its canary part."""
        self.status = msgspec.structs.replace(
            self.status, canary=msgspec.structs.replace(self.status.canary, **changes)
        )

    def set_blue_green_status(self, **changes: Any) -> None:
        """Change fields of its blueGreen part."""
        self.status = msgspec.structs.replace(
            self.status, blue_green=msgspec.structs.replace(self.status.blue_green, **changes)
        )

    def keep_status(self) -> None:
        """The reconcile ends early: the status stays as it was."""
        self.status = self.rollout.status

    def key(self, name: str) -> Key:
        """An object of that name beside the rollout."""
        return Key(self.rollout.metadata.namespace, name)

    def change_version(self, version: Version, patch: Object) -> Version:
        """Patch a ReplicaSet, and go on with it as patched."""
        self.patch_version(version, patch)
        obj = merge_patch(version.obj, patch)
        return self.put_version(replace(version, obj=obj, replicas=obj["spec"].get("replicas", version.replicas)))

    def patch_version(self, version: Version, patch: Object) -> None:
        """Patch a ReplicaSet, and go on with it as it was seen."""
        self.actions.append(Patch(REPLICA_SET, self.key(version.name), patch))

    def put_version(self, version: Version) -> Version:
        """Go on with this version in the place of the one of its name."""
        names = [known.name for known in self.versions]
        if version.name in names:
            self.versions[names.index(version.name)] = version
        else:
            self.versions.append(version)
        return version

    def delete_version(self, version: Version) -> None:
        """Take a ReplicaSet away."""
        uid = version.obj["metadata"].get("uid") or ""
        self.actions.append(Delete(REPLICA_SET, self.key(version.name), uid))


_TICK_S: Final = 0.001


def names_of(items: Iterable[AnalysisRun | Experiment]) -> set[str]:
    """Their names."""
    return {item.metadata.name for item in items}
