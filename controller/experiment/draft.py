"""What one reconcile of an experiment sees, and what it has decided so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from controller.experiment.spec import Asked
from controller.rollout.actions import Action, Emit
from controller.rollout.versions import Version
from meshsim.api.analysis import AnalysisRun, AnalysisTemplate, Experiment, ExperimentStatus
from meshsim.api.decode import Object
from meshsim.api.kinds import EXPERIMENT
from meshsim.api.meta import Key

NAME_ANNOTATION: Final = "experiment.argoproj.io/name"
TEMPLATE_ANNOTATION: Final = "experiment.argoproj.io/template-name"


@dataclass(frozen=True, slots=True)
class Observed:
    """An experiment and the objects around it, as last seen. Objects are shared: copy before changing."""

    asked: Asked
    versions: Mapping[str, Version] = field(default_factory=dict)
    """Its ReplicaSets, by template."""
    services: Mapping[str, Object] = field(default_factory=dict)
    """Its Services, by template."""
    runs: Mapping[str, AnalysisRun] = field(default_factory=dict)
    """The analysis runs of its namespace, by name."""
    templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    cluster_templates: Mapping[str, AnalysisTemplate] = field(default_factory=dict)
    taken: frozenset[tuple[str, str]] = frozenset()
    """Kind and name of ReplicaSets and Services that others have."""

    @property
    def experiment(self) -> Experiment:
        """The experiment itself."""
        return self.asked.experiment


@dataclass(slots=True)
class Draft:
    """A working copy: the status as it will be, and the actions in the order they were decided in."""

    observed: Observed
    now: float
    status: ExperimentStatus
    versions: dict[str, Version]
    actions: list[Action] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)

    @property
    def asked(self) -> Asked:
        """What the experiment asks for."""
        return self.observed.asked

    @property
    def experiment(self) -> Experiment:
        """The experiment as it was observed."""
        return self.observed.experiment

    @property
    def is_finished(self) -> bool:
        """It came to its end before."""
        return self.experiment.status.phase in ("Successful", "Failed", "Error", "Inconclusive")

    @property
    def is_terminating(self) -> bool:
        """It was told to end, or something in it failed, or all that it waited for succeeded."""
        status = self.experiment.status
        has_failed = any(template.status in ("Failed", "Error") for template in status.template_statuses)
        is_judged = any(run.phase in ("Failed", "Error", "Inconclusive") for run in status.analysis_runs)
        is_told = self.experiment.spec.terminate or self.is_finished
        return is_told or has_failed or is_judged or self.asked.are_required_analyses_successful()

    def key(self, name: str) -> Key:
        """A name in the experiment's namespace."""
        return Key(self.experiment.metadata.namespace, name)

    def emit(self, reason: str, message: str, *, is_bad: bool = False) -> None:
        """Tell people."""
        self.actions.append(Emit(reason, message, "Warning" if is_bad else "Normal"))

    def set_status(self, **fields: object) -> None:
        """Change a part of the status."""
        self.status = msgspec.structs.replace(self.status, **fields)

    def owner(self) -> Object:
        """The reference that makes an object the experiment's."""
        metadata = self.experiment.metadata
        return {
            "apiVersion": EXPERIMENT.api_version,
            "kind": EXPERIMENT.kind,
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def annotations(self, template: str) -> dict[str, str]:
        """What ties an object to one of the experiment's templates."""
        return {NAME_ANNOTATION: self.experiment.metadata.name, TEMPLATE_ANNOTATION: template}
