"""What stands between a body that is well formed and the store: unknown fields, CRD schemas, Istio's webhook. Pure."""

from collections.abc import Callable
from enum import StrEnum

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.validate.admission import admit, cause_of
from meshsim.api.validate.findings import Finding, under
from meshsim.api.validate.schema import check_structure, unknown_fields
from meshsim.api.validate.schemas import schema_of
from meshsim.apiserver import refusals
from meshsim.apiserver.refusals import Cause

Warn = Callable[[str], None]
"""Told a sentence that the writer should see although the write succeeds."""


class FieldValidation(StrEnum):
    """What becomes of fields that a kind doesn't have; they are stored in any case, unless the write is refused."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


def check_fields(kind: Kind, obj: Object, validation: FieldValidation, warn: Warn) -> None:
    """Judge the fields that the kind's schema doesn't name. Raises InvalidError (400) when they are an error."""
    schema = schema_of(kind.group, kind.kind)
    if schema is None or validation == FieldValidation.IGNORE:
        return
    unknown = [finding.message for finding in unknown_fields(schema, obj)]
    if unknown and validation == FieldValidation.STRICT:
        raise refusals.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"strict decoding error: {', '.join(unknown)}"
        )
    for message in unknown:
        warn(message)


def check_status(kind: Kind, obj: Object) -> None:
    """Judge the status alone, where nothing else is written; no webhook is asked. Raises InvalidError."""
    schema = schema_of(kind.group, kind.kind) or {}
    part, status = (schema.get("properties") or {}).get("status"), obj.get("status")
    if part is None or status is None:
        return
    _refuse(kind, obj, tuple(under("status", check_structure(part, status))))


def check_admission(kind: Kind, obj: Object, warn: Warn) -> None:
    """Judge a defaulted object as the API server's schemas and Istio's webhook do. Raises ApiError."""
    admission = admit(kind, obj)
    _refuse(kind, obj, admission.misfits)
    if admission.denial:
        raise refusals.denied(admission.denial)
    for warning in admission.warnings:
        warn(warning)


def _refuse(kind: Kind, obj: Object, misfits: tuple[Finding, ...]) -> None:
    if misfits:
        causes = [Cause(misfit.path, misfit.message, cause_of(misfit)) for misfit in misfits]
        raise refusals.invalid(kind, obj["metadata"]["name"], causes)
