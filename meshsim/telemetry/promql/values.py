"""What queries are evaluated to."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from meshsim.api.validate.gotext import float_text
from meshsim.telemetry.promql.history import Labels, Point


class Sample(NamedTuple):
    """A value of one series at the moment of the query; `time_ms` is when it was scraped."""

    labels: Labels
    value: float
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    """Samples of several series."""

    samples: list[Sample]


class Window(NamedTuple):
    """Points of one series."""

    labels: Labels
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Points of several series, over the range from start to end."""

    windows: list[Window]
    start_ms: int
    end_ms: int


Value: TypeAlias = float | str | Vector | Matrix

NAMES = {float: "scalar", str: "string", Vector: "instant vector", Matrix: "range vector"}


def without_name(labels: Labels) -> Labels:
    """The labels but for the metric's name: what is calculated is no longer that metric."""
    return {label: value for label, value in labels.items() if label != "__name__"}


def number_text(value: float) -> str:
    """A value as Prometheus writes it: shortest digits, never an exponent."""
    text = float_text(value)
    return f"{Decimal(text):f}" if "e" in text else text
