"""Analysis templates put together: one spec out of several, its arguments filled in."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from meshsim.api.analysis import AnalysisTemplate, AnalysisTemplateSpec, Argument, DryRun, MeasurementRetention

T = TypeVar("T")


class UnresolvedError(Exception):
    """Templates contradict each other or an argument is missing; `str(error)` says which, in Argo's words."""


def flattened(templates: Sequence[AnalysisTemplate]) -> AnalysisTemplateSpec:
    """One spec out of several templates. Raises UnresolvedError."""
    specs = [template.spec for template in templates]
    metrics = [metric for spec in specs for metric in spec.metrics]
    dry_run = [rule for spec in specs for rule in spec.dry_run]
    retention = [rule for spec in specs for rule in spec.measurement_retention]
    _no_two(metrics, lambda metric: metric.name, "two metrics have the same name '{}'")
    check_rules(dry_run, retention)
    return AnalysisTemplateSpec(
        metrics=tuple(metrics),
        args=_flattened_args(arg for spec in specs for arg in spec.args),
        dry_run=tuple(dry_run),
        measurement_retention=tuple(retention),
    )


def check_rules(dry_run: Iterable[DryRun], retention: Iterable[MeasurementRetention]) -> None:
    """Raise UnresolvedError when two rules are about the same metrics."""
    _no_two(dry_run, lambda rule: rule.metric_name, "two Dry-Run metric rules have the same name '{}'")
    text = "two Measurement Retention metric rules have the same name '{}'"
    _no_two(retention, lambda rule: rule.metric_name, text)


def _no_two(items: Iterable[T], name_of: Callable[[T], str], complaint: str) -> None:
    seen: set[str] = set()
    for name in map(name_of, items):
        if name in seen:
            raise UnresolvedError(complaint.format(name))
        seen.add(name)


def _flattened_args(args: Iterable[Argument]) -> tuple[Argument, ...]:
    by_name: dict[str, Argument] = {}
    for arg in args:
        known = by_name.get(arg.name)
        if known is None or known.value is None:
            by_name[arg.name] = arg
        elif arg.value is not None and arg.value != known.value:
            raise UnresolvedError(
                f"Argument `{arg.name}` specified multiple times with different values: '{known.value}', '{arg.value}'"
            )
    return tuple(by_name.values())


def merged_args(given: Iterable[Argument], declared: Iterable[Argument]) -> tuple[Argument, ...]:
    """The declared arguments with the given values; the given ones that aren't declared are dropped.

    Raises UnresolvedError for an argument without a value.
    """
    values: dict[str, Argument] = {arg.name: arg for arg in given}
    args = tuple(_with_value(arg, values.get(arg.name)) for arg in declared)
    missing = next((arg.name for arg in args if arg.value is None and arg.value_from is None), None)
    if missing is not None:
        raise UnresolvedError(f"args.{missing} was not resolved")
    return args


def _with_value(declared: Argument, given: Argument | None) -> Argument:
    if given is None:
        return declared
    if given.value is not None:
        return msgspec.structs.replace(declared, value=given.value)
    if given.value_from is not None:
        return msgspec.structs.replace(declared, value_from=given.value_from)
    return declared
