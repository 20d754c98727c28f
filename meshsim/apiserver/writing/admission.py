"""What stands between a body that is well formed and the store: types, fields, schemas, Istio's webhook. Pure."""

from collections.abc import Callable
from enum import StrEnum

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.api.validate.admission import admit, cause_of
from meshsim.api.validate.findings import Finding, under
from meshsim.api.validate.istio import GROUP as ISTIO
from meshsim.api.validate.schema import TOP_FIELDS, check_structure
from meshsim.apiserver import refusals
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.schemas import custom_schema, full_schema, is_custom
from meshsim.apiserver.refusals import Cause
from meshsim.apiserver.writing.go_types import MisfitError, check_types
from meshsim.apiserver.writing.pruning import prune
from meshsim.client.api import ApiError

Warn = Callable[[str], None]
"""Told a sentence that the writer should see although the write succeeds."""


class FieldValidation(StrEnum):
    """What becomes of a write with fields that the kind doesn't have; they are not stored in any case."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


def check_fields(kind: Kind, obj: Object, validation: FieldValidation, warn: Warn) -> None:
    """Judge the types of a body's fields, and leave out those that the kind doesn't have.

    Raises InvalidError (400) for a value that its field cannot hold and, strictly, for an unknown field.
    """
    if not is_custom(kind):
        try:
            check_types(kind.api_version, kind.kind, obj)
        except MisfitError as error:
            raise _unreadable(kind, str(error)) from None
    schema = full_schema(kind)
    unknown = prune(schema, obj) if schema else []
    if unknown and validation == FieldValidation.STRICT:
        raise _unreadable(kind, f"strict decoding error: {', '.join(unknown)}")
    if validation == FieldValidation.WARN:
        for message in unknown:
            warn(message)


def _unreadable(kind: Kind, problem: str) -> ApiError:
    return refusals.bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {problem}'
    )


def check_status(kind: Kind, obj: Object) -> None:
    """Judge the status alone, where nothing else is written; no webhook is asked. Raises InvalidError."""
    schema = custom_schema(kind) or {}
    part, status = (schema.get("properties") or {}).get("status"), obj.get("status")
    if part is None or status is None:
        return
    _refuse(kind, obj, tuple(under("status", check_structure(part, status))))


def check_admission(kind: Kind, obj: Object, warn: Warn, old: Object | None = None) -> None:
    """Judge a defaulted object as the API server's schemas and Istio's webhook do. Raises ApiError.

    `old` is what it replaces: schemas have nothing to say of what is as it was.
    """
    if old is not None and kind.group != ISTIO and _described(obj) == _described(old):
        return
    if isinstance(kind, CustomKind):
        _refuse(kind, obj, tuple(check_structure(custom_schema(kind) or {}, obj)))
        return
    admission = admit(kind, obj)
    _refuse(kind, obj, admission.misfits)
    if admission.denial:
        raise refusals.denied(admission.denial)
    for warning in admission.warnings:
        warn(warning)


def _described(obj: Object) -> bytes:
    # As text: to Python `true` is 1, to a schema it is not.
    return write_json({field: value for field, value in obj.items() if field not in TOP_FIELDS})


def _refuse(kind: Kind, obj: Object, misfits: tuple[Finding, ...]) -> None:
    if misfits:
        causes = [Cause(misfit.path, misfit.message, cause_of(misfit)) for misfit in misfits]
        raise refusals.invalid(kind, obj["metadata"]["name"], causes)
