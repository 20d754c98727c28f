"""Kubernetes quantities as numbers: `64Mi`, `500m`, `1.5G`, `1e3`."""

import re
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]{0,2})")
_FACTOR: Final = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


class QuantityError(ValueError):
    """The text is no quantity."""


def parse_quantity(text: str) -> float:
    """The amount. Raises QuantityError."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _FACTOR:
        raise QuantityError(f'"{text}" is no quantity: write 64Mi, 500m or 2')
    return float(match[1]) * _FACTOR[match[2]]
