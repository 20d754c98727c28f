"""Conditions of analysis templates that can't be read: each of their measurements would be an Error."""

from collections.abc import Iterator
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE
from meshsim.api.validate.findings import Finding, warning

_KINDS: Final = {kind.kind for kind in (ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, ANALYSIS_RUN)}
_CONDITIONS: Final = ("successCondition", "failureCondition")
_ARGUMENT: Final = "{{"


def unreadable_conditions(group: str, kind: str, obj: Object) -> Iterator[Finding]:
    """A warning for each condition that is no expression. One with arguments in it is not judged: they come later."""
    if group != ANALYSIS_TEMPLATE.group or kind not in _KINDS:
        return
    # A tenth of a second of imports, which manifests without analyses needn't cost.
    from controller.analysis.conditions import ConditionError  # noqa: PLC0415
    from controller.analysis.conditions.syntax import parse  # noqa: PLC0415

    for path, condition in _conditions(obj):
        if _ARGUMENT in condition:
            continue
        try:
            parse(condition)
        except ConditionError as error:
            yield warning(path, f"every measurement will be an Error, for {condition!r} can't be read: {error}")


def _conditions(obj: Object) -> Iterator[tuple[str, str]]:
    spec = obj.get("spec")
    metrics = spec.get("metrics") if isinstance(spec, dict) else None
    for index, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        for name in _CONDITIONS if isinstance(metric, dict) else ():
            condition = metric.get(name)
            if isinstance(condition, str) and condition.strip():
                yield f"spec.metrics[{index}].{name}", condition
