"""What words mean in YAML as Kubernetes' own library (sigs.k8s.io/yaml) reads it: 1.1's words, but JSON types only."""

import math
import re
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING or not yaml.__with_libyaml__:  # noqa: SIM108 - only so is it a class to the type checker
    BaseLoader = yaml.SafeLoader
else:
    BaseLoader = yaml.CSafeLoader

TAG: Final = "tag:yaml.org,2002:"
NULL_TAG: Final = TAG + "null"
BOOL_TAG: Final = TAG + "bool"
INT_TAG: Final = TAG + "int"
FLOAT_TAG: Final = TAG + "float"
MERGE_TAG: Final = TAG + "merge"
STR_TAG: Final = TAG + "str"

_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_INT: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def tag_of(word: str) -> str:
    """The tag that an unquoted word has."""
    if word in _NULL:
        return NULL_TAG
    if word in TRUE or word in FALSE:
        return BOOL_TAG
    if word[0] in "+-.0123456789" and (number_of(word) is not None or _NO_NUMBER.fullmatch(word)):
        return FLOAT_TAG
    return MERGE_TAG if word == "<<" else STR_TAG


def number_of(word: str) -> int | float | None:
    """As Go reads it: 012 and 0o12 are octal, what is too large for 64 bits is a float, and 1.0 is 1."""
    word = word.replace("_", "")
    whole = _INT.fullmatch(word)
    if whole and len(word) < 70:
        sign, *digits = whole.groups()
        value = next(int(sign + text, base) for text, base in zip(digits, (16, 2, 8, 10), strict=True) if text)
        if -(2**63) <= value < 2**64:
            return value
    if not _FLOAT.fullmatch(word) or not math.isfinite(number := float(word)):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**63 else number
