"""The spec of an analysis run: templates put together, arguments filled in."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.rollout.observed import Observed
from controller.rollout.versions import Version
from meshsim.api.analysis import AnalysisRunArgument, AnalysisRunSpec, Argument
from meshsim.api.decode import Object
from meshsim.api.steps import RolloutAnalysis
from meshsim.api.templates import UnresolvedError, flattened, merged_args
from meshsim.api.validate.references import References, find_templates

_PATH_STEP: Final = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
_METADATA_KEY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def run_spec(observed: Observed, analysis: RolloutAnalysis, new: Version, stable: Version | None) -> AnalysisRunSpec:
    """The spec of a run of that analysis. Raises UnresolvedError."""
    known = References(templates=observed.templates, cluster_templates=observed.cluster_templates)
    spec = flattened(find_templates(analysis.templates, known))
    given = rollout_args(observed, analysis.args, new, stable)
    return AnalysisRunSpec(
        metrics=spec.metrics,
        args=merged_args(given, spec.args),
        dry_run=(*analysis.dry_run, *spec.dry_run),
        measurement_retention=(*analysis.measurement_retention, *spec.measurement_retention),
    )


def rollout_args(
    observed: Observed, args: Iterable[AnalysisRunArgument], new: Version, stable: Version | None
) -> list[Argument]:
    """What a rollout passes to an analysis: values, version hashes, fields of itself. Raises UnresolvedError."""
    return [Argument(name=arg.name, value=_value(observed, arg, new, stable)) for arg in args]


def _value(observed: Observed, arg: AnalysisRunArgument, new: Version, stable: Version | None) -> str:
    return (_value_from(observed, arg.value_from, new, stable) if arg.value_from else "") or arg.value or ""


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
