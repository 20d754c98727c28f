"""Translates recorded verdicts of Istio's own validator; production code decides.

A case agrees when validity, the set of errors, the set of warnings and the structural verdict of the CRD are equal.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from meshsim.api.validate.findings import Finding
from meshsim.api.validate.istio import GROUP, judge_istio
from meshsim.api.validate.schema import check_structure, unknown_fields
from meshsim.api.validate.schemas import schema_of
from tests.conformance.cases import Case

_LIST_HEAD: Final = " occurred:\n"
_BULLET: Final = "\n\t* "


def recognises(document: Mapping[str, Any]) -> bool:
    """A file of Istio's verdicts names the commit that gave them."""
    return "istio_commit" in document


def cases_of(document: Mapping[str, Any]) -> Iterator[Case]:
    """Every recorded case."""
    for case in document["cases"]:
        yield Case(case["id"], partial(_recorded, case), partial(_decided, case))


def _recorded(case: Mapping[str, Any]) -> object:
    errors = {*case.get("errors", ()), *([case["parse_error"]] if "parse_error" in case else ())}
    return _answer(case["valid"], errors, _split(case.get("warning", "")), case["crd_schema_ok"])


def _decided(case: Mapping[str, Any]) -> object:
    verdict = judge_istio(case["kind"], case["config"])
    schema = schema_of(GROUP, case["kind"])
    if schema is None:
        raise LookupError(f"no schema of {case['kind']}")
    misfits = (*unknown_fields(schema, case["config"]), *check_structure(schema, case["config"]))
    return _answer(verdict.is_valid, _texts(verdict.errors), _texts(verdict.warnings), not misfits)


def _answer(is_valid: bool, errors: set[str], warnings: set[str], fits_schema: bool) -> object:
    return {
        "valid": is_valid,
        "errors": sorted({error.strip() for error in errors}),
        "warnings": sorted({warning.strip() for warning in warnings}),
        "crd_schema_ok": fits_schema,
    }


def _texts(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.message for finding in findings}


def _split(joined: str) -> set[str]:
    """One warning as it is, or the lines of a list."""
    if _LIST_HEAD not in joined:
        return {joined} if joined else set()
    return set(joined.strip().split(_BULLET)[1:])
