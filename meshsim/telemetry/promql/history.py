"""What was scraped in the last minutes, kept small: one list of times, one array of values a series."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import re2

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.exposed import labels_of
from meshsim.telemetry.promql.nodes import Matcher

Labels = dict[str, str]
Point = tuple[int, float]
"""Milliseconds and a value."""

_DROPPED_AT_ONCE: Final = 64


class Family(NamedTuple):
    """What an exposition says of a metric: its type, and what it is about."""

    kind: str
    about: str = ""


class Series:
    """The values of one series, one for each scrape since its first; NaN where a scrape didn't have it."""

    __slots__ = ("first", "labels", "order", "values")

    def __init__(self, labels: Labels, first: int) -> None:
        self.labels = labels
        self.order = sorted(labels.items())
        self.first = first
        self.values = array("d")


class History:
    """Scrapes of one text exposition, the newest `kept` of them."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._times: list[int] = []
        self._dropped = 0
        self._number = 0
        self._by_line: dict[str, Series] = {}
        self._by_name: dict[str, list[Series]] = {}
        self.families: dict[str, Family] = {}
        """Of the metrics that a scrape described."""

    def __len__(self) -> int:
        """How many scrapes are kept."""
        return len(self._times)

    def begin(self, at_ms: int) -> None:
        """Begin to keep a scrape; times only rise."""
        if len(self._times) >= self._kept + _DROPPED_AT_ONCE:
            self._drop(len(self._times) - self._kept)
        self._number = self._dropped + len(self._times)
        self._times.append(at_ms)

    def series(self, labels: Labels) -> Series:
        """A new series, the metric's name among its labels as `__name__`."""
        series = Series(labels, self._number)
        self._by_name.setdefault(labels["__name__"], []).append(series)
        return series

    def add(self, series: Series, value: float) -> None:
        """Keep what the scrape shows of a series."""
        missed = self._number - series.first - len(series.values)
        if missed > 0:
            series.values.extend((math.nan,) * missed)
        series.values.append(value)

    def add_text(self, exposition: str) -> None:
        """Keep every line of a text exposition."""
        by_line = self._by_line
        for line in exposition.split("\n"):
            if not line or line[0] == "#":
                self._describe(line)
                continue
            head, _, value = line.rpartition(" ")
            series = by_line.get(head)
            if series is None:
                series = by_line[head] = self.series(labels_of(head))
            self.add(series, float(value))

    def seen(self, matchers: Iterable[Matcher], start_ms: int, end_ms: int) -> Iterator[Series]:
        """Each series that the matchers choose and that was there from start to end, both included, or for a while."""
        low = self._dropped + bisect_left(self._times, start_ms)
        high = self._dropped + bisect_right(self._times, end_ms)
        for series in self._select(matchers):
            if max(series.first, low) < min(series.first + len(series.values), high):
                yield series

    def instants(self, matchers: Iterable[Matcher], at_ms: int, lookback_ms: int) -> Iterator[tuple[Labels, Point]]:
        """The newest value of each series that the matchers choose; none for one that the newest scrape lacked."""
        last = bisect_right(self._times, at_ms) - 1
        if last < 0 or self._times[last] < at_ms - lookback_ms:
            return
        for series in self._select(matchers):
            value = self._value(series, last)
            if not math.isnan(value):
                yield series.labels, (self._times[last], value)

    def windows(self, matchers: Iterable[Matcher], start_ms: int, end_ms: int) -> Iterator[tuple[Labels, list[Point]]]:
        """The points from start to end, both included, of each series that the matchers choose."""
        low, high = bisect_left(self._times, start_ms), bisect_right(self._times, end_ms)
        times, first = self._times[low:high], self._dropped + low
        for series in self._select(matchers):
            # Between two of them old scrapes may have been dropped.
            begin = first - series.first
            values = series.values[max(begin, 0) : max(begin + len(times), 0)]
            # NaN is the one value that isn't itself.
            points = [point for point in zip(times[max(-begin, 0) :], values, strict=False) if point[1] == point[1]]
            if points:
                yield series.labels, points

    def _value(self, series: Series, at: int) -> float:
        place = self._dropped + at - series.first
        return series.values[place] if 0 <= place < len(series.values) else math.nan

    def _describe(self, line: str) -> None:
        match line.split(" ", 3):
            case ["#", "TYPE", name, kind]:
                known = self.families.get(name)
                self.families[name] = Family(kind, known.about if known else "")
            case ["#", "HELP", name, about]:
                known = self.families.get(name)
                self.families[name] = Family(known.kind if known else "unknown", about)

    def _drop(self, count: int) -> None:
        del self._times[:count]
        self._dropped += count
        for name, named in list(self._by_name.items()):
            for series in named:
                gone = self._dropped - series.first
                if gone > 0:
                    del series.values[:gone]
                    series.first = self._dropped
            self._by_name[name] = [series for series in named if series.values]
        self._by_line = {line: series for line, series in self._by_line.items() if series.values}

    def _select(self, matchers: Iterable[Matcher]) -> list[Series]:
        tests = [(matcher.label, _test(matcher)) for matcher in matchers]
        name = next((m.value for m in matchers if m.label == "__name__" and m.operator == "="), None)
        everything = (series for series_of_name in self._by_name.values() for series in series_of_name)
        named = self._by_name.get(name, ()) if name is not None else everything
        chosen = [one for one in named if all(test(one.labels.get(label, "")) for label, test in tests)]
        return sorted(chosen, key=lambda one: one.order)


def _test(matcher: Matcher) -> Callable[[str], bool]:
    if matcher.operator == "=":
        return matcher.value.__eq__
    if matcher.operator == "!=":
        return matcher.value.__ne__
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(f"^(?s:{matcher.value})$", options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else ""
        raise QueryError(f"parse error: error parsing regexp: {reason}") from None
    is_wanted = matcher.operator == "=~"
    return lambda text: (pattern.search(text) is not None) == is_wanted
