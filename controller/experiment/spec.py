"""What an experiment asks for: its versions and its analyses, typed, and whether they make sense."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.analysis import Argument, Experiment
from meshsim.api.decode import Object, Wire, decode
from meshsim.api.validate.gotext import GoDurationError, nanoseconds
from meshsim.kit.timestamps import from_rfc3339

_PROGRESS_DEADLINE_S: Final = 600
_SCALE_DOWN_DELAY_S: Final = 30


class ServiceSpec(Wire, frozen=True):
    """The Service of a version; without a name it is called as the ReplicaSet."""

    name: str = ""


class TemplateSpec(Wire, frozen=True):
    """One version."""

    name: str = ""
    replicas: int | None = None
    min_ready_seconds: int = 0
    selector: Object | None = None
    template: Object | None = None
    service: ServiceSpec | None = None

    @property
    def wanted(self) -> int:
        """How many pods it has while it runs."""
        return 1 if self.replicas is None else self.replicas


class AnalysisSpec(Wire, frozen=True):
    """One analysis."""

    name: str = ""
    template_name: str = ""
    cluster_scope: bool = False
    args: tuple[Argument, ...] = ()
    required_for_completion: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """An experiment with its parts."""

    experiment: Experiment
    templates: tuple[TemplateSpec, ...]
    analyses: tuple[AnalysisSpec, ...]

    @property
    def progress_deadline_s(self) -> int:
        """How long a version may stand still on its way."""
        given = self.experiment.spec.progress_deadline_seconds
        return _PROGRESS_DEADLINE_S if given is None else given

    @property
    def scale_down_delay_s(self) -> int:
        """How long pods go on serving after the end."""
        given = self.experiment.spec.scale_down_delay_seconds
        return _SCALE_DOWN_DELAY_S if given is None else given

    @property
    def ends_at(self) -> float | None:
        """The instant at which its time is over, None while none is known."""
        available, duration = self.experiment.status.available_at, self.experiment.spec.duration
        if not available or not duration:
            return None
        try:
            return from_rfc3339(available) + nanoseconds(duration) / 1e9
        except GoDurationError:
            return None

    def is_over(self, now: float) -> bool:
        """Its time is over, strictly."""
        return self.ends_at is not None and now > self.ends_at

    @property
    def has_required_analyses(self) -> bool:
        """Some analysis ends it."""
        return any(analysis.required_for_completion for analysis in self.analyses)

    def are_required_analyses_successful(self) -> bool:
        """There are such analyses, and all of them succeeded."""
        phases = [
            status.phase if (status := self.experiment.status.analysis(analysis.name)) else ""
            for analysis in self.analyses
            if analysis.required_for_completion
        ]
        return bool(phases) and all(phase == "Successful" for phase in phases)


def asked_of(experiment: Experiment) -> Asked:
    """Read the parts of an experiment. Raises FieldError."""
    return Asked(
        experiment,
        tuple(decode(TemplateSpec, template) for template in experiment.spec.templates),
        tuple(decode(AnalysisSpec, analysis) for analysis in experiment.spec.analyses),
    )


def first_wrong(asked: Asked) -> str:
    """The first thing in the spec that makes no sense, in Argo's words; empty when there is none."""
    name, seen = asked.experiment.metadata.name, set[str]()
    for index, template in enumerate(asked.templates):
        if template.selector is None:
            return f"Rollout has missing field '.Spec.Templates[{index}].Selector'"
        if not template.selector.get("matchLabels") and not template.selector.get("matchExpressions"):
            return f"This experiment is selecting all pods at index {index}. A non-empty selector is required."
        if template.min_ready_seconds > asked.progress_deadline_s:
            return f"MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index {index}"
        if not template.name:
            return f"Experiment {name} has empty template name at index {index}"
        if template.name in seen:
            return f"Experiment {name} has repeated template name '{template.name}' in templates"
        seen.add(template.name)
    return ""
