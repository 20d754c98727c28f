"""Kubernetes quantities (`500m`, `1.5Gi`, `1e3`) in the one form that Kubernetes writes them in."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]{1,2}))?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_NANO: Final = 10**9


def canonical_quantity(text: str) -> str:
    """The same amount without a fraction and with the largest suffix that loses nothing.

    Finer than a billionth is rounded up. A text that is no quantity is returned as it is.
    """
    match = _parts(text)
    if match is None:
        return text
    number, exponent, suffix = Fraction(Decimal(match[1])), match[2], match[3] or ""
    if exponent:
        number *= Fraction(10) ** int(exponent[1:])
    elif suffix in _BINARY:
        number *= 2 ** _BINARY[suffix]
    else:
        number *= Fraction(10) ** _DECIMAL[suffix]
    if suffix in _BINARY and abs(number) >= 1024:
        return _binary(_away_from_zero(number))
    return _decimal(Fraction(_away_from_zero(number * _NANO), _NANO), as_exponent=bool(exponent))


def is_quantity(value: object) -> bool:
    """Whether Kubernetes reads the value, a text, a number or null, as an amount."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        return False
    return value is None or _parts(str(value)) is not None


def _parts(text: str) -> re.Match[str] | None:
    match = _QUANTITY.fullmatch(text)
    is_known = match is not None and (match[3] is None or match[3] in _DECIMAL or match[3] in _BINARY)
    return match if is_known else None


def _away_from_zero(number: Fraction) -> int:
    whole, rest = divmod(abs(number.numerator), number.denominator)
    return (whole + (1 if rest else 0)) * (1 if number >= 0 else -1)


def _binary(whole: int) -> str:
    suffix, factor = max(
        ((name, 2**bits) for name, bits in {"": 0, **_BINARY}.items() if whole % 2**bits == 0), key=lambda pair: pair[1]
    )
    return f"{whole // factor}{suffix}"


def _decimal(number: Fraction, *, as_exponent: bool) -> str:
    if number == 0:
        return "0"
    suffix, power = max(
        ((name, power) for name, power in _DECIMAL.items() if (number / Fraction(10) ** power).denominator == 1),
        key=lambda pair: pair[1],
    )
    mantissa = (number / Fraction(10) ** power).numerator
    if as_exponent:
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{suffix}"
