"""Functions of vectors and numbers."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import re2

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.values import NAMES, Sample, Value, Vector, without_name

_MOST_LABEL_CHARACTERS: Final = 4096
_PIECE: Final = re.compile(r"\$(\$)|\$\{(\w+)\}|\$(\w+)")
"""What a replacement refers to: `$$`, `${name}` or `$1`."""

Function = Callable[[str, Sequence[Value]], Value]


def _arguments(name: str, values: Sequence[Value], *kinds: type, least: int | None = None) -> None:
    """Raise QueryError unless the values are of these kinds."""
    fewest = len(kinds) if least is None else least
    if not fewest <= len(values) <= len(kinds):
        raise QueryError(f'parse error: expected {fewest} argument(s) in call to "{name}", got {len(values)}')
    for value, kind in zip(values, kinds, strict=False):
        if not isinstance(value, kind):
            raise QueryError(
                f'parse error: expected type {NAMES[kind]} in call to function "{name}", got {NAMES[type(value)]}'
            )


def _of_values(calculate: Callable[..., float], parameters: int = 0, defaults: tuple[float, ...] = ()) -> Function:
    """A function of each value, with that many numbers as parameters."""

    def run(name: str, values: Sequence[Value]) -> Value:
        kinds: list[type] = [Vector, *([float] * parameters)]
        _arguments(name, values, *kinds, least=1 + parameters - len(defaults))
        vector: Any = values[0]
        rest = (*values[1:], *defaults[len(values) - 1 - parameters + len(defaults) :])
        return Vector([Sample(without_name(s.labels), calculate(s.value, *rest)) for s in vector.samples])

    return run


def _whole(calculate: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(calculate(value)) if math.isfinite(value) else value


def _rounded(value: float, nearest: float) -> float:
    if not math.isfinite(value):
        return value
    inverse = 1.0 / nearest
    return math.floor(value * inverse + 0.5) / inverse


def _clamped(value: float, low: float, high: float) -> float:
    return math.nan if math.isnan(low) or math.isnan(high) else max(low, min(high, value))


def _guarded(calculate: Callable[[float], float], at_zero: float = math.nan) -> Callable[[float], float]:
    def run(value: float) -> float:
        try:
            return calculate(value)
        except OverflowError:
            return math.inf
        except ValueError:
            return at_zero if value == 0 else math.nan

    return run


def _to_scalar(name: str, values: Sequence[Value]) -> Value:
    _arguments(name, values, Vector)
    vector: Any = values[0]
    return vector.samples[0].value if len(vector.samples) == 1 else math.nan


def _to_vector(name: str, values: Sequence[Value]) -> Value:
    _arguments(name, values, float)
    number: Any = values[0]
    return Vector([Sample({}, number)])


def _timestamps(name: str, values: Sequence[Value]) -> Value:
    _arguments(name, values, Vector)
    vector: Any = values[0]
    return Vector([Sample(without_name(sample.labels), sample.time_ms / 1000) for sample in vector.samples])


def _sorted(descending: bool) -> Function:
    def run(name: str, values: Sequence[Value]) -> Value:
        _arguments(name, values, Vector)
        vector: Any = values[0]
        last = -math.inf if descending else math.inf
        return Vector(
            sorted(vector.samples, key=lambda one: last if math.isnan(one.value) else one.value, reverse=descending)
        )

    return run


def _label_replaced(name: str, values: Sequence[Value]) -> Value:
    _arguments(name, values, Vector, str, str, str, str)
    vector: Any = values[0]
    target, replacement, source, pattern = map(str, values[1:])
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(f"^(?s:{pattern})$", options)
    except re2.error:
        raise QueryError(f"invalid regular expression in label_replace(): {pattern}", "execution") from None
    template = _PIECE.split(replacement)
    made: dict[str, str | None] = {}
    samples: list[Sample] = []
    for sample in vector.samples:
        text = sample.labels.get(source, "")
        if text not in made:
            made[text] = _expanded(template, compiled.search(text))
        made_of_it = made[text]
        labels = sample.labels if made_of_it is None else sample.labels | {target: made_of_it}
        kept = {label: value for label, value in labels.items() if value}
        samples.append(Sample(kept, sample.value, sample.time_ms))
    return Vector(samples)


def _expanded(template: Sequence[str | None], match: Any) -> str | None:
    """The split template with its references filled in; None without a match."""
    if match is None:
        return None
    groups = {str(number): group or "" for number, group in enumerate((match.group(0), *match.groups()))}
    groups |= {key: group or "" for key, group in match.groupdict().items()}
    groups["$"] = "$"
    # Each literal text is followed by the three ways to refer, two of them None.
    references = zip(template[1::4], template[2::4], template[3::4], strict=True)
    filled_in = [groups.get(next(filter(None, names), ""), "") for names in references]
    length = sum(map(len, filled_in))
    if length > _MOST_LABEL_CHARACTERS:
        raise QueryError("label_replace() makes a label value that is too long", "execution")
    literals = [text or "" for text in template[::4]]
    return "".join(part for pair in zip(literals, [*filled_in, ""], strict=True) for part in pair)


FUNCTIONS: Final[dict[str, Function]] = {
    "vector": _to_vector,
    "scalar": _to_scalar,
    "timestamp": _timestamps,
    "sort": _sorted(descending=False),
    "sort_desc": _sorted(descending=True),
    "label_replace": _label_replaced,
    "abs": _of_values(abs),
    "ceil": _of_values(_whole(math.ceil)),
    "floor": _of_values(_whole(math.floor)),
    "round": _of_values(_rounded, 1, (1.0,)),
    "clamp": _of_values(_clamped, 2),
    "clamp_min": _of_values(lambda value, low: _clamped(value, low, math.inf), 1),
    "clamp_max": _of_values(lambda value, high: _clamped(value, -math.inf, high), 1),
    "sqrt": _of_values(_guarded(math.sqrt)),
    "exp": _of_values(_guarded(math.exp)),
    "ln": _of_values(_guarded(math.log, -math.inf)),
    "log2": _of_values(_guarded(math.log2, -math.inf)),
    "log10": _of_values(_guarded(math.log10, -math.inf)),
    "sgn": _of_values(lambda value: float((value > 0) - (value < 0))),
}
