"""Translates recorded calls of Argo's own validation functions; production code decides.

A case agrees when the errors, path and text, are equal and in the same order: the controller reports the first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from meshsim.api.analysis import AnalysisRunArgument, AnalysisTemplate
from meshsim.api.decode import decode
from meshsim.api.rollouts import AntiAffinity, BlueGreenStrategy, CanaryStrategy, Rollout
from meshsim.api.steps import CanaryStep
from meshsim.api.validate.canary import check_canary, check_step_kinds, check_surge
from meshsim.api.validate.findings import Finding
from meshsim.api.validate.references import (
    AnalysisRole,
    check_service,
    check_template,
    check_templates,
    check_virtual_service,
    istio_config_error,
)
from meshsim.api.validate.rollout import check_blue_green, check_rollout, check_strategy
from meshsim.api.validate.strategy import check_anti_affinity
from tests.conformance.cases import Case

_TITLE: Final = "Validation cases"

In = Mapping[str, Any]


def recognises(document: Mapping[str, Any]) -> bool:
    """A file of recorded calls says so in its header's title."""
    return str(document.get("header", {}).get("title", "")).startswith(_TITLE)


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded call except those that were made with a stand-in for Kubernetes' own validation."""
    for number, case in enumerate(document["cases"]):
        if not case["templateStub"]:
            yield Case(f"{case['test']}#{number}", partial(_recorded, case), partial(_decided, case), case["test"])


def _recorded(case: Mapping[str, Any]) -> object:
    out = case["out"]
    if "error" in out:
        return [out["error"]] if out["error"] else []
    return [error["error"] for error in out["errors"]]


def _decided(case: Mapping[str, Any]) -> object:
    return [str(finding) for finding in _CALLS[case["function"]](case["in"])]


def _rollout(given: In) -> Rollout:
    # Go reads null as the zero value.
    return decode(Rollout, given["rollout"] or {"metadata": {}})


def _canary_of(given: In) -> CanaryStrategy:
    return _rollout(given).spec.strategy.canary or CanaryStrategy()


def _rollout_itself(given: In) -> Iterable[Finding]:
    return check_rollout(_rollout(given), template_is_resolved=given["templateResolvedFromRef"])


def _blue_green(given: In) -> Iterable[Finding]:
    spec = _rollout(given).spec
    return check_blue_green(given["fldPath"], spec, spec.strategy.blue_green or BlueGreenStrategy())


_SERVICE_PATHS: Final = {
    "StableService": "canary.stableService",
    "CanaryService": "canary.canaryService",
    "PingService": "canary.pingPong.pingService",
    "PongService": "canary.pingPong.pongService",
    "ActiveService": "blueGreen.activeService",
    "PreviewService": "blueGreen.previewService",
}
_ROLES: Final = {
    "InlineAnalysis": AnalysisRole.STEP,
    "BackgroundAnalysis": AnalysisRole.BACKGROUND,
    "PrePromotionAnalysis": AnalysisRole.PRE_PROMOTION,
    "PostPromotionAnalysis": AnalysisRole.POST_PROMOTION,
}


def _service(rollout: Rollout, service: In, kind: str) -> Iterable[Finding]:
    if kind not in _SERVICE_PATHS:
        return ()
    return check_service(f"spec.strategy.{_SERVICE_PATHS[kind]}", rollout, dict(service))


def _templates(rollout: Rollout, given: In) -> Iterable[Finding]:
    if given["TemplateType"] not in _ROLES:
        return ()
    found = (*(given["AnalysisTemplates"] or ()), *(given["ClusterAnalysisTemplates"] or ()))
    templates = [decode(AnalysisTemplate, template) for template in found]
    args = [decode(AnalysisRunArgument, arg) for arg in given["Args"] or ()]
    role = _ROLES[given["TemplateType"]]
    return check_templates(rollout, role, templates, args, step=given["CanaryStepIndex"])


def _template(given: In) -> Iterable[Finding]:
    template = decode(AnalysisTemplate, given["template"] or given["clusterTemplate"])
    is_background = given["templateType"] == "BackgroundAnalysis"
    return check_template(given["fldPath"], _rollout(given), template, is_background=is_background)


def _referenced(given: In) -> Iterator[Finding]:
    rollout = _rollout(given)
    for service in given["services"] or ():
        yield from _service(rollout, service["Service"], service["Type"])
    for templates in given["analysisTemplates"] or ():
        yield from _templates(rollout, templates)
    for virtual_service in given["virtualServices"] or ():
        yield from check_virtual_service(rollout, virtual_service)


def _virtual_services_config(given: In) -> Iterable[Finding]:
    error = istio_config_error(_rollout(given))
    return () if error is None else (error,)


_CALLS: Final[Mapping[str, Callable[[In], Iterable[Finding]]]] = {
    "ValidateRollout": _rollout_itself,
    "ValidateRolloutStrategy": lambda given: check_strategy(given["fldPath"], _rollout(given)),
    "ValidateRolloutStrategyBlueGreen": _blue_green,
    "ValidateRolloutStrategyCanary": lambda given: check_canary(given["fldPath"], _canary_of(given)),
    "ValidateRolloutStrategyAntiAffinity": lambda given: check_anti_affinity(
        given["fldPath"], decode(AntiAffinity, given["antiAffinity"]) if given["antiAffinity"] is not None else None
    ),
    "invalidMaxSurgeMaxUnavailable": lambda given: check_surge(given["fldPath"], _canary_of(given)),
    "hasMultipleStepsType": lambda given: check_step_kinds(given["fldPath"], decode(CanaryStep, given["step"])),
    "ValidateRolloutReferencedResources": _referenced,
    "ValidateService": lambda given: _service(_rollout(given), given["service"], given["type"]),
    "ValidateAnalysisTemplatesWithType": lambda given: _templates(_rollout(given), given["templates"]),
    "ValidateAnalysisTemplateWithType": _template,
    "ValidateRolloutVirtualServicesConfig": _virtual_services_config,
    "ValidateVirtualService": lambda given: check_virtual_service(_rollout(given), given["virtualService"]),
}
