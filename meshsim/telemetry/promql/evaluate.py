"""Evaluates a query at one moment, piece by piece: whoever runs it has other things to do in between."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.functions import FUNCTIONS
from meshsim.telemetry.promql.histograms import histogram_quantile
from meshsim.telemetry.promql.history import History, Labels, Point
from meshsim.telemetry.promql.matching import COMPARISONS, SETS, calculate, of_sets, of_vectors, with_scalar
from meshsim.telemetry.promql.nodes import Aggregation, Call, Negation, Node, Number, Operation, Selector, Text
from meshsim.telemetry.promql.ranges import KEEPS_NAME, OVER_RANGES, deviation, quantile
from meshsim.telemetry.promql.values import NAMES, Matrix, Sample, Value, Vector, Window, without_name

_LOOKBACK_MS: Final = 300_000
MOST_POINTS: Final = 100_000
"""Of an answer, or of a range that isn't summed up by a function."""

Steps: TypeAlias = Generator[None, None, Value]
"""A value in the making; each piece is a fraction of a millisecond for a series, or one operator over vectors."""


def too_many_points() -> QueryError:
    """The error for more than MOST_POINTS of them."""
    return QueryError("query processing would load too many samples into memory in query execution", "execution")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a query is evaluated on, and when."""

    history: History
    at_ms: int

    def evaluate(self, node: Node) -> Steps:  # noqa: PLR0911 - a line a kind of node
        """The value of a query. Raises QueryError."""
        yield
        match node:
            case Number(value):
                return value
            case Text(value):
                return value
            case Selector():
                return (yield from self._select(node))
            case Negation(operand):
                return (yield from self._negated(operand))
            case Operation():
                return (yield from self._operation(node))
            case Aggregation():
                return (yield from self._aggregation(node))
            case Call():
                return (yield from self._call(node))

    def _select(self, node: Selector) -> Steps:
        if node.range_ms is not None:
            span = self._span(node)
            windows: list[Window] = []
            points_left = MOST_POINTS
            for window in self._windows(node, span):
                windows.append(window)
                points_left -= len(window.points)
                if points_left < 0:
                    raise too_many_points()
                yield
            return Matrix(windows, *span)
        found_now = self.history.instants(node.matchers, self.at_ms - node.offset_ms, _LOOKBACK_MS)
        return Vector([Sample(labels, value, time_ms) for labels, (time_ms, value) in found_now])

    def _span(self, node: Selector) -> tuple[int, int]:
        end_ms = self.at_ms - node.offset_ms
        return end_ms - (node.range_ms or 0), end_ms

    def _windows(self, node: Selector, span: tuple[int, int]) -> Iterator[Window]:
        return (Window(labels, points) for labels, points in self.history.windows(node.matchers, *span))

    def _negated(self, operand: Node) -> Steps:
        value = yield from self.evaluate(operand)
        if isinstance(value, float):
            return -value
        vector = _vector(value, "unary expression")
        return Vector([Sample(without_name(sample.labels), -sample.value) for sample in vector.samples])

    def _operation(self, node: Operation) -> Steps:
        left = yield from self.evaluate(node.left)
        right = yield from self.evaluate(node.right)
        for value in (left, right):
            if isinstance(value, str | Matrix):
                raise QueryError("parse error: binary expression must contain only scalar and instant vector types")
        if node.operator in SETS:
            if not isinstance(left, Vector) or not isinstance(right, Vector):
                raise QueryError(f'parse error: set operator "{node.operator}" not allowed in binary scalar expression')
            return of_sets(node, left, right)
        if isinstance(left, Vector) and isinstance(right, Vector):
            return of_vectors(node, left, right)
        if isinstance(left, Vector):
            return with_scalar(node, left, _scalar(right), scalar_is_left=False)
        if isinstance(right, Vector):
            return with_scalar(node, right, _scalar(left), scalar_is_left=True)
        if node.operator in COMPARISONS and not node.returns_bool:
            raise QueryError("parse error: comparisons between scalars must use BOOL modifier")
        return calculate(node.operator, _scalar(left), _scalar(right))

    def _aggregation(self, node: Aggregation) -> Steps:
        takes_parameter = node.name in ("topk", "bottomk", "quantile")
        if len(node.arguments) != 1 + takes_parameter:
            raise QueryError(
                f"parse error: wrong number of arguments for aggregate expression provided, "
                f"expected {1 + takes_parameter}, got {len(node.arguments)}"
            )
        parameter = _scalar((yield from self.evaluate(node.arguments[0]))) if takes_parameter else math.nan
        vector = _vector((yield from self.evaluate(node.arguments[-1])), "aggregation expression")
        groups: dict[tuple[tuple[str, str], ...], tuple[Labels, list[Sample]]] = {}
        for sample in vector.samples:
            labels = _grouped(sample.labels, node)
            groups.setdefault(tuple(sorted(labels.items())), (labels, []))[1].append(sample)
        if node.name in ("topk", "bottomk"):
            chosen = (_extremes(node.name, parameter, samples) for _, samples in groups.values())
            return Vector([sample for samples in chosen for sample in samples])
        return Vector(
            [
                Sample(labels, _aggregated(node.name, parameter, [sample.value for sample in samples]))
                for labels, samples in groups.values()
            ]
        )

    def _call(self, node: Call) -> Steps:
        if node.name in OVER_RANGES or node.name in ("quantile_over_time", "absent_over_time"):
            return (yield from self._over_range(node))
        values: list[Value] = []
        for argument in node.arguments:
            value = yield from self.evaluate(argument)
            values.append(value)
        if node.name == "time" and not values:
            return self.at_ms / 1000
        if node.name == "histogram_quantile" and len(values) == 2:
            samples = _vector(values[1], 'call to function "histogram_quantile"').samples
            return Vector(histogram_quantile(_scalar(values[0]), samples))
        if node.name == "absent" and len(values) == 1:
            vector = _vector(values[0], 'call to function "absent"')
            return Vector([] if vector.samples else [Sample(_told_labels(node.arguments[0]), 1.0)])
        function = FUNCTIONS.get(node.name)
        if function is None:
            raise QueryError(f'parse error: unknown function with name "{node.name}"')
        return function(node.name, values)

    def _over_range(self, node: Call) -> Steps:
        *parameters, argument = node.arguments or (Number(math.nan),)
        if len(parameters) != (node.name == "quantile_over_time"):
            raise QueryError(f'parse error: wrong number of arguments in call to "{node.name}"')
        if not isinstance(argument, Selector) or argument.range_ms is None:
            got = NAMES[type((yield from self.evaluate(argument)))]
            raise QueryError(f'parse error: expected type range vector in call to function "{node.name}", got {got}')
        span = self._span(argument)
        windows = self._windows(argument, span)
        if node.name == "absent_over_time":
            return Vector([] if any(windows) else [Sample(_told_labels(argument), 1.0)])
        over, keeps_name = OVER_RANGES.get(node.name), node.name in KEEPS_NAME
        if over is None:
            wanted = _scalar((yield from self.evaluate(parameters[0])))

            def over(points: Sequence[Point], _start: int, _end: int) -> float:
                return quantile(wanted, [value for _, value in points])

        samples: list[Sample] = []
        for window in windows:
            value = over(window.points, *span)
            if value is not None:
                samples.append(Sample(window.labels if keeps_name else without_name(window.labels), value))
            yield
        return Vector(samples)


def _vector(value: Value, where: str) -> Vector:
    if isinstance(value, Vector):
        return value
    raise QueryError(f"parse error: expected type instant vector in {where}, got {NAMES[type(value)]}")


def _scalar(value: Value) -> float:
    if isinstance(value, float):
        return value
    raise QueryError(f"parse error: expected type scalar, got {NAMES[type(value)]}")


def _grouped(labels: Labels, node: Aggregation) -> Labels:
    if node.without:
        return {label: value for label, value in without_name(labels).items() if label not in node.labels}
    return {label: labels[label] for label in node.labels if label in labels}


def _extremes(name: str, wanted: float, samples: Iterable[Sample]) -> list[Sample]:
    is_top = name == "topk"
    last = -math.inf if is_top else math.inf
    ordered = sorted(samples, key=lambda one: last if math.isnan(one.value) else one.value, reverse=is_top)
    return ordered[: max(0, int(wanted))] if math.isfinite(wanted) else []


def _aggregated(name: str, parameter: float, values: Sequence[float]) -> float:
    if name == "quantile":
        return quantile(parameter, values)
    return _AGGREGATORS[name](values)


def _extreme(choose: Callable[[Iterable[float]], float]) -> Callable[[Sequence[float]], float]:
    def run(values: Sequence[float]) -> float:
        numbers = [value for value in values if not math.isnan(value)]
        return choose(numbers) if numbers else math.nan

    return run


def _summed(values: Sequence[float]) -> float:
    return sum(values) if any(math.isinf(value) for value in values) else math.fsum(values)


_AGGREGATORS: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "sum": _summed,
    "avg": lambda values: _summed(values) / len(values),
    "min": _extreme(min),
    "max": _extreme(max),
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": deviation,
    "stdvar": lambda values: deviation(values) ** 2,
}


def _told_labels(node: Node) -> Labels:
    """What a selector says about the series that isn't there."""
    if not isinstance(node, Selector):
        return {}
    told: Labels = {}
    unclear: set[str] = set()
    for matcher in node.matchers:
        if matcher.label == "__name__":
            continue
        if matcher.operator == "=" and matcher.label not in told:
            told[matcher.label] = matcher.value
        else:
            unclear.add(matcher.label)
    return {label: value for label, value in told.items() if label not in unclear}
