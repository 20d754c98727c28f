"""Observed against configured: the times in which the split stood still, and what the requests of each show. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from meshsim.cli.live.configured import Split
from meshsim.kit.split import Band, Regularity, band, regularity
from meshsim.load.samples import Sample


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which the proxy had one split and nothing was about to change it. Unix seconds."""

    title: str
    split: Split
    began: float
    ended: float | None = None

    @property
    def length_s(self) -> float:
        """How long it took, 0 while it runs."""
        return 0.0 if self.ended is None else self.ended - self.began

    def covers(self, instant: float) -> bool:
        """A request that began then was split so."""
        return self.began <= instant and (self.ended is None or instant < self.ended)


class Spans:
    """Tells when a span begins and ends, from what is true now."""

    def __init__(self) -> None:
        self.ended: list[Span] = []
        self.current: Span | None = None

    @property
    def told(self) -> list[Span]:
        """The spans that ended; of neighbours that differ in nothing but their time, the longest."""
        groups = groupby(self.ended, key=lambda span: (span.title, span.split))
        return [max(group, key=lambda span: span.length_s) for _, group in groups]

    def is_current(self, title: str, split: Split) -> bool:
        """The span that runs has that title and split."""
        return self.current is not None and (self.current.title, self.current.split) == (title, split)

    def steady(self, now: float, title: str, split: Split) -> None:
        """At `now` the split stands still: go on with the current span or begin one."""
        if not self.is_current(title, split):
            self.moving(now)
            self.current = Span(title, split, now)

    def moving(self, now: float) -> None:
        """At `now` the split may change, or has changed."""
        if self.current is not None:
            self.ended.append(replace(self.current, ended=now))
            self.current = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one version got of the requests of a span."""

    version: str
    share: float
    """The configured share, 0 to 1."""
    count: int
    requests: int
    """Of all versions."""
    band: Band
    regularity: Regularity | None
    """None when there are too few requests to tell, or nothing to draw."""

    @property
    def observed(self) -> float:
        """The share it got, 0 to 1."""
        return self.count / self.requests if self.requests else 0.0

    @property
    def is_in_band(self) -> bool:
        """Chance gives such a share."""
        return self.count in self.band

    @property
    def is_chance(self) -> bool:
        """Chance gives such a share, and such an order of requests."""
        return self.is_in_band and (self.regularity is None or self.regularity.is_chance)


def observe(samples: Iterable[Sample], span: Span, version: str, confidence: float) -> Observation:
    """Judge one version by the requests that began in the span."""
    inside = sorted((sample.began, sample.version == version) for sample in samples if span.covers(sample.began))
    hits = [hit for _, hit in inside]
    share = span.split.get(version, 0.0)
    return Observation(
        version=version,
        share=share,
        count=sum(hits),
        requests=len(hits),
        band=band(len(hits), min(share, 1.0), confidence),
        regularity=regularity(hits, share, confidence),
    )
