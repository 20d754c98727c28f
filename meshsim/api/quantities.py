"""Kubernetes quantities (`500m`, `1.5Gi`, `1e3`): their amounts, and the one form that Kubernetes writes."""

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([a-zA-Z]{1,2}))?", re.ASCII)
_MOST_CHARACTERS: Final = 100
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_NANO: Final = 10**9
_MOST_BINARY: Final = 2**63 - 1


class QuantityError(ValueError):
    """The text is no quantity."""


@lru_cache(maxsize=1024)
def exact_quantity(text: str) -> Fraction:
    """The amount. Raises QuantityError, also for one of more digits than anybody means (`1e999999999`)."""
    match = _QUANTITY.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if match is not None:
        number, exponent, suffix = Fraction(Decimal(match[1])), match[2], match[3] or ""
        if suffix in _BINARY:
            return number * (1 << _BINARY[suffix])
        if suffix in _DECIMAL:
            power = int(exponent) if exponent else _DECIMAL[suffix]
            return number * Fraction(10) ** power
    raise QuantityError(f'"{text[:_MOST_CHARACTERS]}" is no quantity: write 64Mi, 500m or 2')


def parse_quantity(text: str) -> float:
    """The amount, as near as a float comes. Raises QuantityError."""
    try:
        return float(exact_quantity(text))
    except OverflowError:
        raise QuantityError(f'"{text}" is more than can be reckoned with') from None


def is_quantity(value: object) -> bool:
    """Whether Kubernetes reads the value, a text, a number or null, as an amount."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        return False
    try:
        exact_quantity("0" if value is None else str(value))
    except QuantityError:
        return False
    return True


def canonical_quantity(text: str) -> str:
    """The same amount without a fraction and with the largest suffix that loses nothing.

    Finer than a billionth is rounded up, and a binary one ends at 2^63-1. A text that is no quantity is returned as
    it is.
    """
    try:
        number = exact_quantity(text)
    except QuantityError:
        return text
    if text[-1] == "i" and abs(number) >= 1024:
        return _binary(_away_from_zero(number))
    as_exponent = text[-1].isdigit() and "e" in text.lower()
    return _decimal(Fraction(_away_from_zero(number * _NANO), _NANO), as_exponent=as_exponent)


def _away_from_zero(number: Fraction) -> int:
    whole, rest = divmod(abs(number.numerator), number.denominator)
    return (whole + (1 if rest else 0)) * (1 if number >= 0 else -1)


def _binary(whole: int) -> str:
    whole = max(-_MOST_BINARY, min(whole, _MOST_BINARY))
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
