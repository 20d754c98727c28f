"""Prometheus' HTTP API for queries, without the HTTP: parameters in, status and JSON out."""

import math
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.evaluate import MOST_POINTS, Moment, too_many_points
from meshsim.telemetry.promql.history import History, Labels
from meshsim.telemetry.promql.nodes import Node
from meshsim.telemetry.promql.syntax import duration_ms, parse
from meshsim.telemetry.promql.values import Matrix, Value, Vector, number_text

_MOST_POINTS: Final = 11_000


_STATUSES: Final = {"bad_data": 400, "execution": 422, "timeout": 503}


class Answer(NamedTuple):
    """The HTTP status and the JSON."""

    status: int
    body: dict[str, Any]


Answering: TypeAlias = Generator[None, None, Answer]
"""An answer in the making."""


def answer_query(history: History, parameters: Mapping[str, str], now: float) -> Answer:
    """`/api/v1/query`: `query` and `time`, which is now when it is left out."""
    return ended(answering(history, parameters, now))


def answer_query_range(history: History, parameters: Mapping[str, str]) -> Answer:
    """`/api/v1/query_range`: `query`, `start`, `end` and `step`."""
    return ended(answering_range(history, parameters))


def answering(history: History, parameters: Mapping[str, str], now: float) -> Answering:
    """`answer_query` piece by piece, for whoever has other things to do in between."""
    try:
        at_ms = milliseconds(time_parameter(parameters, "time", now))
        query = parse(parameters.get("query", ""))
        yield
        data = yield from _instant_data((yield from Moment(history, at_ms).evaluate(query)), at_ms)
    except (QueryError, RecursionError) as error:
        return refusal(error)
    return success(data)


def answering_range(history: History, parameters: Mapping[str, str]) -> Answering:
    """`answer_query_range` piece by piece."""
    try:
        start, end = (time_parameter(parameters, name, None) for name in ("start", "end"))
        step_ms = _step_ms(parameters.get("step", ""))
        _check_range(start, end, step_ms)
        query = parse(parameters.get("query", ""))
        data = yield from _range_data(history, query, range(milliseconds(start), milliseconds(end) + 1, step_ms))
    except (QueryError, RecursionError) as error:
        return refusal(error)
    return success(data)


def timed_out() -> Answer:
    """The answer to a query that took too long."""
    return refusal(QueryError("query timed out in expression evaluation", "timeout"))


def ended(steps: Answering) -> Answer:
    """The answer, its making run to the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def _instant_data(value: Value, at_ms: int) -> Generator[None, None, dict[str, Any]]:
    seconds = at_ms / 1000
    match value:
        case Vector(samples):
            result: Any = [{"metric": s.labels, "value": [seconds, number_text(s.value)]} for s in samples]
            return {"resultType": "vector", "result": result}
        case Matrix(windows):
            result = []
            for labels, points in windows:
                values = [[ms / 1000, number_text(number)] for ms, number in points]
                result.append({"metric": labels, "values": values})
                yield
            return {"resultType": "matrix", "result": result}
        case str():
            return {"resultType": "string", "result": [seconds, value]}
        case _:
            return {"resultType": "scalar", "result": [seconds, number_text(value)]}


def _range_data(history: History, query: Node, moments: range) -> Generator[None, None, dict[str, Any]]:
    series: dict[tuple[tuple[str, str], ...], tuple[Labels, list[Any]]] = {}
    points_left = MOST_POINTS
    for at_ms in moments:
        value = yield from Moment(history, at_ms).evaluate(query)
        if isinstance(value, str | Matrix):
            kind = "string" if isinstance(value, str) else "range vector"
            raise QueryError(f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector')
        samples = [(s.labels, s.value) for s in value.samples] if isinstance(value, Vector) else [({}, value)]
        points_left -= len(samples)
        if points_left < 0:
            raise too_many_points()
        for labels, number in samples:
            _, points = series.setdefault(tuple(sorted(labels.items())), (labels, []))
            points.append([at_ms / 1000, number_text(number)])
    result = [{"metric": labels, "values": points} for _, (labels, points) in sorted(series.items())]
    return {"resultType": "matrix", "result": result}


def time_parameter(parameters: Mapping[str, str], name: str, default: float | None) -> float:
    """The seconds of a parameter that is a time, or the default. Raises QueryError."""
    text = parameters.get(name, "")
    if not text and default is not None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = datetime.fromisoformat(text).timestamp()
        except ValueError:
            seconds = math.nan
    if not math.isfinite(seconds) or abs(seconds) > 1e12:
        raise QueryError(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')
    return seconds


def milliseconds(seconds: float) -> int:
    """Of seconds."""
    return round(seconds * 1000)


def _step_ms(text: str) -> int:
    try:
        step_ms = round(float(text) * 1000)
    except (ValueError, OverflowError):
        try:
            step_ms = duration_ms(text)
        except QueryError:
            raise QueryError(f'invalid parameter "step": cannot parse "{text}" to a valid duration') from None
    if step_ms <= 0:
        raise QueryError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    return step_ms


def _check_range(start: float, end: float, step_ms: int) -> None:
    if end < start:
        raise QueryError("end timestamp must not be before start time")
    if (end - start) * 1000 / step_ms > _MOST_POINTS:
        raise QueryError(
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )


def success(data: Any) -> Answer:
    """The answer that has it."""
    return Answer(200, {"status": "success", "data": data})


def refusal(error: QueryError | RecursionError) -> Answer:
    """The answer that says why there is none."""
    kind = error.kind if isinstance(error, QueryError) else "bad_data"
    message = str(error) if isinstance(error, QueryError) else "the query is nested too deeply"
    return Answer(_STATUSES[kind], {"status": "error", "errorType": kind, "error": message})
