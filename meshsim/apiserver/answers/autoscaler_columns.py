"""What an autoscaler aims at and where it is, as people see it: Kubernetes' own printer. Pure."""

from collections.abc import Iterator
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.loose import at, mapping, mappings

_SHOWN: Final = 2
_UNKNOWN: Final = "<unknown>"


def targets(obj: Object) -> str:
    """`cpu: 12%/80%`: for each metric what it is and what it is to be."""
    found = list(_targets(obj))
    if not found:
        return "<none>"
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _targets(obj: Object) -> Iterator[str]:
    current = mappings(at("status.currentMetrics")(obj))
    for index, metric in enumerate(mappings(at("spec.metrics")(obj))):
        type_ = str(metric.get("type") or "")
        field = type_[:1].lower() + type_[1:]
        source = mapping(metric.get(field))
        now = mapping(mapping(current[index].get(field) if index < len(current) else None).get("current"))
        target = mapping(source.get("target"))
        name = f"{source.get('name')}: " if type_ in ("Resource", "ContainerResource") else ""
        yield name + _target(type_, target, now)


def _target(type_: str, target: Object, now: Object) -> str:
    if target.get("averageValue") is not None:
        average = " (avg)" if type_ in ("External", "Object") else ""
        return f"{now.get('averageValue') or _UNKNOWN}/{target['averageValue']}{average}"
    if type_ in ("Resource", "ContainerResource"):
        used, wanted = now.get("averageUtilization"), target.get("averageUtilization")
        return f"{_percent(used, _UNKNOWN)}/{_percent(wanted, '<auto>')}"
    return f"{now.get('value') or _UNKNOWN}/{target.get('value')}"


def _percent(value: object, default: str) -> str:
    return default if value is None else f"{value}%"
