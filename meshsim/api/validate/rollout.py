"""A Rollout's own spec, as Argo's controller judges it before anything else."""

from typing import Final

from meshsim.api.meta import LabelSelector
from meshsim.api.rollouts import BlueGreenStrategy, Rollout, RolloutSpec
from meshsim.api.validate.canary import check_canary
from meshsim.api.validate.fields import (
    check_not_negative,
    check_selector,
    internal_error,
    invalid,
    is_usable,
    required,
)
from meshsim.api.validate.findings import Findings
from meshsim.api.validate.pod_template import check_pod_template
from meshsim.api.validate.strategy import MISSING_FIELD, check_anti_affinity

_HISTORY_LIMIT: Final = 10
_PROGRESS_DEADLINE_S: Final = 600


def check_rollout(rollout: Rollout, *, template_is_resolved: bool = False) -> Findings:
    """Everything that is wrong with a Rollout's spec, in Argo's order, paths and words.

    The controller reports the first: `next(check_rollout(rollout), None)` is the InvalidSpec condition's message
    (`str(finding)`), or None for a valid spec. `template_is_resolved`: `spec.template` was filled in from the
    workloadRef, as the controller does before it validates; a linter leaves it off. References come afterwards
    (`references.check_references`), only for a valid spec.
    """
    spec = rollout.spec
    yield from check_not_negative("spec.replicas", 1 if spec.replicas is None else spec.replicas)
    if spec.workload_ref is None:
        yield from _check_selector(spec.selector)
    metadata = spec.template.get("metadata") or {}
    is_template_empty = not metadata.get("labels") and not metadata.get("annotations")
    if spec.workload_ref is not None and not template_is_resolved and not is_template_empty:
        yield internal_error("spec.template", "template must be empty for workload reference rollout")
    if spec.selector is not None and not is_usable(spec.selector):
        yield invalid("spec.selector", spec.selector, "invalid label selector")
    elif spec.workload_ref is None or template_is_resolved:
        yield from check_pod_template("spec.template", spec.template, spec.selector)
    yield from _check_limits(spec)
    yield from check_strategy("spec.strategy", rollout)


def _check_selector(selector: LabelSelector | None) -> Findings:
    if selector is None:
        yield required("spec.selector", MISSING_FIELD.format(".spec.selector"))
        return
    yield from check_selector("spec.selector", selector)
    if selector == LabelSelector():
        yield invalid("spec.selector", selector, "empty selector is invalid for deployment")


def _check_limits(spec: RolloutSpec) -> Findings:
    yield from check_not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from check_not_negative("spec.revisionHistoryLimit", _history_limit(spec))
    given_s = spec.progress_deadline_seconds
    deadline_s = _PROGRESS_DEADLINE_S if given_s is None else given_s
    yield from check_not_negative("spec.progressDeadlineSeconds", deadline_s)
    if deadline_s <= spec.min_ready_seconds:
        yield invalid("spec.progressDeadlineSeconds", deadline_s, "must be greater than minReadySeconds")


def _history_limit(spec: RolloutSpec) -> int:
    return _HISTORY_LIMIT if spec.revision_history_limit is None else spec.revision_history_limit


def check_strategy(path: str, rollout: Rollout) -> Findings:
    """Exactly one strategy, and that one. Argo puts its fields right under `spec.strategy`."""
    canary, blue_green = rollout.spec.strategy.canary, rollout.spec.strategy.blue_green
    if canary is not None and blue_green is not None:
        yield invalid(f"{path}.strategy", "blueGreen: true canary: true", "Multiple Strategies can not be listed")
    elif blue_green is not None:
        yield from check_blue_green(path, rollout.spec, blue_green)
    elif canary is not None:
        yield from check_canary(path, canary)
    else:
        missing = ".spec.strategy.canary or .spec.strategy.blueGreen"
        yield required(f"{path}.strategy", MISSING_FIELD.format(missing))


def check_blue_green(path: str, spec: RolloutSpec, strategy: BlueGreenStrategy) -> Findings:
    """The blue-green strategy."""
    if strategy.active_service == strategy.preview_service:
        text = "This rollout uses the same service for the active and preview services, but two different services are"
        yield invalid(f"{path}.activeService", strategy.active_service, f"{text} required.")
    limit = strategy.scale_down_delay_revision_limit
    if limit is not None and _history_limit(spec) < limit:
        text = "This rollout's revision history limit can not be smaller than the rollout's scale down limit"
        yield invalid(f"{path}.scaleDownDelayRevisionLimit", limit, text)
    yield from check_anti_affinity(f"{path}.antiAffinity", strategy.anti_affinity)
