"""The spec of an analysis run: templates put together, arguments filled in."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.rollout.observed import Observed
from controller.rollout.versions import Version
from meshsim.api.analysis import AnalysisRunArgument, TemplateRef
from meshsim.api.decode import Object, encode
from meshsim.api.steps import RolloutAnalysis

_PATH_STEP: Final = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
_METADATA_KEY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class UnresolvedError(Exception):
    """A template or an argument is missing; `str(error)` says which, in Argo's words."""


def run_spec(observed: Observed, analysis: RolloutAnalysis, new: Version, stable: Version | None) -> Object:
    """The spec of a run of that analysis. Raises UnresolvedError."""
    templates = find_templates(observed, analysis.templates)
    spec = flattened(templates)
    args = merged_args(rollout_args(observed, analysis.args, new, stable), spec.pop("args", []))
    for field, own in (("dryRun", analysis.dry_run), ("measurementRetention", analysis.measurement_retention)):
        rules = [encode(rule) for rule in own] + spec.pop(field, [])
        if rules:
            spec[field] = rules
    return spec | ({"args": args} if args else {})


def find_templates(observed: Observed, references: Iterable[TemplateRef]) -> list[Object]:
    """The templates that are named, namespaced ones first, each once, nested ones too."""
    found: dict[tuple[bool, str], Object] = {}

    def visit(references: Iterable[TemplateRef]) -> None:
        for reference in references:
            where = observed.cluster_templates if reference.cluster_scope else observed.templates
            template = where.get(reference.template_name)
            if template is None:
                plural = "clusteranalysistemplates" if reference.cluster_scope else "analysistemplates"
                raise UnresolvedError(f'{plural}.argoproj.io "{reference.template_name}" not found')
            if (reference.cluster_scope, reference.template_name) not in found:
                found[reference.cluster_scope, reference.template_name] = template
                visit(
                    TemplateRef(
                        template_name=nested.get("templateName") or "", cluster_scope=bool(nested.get("clusterScope"))
                    )
                    for nested in (template.get("spec") or {}).get("templates") or []
                )

    visit(references)
    return [template for _, template in sorted(found.items(), key=lambda item: item[0][0])]


def flattened(templates: Iterable[Object]) -> Object:
    """One spec out of several templates."""
    specs = [template.get("spec") or {} for template in templates]
    spec: Object = {"metrics": _unique(specs, "metrics", "name", "two metrics have the same name '{}'")}
    args = _flattened_args(arg for one in specs for arg in one.get("args") or [])
    dry_run = _unique(specs, "dryRun", "metricName", "two Dry-Run metric rules have the same name '{}'")
    retention = _unique(
        specs, "measurementRetention", "metricName", "two Measurement Retention metric rules have the same name '{}'"
    )
    for field, value in (("args", args), ("dryRun", dry_run), ("measurementRetention", retention)):
        if value:
            spec[field] = value
    return spec


def _unique(specs: Iterable[Object], field: str, key: str, complaint: str) -> list[Object]:
    items = [item for spec in specs for item in spec.get(field) or []]
    names = [item.get(key) for item in items]
    for name in names:
        if names.count(name) > 1:
            raise UnresolvedError(complaint.format(name))
    return items


def _flattened_args(args: Iterable[Object]) -> list[Object]:
    by_name: dict[str, Object] = {}
    for arg in args:
        name = arg.get("name") or ""
        known = by_name.get(name)
        if known is not None and known.get("value") is not None and arg.get("value") is not None:
            if known["value"] != arg["value"]:
                raise UnresolvedError(
                    f"Argument `{name}` specified multiple times with different values: "
                    f"'{known['value']}', '{arg['value']}'"
                )
        elif known is None or known.get("value") is None:
            by_name[name] = arg
    return list(by_name.values())


def merged_args(given: Iterable[Object], declared: Iterable[Object]) -> list[Object]:
    """The template's arguments with the rollout's values; those it doesn't declare are dropped."""
    values = {arg["name"]: arg for arg in given}
    args = [_merged_arg(arg, values.get(arg.get("name") or "", {})) for arg in declared]
    for arg in args:
        if arg.get("value") is None and arg.get("valueFrom") is None:
            raise UnresolvedError(f"args.{arg.get('name')} was not resolved")
    return args


def _merged_arg(declared: Object, given: Object) -> Object:
    for field in ("value", "valueFrom"):
        if given.get(field) is not None:
            return {"name": declared["name"], field: given[field]}
    return declared


def rollout_args(
    observed: Observed, args: Iterable[AnalysisRunArgument], new: Version, stable: Version | None
) -> list[Object]:
    """What a rollout passes to an analysis: values, version hashes, fields of itself."""
    return [
        {"name": arg.name, "value": _value_from(observed, arg.value_from, new, stable) or arg.value or ""}
        if arg.value_from
        else {"name": arg.name, "value": arg.value or ""}
        for arg in args
    ]


def _value_from(observed: Observed, source: Mapping[str, Any], new: Version, stable: Version | None) -> str:
    version = source.get("podTemplateHashValue")
    if version == "Latest":
        return new.hash
    if version == "Stable":
        return stable.hash if stable else ""
    path = (source.get("fieldRef") or {}).get("fieldPath")
    return _field_text(observed.raw, path) if path else ""


def _field_text(rollout: Object, path: str) -> str:
    keyed = _METADATA_KEY.fullmatch(path)
    if keyed:
        text: str = (rollout["metadata"].get(keyed[1]) or {}).get(keyed[2]) or ""
        return text
    value: Any = rollout
    for name, index in _PATH_STEP.findall(path):
        value = _field(value, name) if name else _item(value, index)
        if value is None:
            raise UnresolvedError(f"invalid path {path} in rollout")
    return _primitive(value, path)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _item(value: Any, index: str) -> Any:
    if not index.isdecimal():
        raise UnresolvedError(f"invalid index '{index}'")
    if not isinstance(value, list):
        return None
    if int(index) >= len(value):
        raise UnresolvedError(f"index {index} out of range")
    return value[int(index)]


def _primitive(value: Any, path: str) -> str:
    if isinstance(value, dict | list):
        raise UnresolvedError(f"path {path} in rollout must terminate in a primitive value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
