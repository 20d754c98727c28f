"""What the API server and Istio's webhook say to a custom resource that somebody writes."""

from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.validate.findings import Finding, verdict_of
from meshsim.api.validate.istio import GROUP, check_istio, is_judged, read_istio
from meshsim.api.validate.protojson import MessageError
from meshsim.api.validate.schema import check_rules, check_structure
from meshsim.api.validate.schemas import schema_of

_WEBHOOK: Final = 'admission webhook "validation.istio.io" denied the request'

_CAUSES: Final = (
    ("Required value", "FieldValueRequired"),
    ("Unsupported value", "FieldValueNotSupported"),
    ("Duplicate value", "FieldValueDuplicate"),
    ("Too long", "FieldValueTooLong"),
    ("Too many", "FieldValueTooMany"),
)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an object may be stored.

    `misfits` are causes of a 422 Invalid: each the path of a field and what is wrong there. `denial` is the whole
    message of a 400 with an empty reason, from Istio's webhook, which is asked only about what fits the schema.
    `warnings` go with an object that is stored (the `Warning` header, code 299).
    """

    misfits: tuple[Finding, ...] = ()
    denial: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """The object may be stored."""
        return not self.misfits and not self.denial


def admit(kind: Kind, obj: Object) -> Admission:
    """Judge an object that is created or updated; kinds that are no custom resources are none of its business.

    The object has its namespace, name and defaults. Nothing is changed and nothing raised.
    """
    schema = schema_of(kind.group, kind.kind)
    if schema is None:
        return Admission()
    misfits = tuple(check_structure(schema, obj)) or tuple(check_rules(schema, obj))
    if misfits or kind.group != GROUP or not is_judged(kind.kind):
        return Admission(misfits)
    try:
        verdict = verdict_of(check_istio(kind.kind, read_istio(kind.kind, obj)))
    except MessageError as error:
        return Admission(denial=f"{_WEBHOOK}: error decoding configuration: {error}")
    if verdict.errors:
        return Admission(denial=f"{_WEBHOOK}: configuration is invalid: {verdict.sentence}")
    return Admission(warnings=tuple(finding.message for finding in verdict.warnings))


def cause_of(finding: Finding) -> str:
    """The reason that a Status' cause names for a misfit."""
    kinds = (cause for start, cause in _CAUSES if finding.message.startswith(start))
    is_type = "must be of type" in finding.message
    return next(kinds, "FieldValueTypeInvalid" if is_type else "FieldValueInvalid")
