"""Selectors as clients write them in a query.

Of labels `app=web,tier in (a,b),!legacy`, of fields `metadata.name=x,status.phase!=Failed`.
"""

import re
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import FieldError
from meshsim.api.meta import LabelSelector, SelectorRequirement

# Possessive throughout: whatever is sent, no character is looked at twice.
_NAME: Final = r"[A-Za-z0-9][-A-Za-z0-9_.]*+(?<=[A-Za-z0-9])"
_KEY: Final = rf"(?:[A-Za-z0-9][-A-Za-z0-9.]*+(?<=[A-Za-z0-9])/)?+{_NAME}"
_VALUE: Final = rf"(?:{_NAME})?+"
_TERM: Final = re.compile(
    rf"\s*+(?:(?P<not>!)\s*+(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*+(?P<op>==|=|!=)\s*+(?P<value>{_VALUE})"
    rf"|\s++(?P<set>in|notin)\s*+\(\s*+(?P<values>{_VALUE}(?:\s*+,\s*+{_VALUE})*+)\s*+\))?)\s*+(?:,|\Z)"
)


def parse_label_selector(text: str) -> LabelSelector:
    """The selector of a `labelSelector` parameter; an empty text selects everything. Raises FieldError."""
    requirements: list[SelectorRequirement] = []
    at = 0
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            raise FieldError("", f'unable to parse requirement: "{text[at:].strip()}" is no label selector')
        requirements.append(_requirement(term))
        at = term.end()
    if text.rstrip().endswith(","):
        raise FieldError("", f'unable to parse requirement: "{text}" ends with a comma')
    return LabelSelector(match_expressions=tuple(requirements))


def _requirement(term: re.Match[str]) -> SelectorRequirement:
    if term["not"]:
        return SelectorRequirement(key=term["absent"], operator="DoesNotExist")
    if term["op"]:
        operator = "NotIn" if term["op"] == "!=" else "In"
        return SelectorRequirement(key=term["key"], operator=operator, values=(term["value"],))
    if term["set"]:
        operator = "In" if term["set"] == "in" else "NotIn"
        values = tuple(value.strip() for value in term["values"].split(","))
        return SelectorRequirement(key=term["key"], operator=operator, values=values)
    return SelectorRequirement(key=term["key"], operator="Exists")


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: the field at a dotted path is, or is not, this text."""

    path: str
    value: str
    equal: bool


def parse_field_selector(text: str) -> tuple[FieldTerm, ...]:
    """The terms of a `fieldSelector` parameter: `=`, `==` or `!=`, all must hold. Raises FieldError."""
    return tuple(_field_term(term) for term in text.split(",") if term)


def _field_term(term: str) -> FieldTerm:
    for operator in ("!=", "==", "="):
        path, found, value = term.partition(operator)
        if found:
            return FieldTerm(path.strip(), value.strip(), operator != "!=")
    raise FieldError("", f"invalid selector: '{term}'; can't understand '{term}'")
