"""Shares as people write them: `5%` or `0.05`."""

import math


class ShareError(ValueError):
    """The text is no share."""


def parse_share(text: str) -> float:
    """A number from 0 to 1. Raises ShareError."""
    text = text.strip()
    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = math.nan
    if not 0.0 <= share <= 1.0:
        raise ShareError(f'"{text}" is no share: write 5% or 0.05')
    return share
