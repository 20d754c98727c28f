"""Is an observed split the configured one? Exact chance, no approximation where people would notice.

A proxy that splits per request draws each one independently, so the requests of a version are binomial. Two
questions are asked of them: is the share right (`band`), and does the order look drawn (`Regularity`)? A round
robin has the right share and is far more regular than chance; a split by connection or by client is lumpier.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from meshsim.kit.errors import UsageError

_NEGLIGIBLE: Final = 1e-22
_MIN_VARIANCE: Final = 5.0
_MIN_WINDOWS: Final = 20


@dataclass(frozen=True, slots=True)
class Band:
    """The counts, both ends included, that chance gives with a confidence; each tail outside has half the rest."""

    low: int
    high: int

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.low <= count <= self.high


def band(requests: int, share: float, confidence: float = 0.99) -> Band:
    """How many of `requests` may go to a version whose configured share (0 to 1) is `share`.

    The exact two-sided acceptance region of the binomial test with equal tails: a count outside has, on its
    side, a probability of at most half of 1 − `confidence`. Raises UsageError for numbers that are no share.
    """
    if requests < 0 or not 0 <= share <= 1 or not 0 < confidence < 1:
        raise UsageError(f"no band for {requests} requests, a share of {share} and a confidence of {confidence}")
    if share in (0, 1) or requests == 0:
        only = requests if share == 1 else 0
        return Band(only, only)
    first, chances = _binomial(requests, share)
    tail = (1 - confidence) / 2 * math.fsum(chances)
    low = first + _before(chances, tail)
    high = first + len(chances) - 1 - _before(chances[::-1], tail)
    return Band(low, high)


def _binomial(requests: int, share: float) -> tuple[int, list[float]]:
    """The count the list starts at, and each count's chance relative to the likeliest; the negligible left out."""
    odds = share / (1 - share)
    mode = min(requests, math.floor((requests + 1) * share))
    below, chance = [], 1.0
    for count in range(mode, 0, -1):
        chance *= count / (requests - count + 1) / odds
        if chance < _NEGLIGIBLE:
            break
        below.append(chance)
    above, chance = [1.0], 1.0
    for count in range(mode, requests):
        chance *= (requests - count) / (count + 1) * odds
        if chance < _NEGLIGIBLE:
            break
        above.append(chance)
    return mode - len(below), [*reversed(below), *above]


def _before(chances: Sequence[float], tail: float) -> int:
    """How many counts from the outside hold no more than the tail."""
    total = 0.0
    for index, chance in enumerate(chances):
        total += chance
        if total > tail:
            return index
    return len(chances)


@dataclass(frozen=True, slots=True)
class Regularity:
    """How evenly a version's requests are spread over consecutive windows, against independent draws.

    `dispersion` is the mean of (count − expected)² / variance: about 1 by chance, near 0 for a round robin,
    far above 1 when they come in lumps. `low` and `high` are what chance allows.
    """

    windows: int
    dispersion: float
    low: float
    high: float

    @property
    def is_chance(self) -> bool:
        """Neither more regular nor lumpier than independent draws."""
        return self.low <= self.dispersion <= self.high


def regularity(hits: Sequence[bool], share: float, confidence: float = 0.999) -> Regularity | None:
    """Judge the order of requests: `hits` says of each, oldest first, whether the version got it.

    None when there are too few to tell or nothing is drawn (a share of 0 or 1). The sum over the windows is
    chi-square, whose quantiles Wilson and Hilferty give within 2 % from twenty windows on.
    """
    if not 0 < share < 1:
        return None
    spread = share * (1 - share)
    size = math.ceil(_MIN_VARIANCE / spread)
    windows = len(hits) // size
    if windows < _MIN_WINDOWS:
        return None
    expected, variance = size * share, size * spread
    counts = (sum(hits[at : at + size]) for at in range(0, windows * size, size))
    dispersion = math.fsum((count - expected) ** 2 for count in counts) / variance / windows
    tail = (1 - confidence) / 2
    return Regularity(windows, dispersion, _chi_square_mean(windows, tail), _chi_square_mean(windows, 1 - tail))


def _chi_square_mean(degrees: int, probability: float) -> float:
    """The quantile of chi-square ÷ degrees of freedom (Wilson and Hilferty, 1931)."""
    ninth = 2 / (9 * degrees)
    root = 1 - ninth + NormalDist().inv_cdf(probability) * math.sqrt(ninth)
    return max(0.0, root) ** 3
