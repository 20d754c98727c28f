"""Quantiles out of histograms with buckets."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from meshsim.telemetry.promql.history import Labels
from meshsim.telemetry.promql.values import Sample, without_name


class Bucket(NamedTuple):
    """How many observations were at most `bound`."""

    bound: float
    observations: float


def histogram_quantile(wanted: float, samples: Iterable[Sample]) -> list[Sample]:
    """The quantile of each histogram whose buckets are among the samples."""
    histograms: dict[tuple[tuple[str, str], ...], tuple[Labels, dict[float, float]]] = {}
    for sample in samples:
        try:
            bound = float(sample.labels.get("le", ""))
        except ValueError:
            continue
        labels = {label: value for label, value in without_name(sample.labels).items() if label != "le"}
        _, buckets = histograms.setdefault(tuple(sorted(labels.items())), (labels, {}))
        buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return [Sample(labels, bucket_quantile(wanted, buckets)) for labels, buckets in histograms.values()]


def bucket_quantile(wanted: float, counts: dict[float, float]) -> float:
    """The quantile by linear interpolation within a bucket; the last bucket that has an end is the most it can be."""
    if math.isnan(wanted):
        return math.nan
    if not 0 <= wanted <= 1:
        return math.inf if wanted > 1 else -math.inf
    buckets = _rising(counts)
    if (
        len(buckets) < 2
        or not math.isinf(buckets[-1].bound)
        or buckets[-1].observations == 0
        or math.isnan(buckets[-1].observations)
    ):
        return math.nan
    rank = wanted * buckets[-1].observations
    place = next((at for at, bucket in enumerate(buckets[:-1]) if bucket.observations >= rank), len(buckets) - 1)
    if place == len(buckets) - 1:
        return buckets[-2].bound
    if place == 0 and buckets[0].bound <= 0:
        return buckets[0].bound
    below = buckets[place - 1] if place else Bucket(0.0, 0.0)
    share = (rank - below.observations) / (buckets[place].observations - below.observations)
    return below.bound + (buckets[place].bound - below.bound) * share


def _rising(counts: dict[float, float]) -> list[Bucket]:
    """The buckets in order; a count below the one before it, which comes of adding up rates, counts as that one."""
    buckets: list[Bucket] = []
    most = -math.inf
    for bound in sorted(counts):
        most = max(most, counts[bound])
        buckets.append(Bucket(bound, most))
    return buckets
