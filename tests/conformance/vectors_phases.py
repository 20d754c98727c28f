"""Translates recorded phases and step names; production code decides."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from controller.rollout.steps import step_text
from meshsim.api.decode import decode
from meshsim.api.progress import Phase, calculated_phase, observed_phase
from meshsim.api.rollouts import Rollout
from meshsim.api.steps import CanaryStep
from tests.conformance.cases import Case

In = Mapping[str, Any]


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded call."""
    for number, case in enumerate(document["cases"]):
        yield Case(f"{case['test']}#{number}", partial(case.__getitem__, "out"), partial(_decided, case), case["test"])


def _decided(case: In) -> object:
    return _CALLS[case["function"]](case["in"])


def _rollout(given: In) -> Rollout:
    return decode(Rollout, {"metadata": {}, **given})


def _phase(phase: Phase) -> object:
    return {"phase": phase.phase, "message": phase.message}


def _calculated(given: In) -> object:
    rollout = _rollout({"spec": given["spec"], "status": given["status"]})
    return _phase(calculated_phase(rollout.spec, rollout.status))


def _observed(given: In) -> object:
    return _phase(observed_phase(_rollout(given["rollout"]), template_is_resolved=given["templateResolvedFromRef"]))


_CALLS: Final[Mapping[str, Callable[[In], object]]] = {
    "CalculateRolloutPhase": _calculated,
    "GetRolloutPhase": _observed,
    "CanaryStepString": lambda given: {"string": step_text(decode(CanaryStep, given["step"]))},
}
