"""Operators between two vectors: which sample meets which, and what comes of it."""

import math
from collections.abc import Callable, Iterable
from typing import Final

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.history import Labels
from meshsim.telemetry.promql.nodes import Matching, Operation
from meshsim.telemetry.promql.values import Sample, Vector, without_name

Signature = tuple[tuple[str, str], ...]

COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
SETS: Final = frozenset({"and", "or", "unless"})


def calculate(operator: str, left: float, right: float) -> float:
    """Arithmetic as IEEE has it, with infinities instead of errors; a comparison is 1 or 0."""
    return _CALCULATIONS[operator](left, right)


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def _powered(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if left == 0 else math.nan


def _remainder(left: float, right: float) -> float:
    return math.nan if right == 0 or math.isinf(left) else math.fmod(left, right)


_CALCULATIONS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
    "%": _remainder,
    "^": _powered,
    "atan2": math.atan2,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
}


def with_scalar(node: Operation, vector: Vector, scalar: float, *, scalar_is_left: bool) -> Vector:
    """A vector and a number."""
    is_filter = node.operator in COMPARISONS and not node.returns_bool
    samples: list[Sample] = []
    for sample in vector.samples:
        pair = (scalar, sample.value) if scalar_is_left else (sample.value, scalar)
        result = calculate(node.operator, *pair)
        if not is_filter:
            samples.append(Sample(without_name(sample.labels), result))
        elif result:
            samples.append(sample)
    return Vector(samples)


def of_sets(node: Operation, left: Vector, right: Vector) -> Vector:
    """`and`, `or`, `unless`: which samples stay."""
    signature = _signature_of(node.matching)
    on_the_left = {signature(sample.labels) for sample in left.samples}
    on_the_right = {signature(sample.labels) for sample in right.samples}
    if node.operator == "and":
        return Vector([sample for sample in left.samples if signature(sample.labels) in on_the_right])
    if node.operator == "unless":
        return Vector([sample for sample in left.samples if signature(sample.labels) not in on_the_right])
    added = [sample for sample in right.samples if signature(sample.labels) not in on_the_left]
    return Vector([*left.samples, *added])


def of_vectors(node: Operation, left: Vector, right: Vector) -> Vector:
    """Each sample of the one side with the one that it matches on the other."""
    matching = node.matching
    signature = _signature_of(matching)
    many, one = (right, left) if matching.many_side == "right" else (left, right)
    ones = _unique(one.samples, signature, "left" if matching.many_side == "right" else "right")
    met: set[Signature] = set()
    samples: list[Sample] = []
    for sample in many.samples:
        key = signature(sample.labels)
        other = ones.get(key)
        if other is None:
            continue
        if not matching.many_side:
            if key in met:
                raise QueryError(_duplicates(key, "left"), "execution")
            met.add(key)
        pair = (other, sample) if matching.many_side == "right" else (sample, other)
        result = calculate(node.operator, pair[0].value, pair[1].value)
        if node.operator in COMPARISONS and not node.returns_bool:
            if not result:
                continue
            result = pair[0].value
        samples.append(Sample(_result_labels(node, sample.labels, other.labels), result))
    return Vector(samples)


def _signature_of(matching: Matching) -> Callable[[Labels], Signature]:
    chosen = frozenset(matching.labels)
    if matching.on:
        return lambda labels: tuple(sorted((label, labels[label]) for label in chosen if label in labels))
    ignored = chosen | {"__name__"}
    return lambda labels: tuple(sorted(item for item in labels.items() if item[0] not in ignored))


def _unique(samples: Iterable[Sample], signature: Callable[[Labels], Signature], side: str) -> dict[Signature, Sample]:
    found: dict[Signature, Sample] = {}
    for sample in samples:
        key = signature(sample.labels)
        if key in found:
            raise QueryError(_duplicates(key, side), "execution")
        found[key] = sample
    return found


def _duplicates(key: Signature, side: str) -> str:
    group = ", ".join(f'{label}="{value}"' for label, value in key)
    return (
        f"found duplicate series for the match group {{{group}}} on the {side} hand-side of the operation;"
        "many-to-many matching not allowed: matching labels must be unique on one side"
    )


def _result_labels(node: Operation, many: Labels, one: Labels) -> Labels:
    matching = node.matching
    keeps_name = node.operator in COMPARISONS and not node.returns_bool
    labels = many if keeps_name else without_name(many)
    if not matching.many_side:
        if matching.on:
            return {label: value for label, value in labels.items() if label in matching.labels}
        return {label: value for label, value in labels.items() if label not in matching.labels}
    taken = {label: one.get(label, "") for label in matching.include}
    return {label: value for label, value in (labels | taken).items() if value}
