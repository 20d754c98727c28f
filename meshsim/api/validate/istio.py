"""Istio's webhook: an object is decoded into its message, then judged by the rules of its kind."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from meshsim.api.decode import Object
from meshsim.api.kinds import DESTINATION_RULE, GATEWAY, SERVICE_ENTRY, SIDECAR, VIRTUAL_SERVICE
from meshsim.api.meta import ObjectMeta
from meshsim.api.networking import DestinationRule, Gateway, ServiceEntry, Sidecar, VirtualService, WorkloadEntry
from meshsim.api.validate.destination_rule import check_destination_rule
from meshsim.api.validate.findings import Finding, Findings, Verdict, verdict_of
from meshsim.api.validate.gateway import check_gateway
from meshsim.api.validate.gotext import quote
from meshsim.api.validate.protojson import MessageError, read_message
from meshsim.api.validate.schemas import schema_of
from meshsim.api.validate.service_entry import check_service_entry, check_workload_entry
from meshsim.api.validate.sidecar import check_sidecar
from meshsim.api.validate.virtual_service import check_virtual_service

GROUP: Final = VIRTUAL_SERVICE.group

W = TypeVar("W")
_Check = Callable[[Object], Findings]


def _judged_as(wire: type[W], check: Callable[[W], Findings]) -> _Check:
    return lambda message: check(msgspec.convert(message, wire))


_CHECKS: Final[Mapping[str, _Check]] = {
    VIRTUAL_SERVICE.kind: _judged_as(VirtualService, check_virtual_service),
    DESTINATION_RULE.kind: _judged_as(DestinationRule, check_destination_rule),
    GATEWAY.kind: _judged_as(Gateway, check_gateway),
    SERVICE_ENTRY.kind: _judged_as(ServiceEntry, check_service_entry),
    SIDECAR.kind: _judged_as(Sidecar, check_sidecar),
    "WorkloadEntry": _judged_as(WorkloadEntry, check_workload_entry),
}

_DRY_RUN: Final = "istio.io/dry-run"
_ALWAYS_REJECT: Final = "internal.istio.io/webhook-always-reject"


def is_judged(kind: str) -> bool:
    """Whether the rules of a kind of Istio's are known here."""
    return kind in _CHECKS


def read_istio(kind: str, obj: Object) -> Object:
    """The object with its spec decoded, as the webhook reads it. Raises MessageError."""
    schema = schema_of(GROUP, kind) or {}
    spec = read_message(schema["properties"]["spec"], obj.get("spec"), "spec")
    return {"metadata": _metadata(obj), "spec": spec}


def check_istio(kind: str, message: Object) -> Findings:
    """What the webhook finds in an object that `read_istio` has read."""
    metadata: ObjectMeta = message["metadata"]
    error = _annotation_error(metadata)
    if error:
        yield Finding("metadata.annotations", error)
    else:
        yield from _CHECKS[kind](message)


def judge_istio(kind: str, obj: Object) -> Verdict:
    """The webhook's verdict on an object of a kind that `is_judged`; what can't be decoded is an error, too."""
    try:
        message = read_istio(kind, obj)
    except MessageError as error:
        return Verdict((Finding(error.path, error.message),))
    return verdict_of(check_istio(kind, message))


def _annotation_error(metadata: ObjectMeta) -> str | None:
    if _DRY_RUN in metadata.annotations:
        name = f"{metadata.namespace}/{metadata.name}"
        return f"{name} has unsupported annotation {_DRY_RUN}, please remove the annotation"
    if _ALWAYS_REJECT in metadata.annotations:
        return f"{quote(_ALWAYS_REJECT)} annotation found, rejecting"
    return None


def _metadata(obj: Object) -> ObjectMeta:
    """As much of the metadata as the rules look at; whether the rest is right is not Istio's business."""
    found = obj.get("metadata")
    metadata: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    return ObjectMeta(
        name=_text(metadata.get("name")),
        namespace=_text(metadata.get("namespace")),
        labels=_texts(metadata.get("labels")),
        annotations=_texts(metadata.get("annotations")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    return {str(key): _text(item) for key, item in value.items()} if isinstance(value, Mapping) else {}
