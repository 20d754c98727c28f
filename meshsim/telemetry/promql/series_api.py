"""Prometheus' HTTP API about what there is to query, without the HTTP: dashboards fill their lists from it."""

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final

from meshsim.telemetry.promql.errors import QueryError
from meshsim.telemetry.promql.history import History, Series
from meshsim.telemetry.promql.http_api import Answer, Answering, milliseconds, refusal, success, time_parameter
from meshsim.telemetry.promql.nodes import Matcher, Selector
from meshsim.telemetry.promql.syntax import parse

_LAST_S: Final = 1e11
"""Of the time that ends nowhere."""
_AT_ONCE: Final = 100
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BUILD: Final = {
    "version": "2.42.0",
    "revision": "meshsim",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
}
"""Whose rules queries follow: dashboards judge by the version what they may ask."""


def answering_labels(history: History, parameters: Mapping[str, str], matches: Sequence[str]) -> Answering:
    """`/api/v1/labels`: the names of the labels of all series, or of those that one of the selectors chooses."""
    try:
        seen = yield from _seen(history, parameters, matches)
        return _listed(sorted({label for series in seen for label in series.labels}), parameters)
    except (QueryError, RecursionError) as error:
        return refusal(error)


def answering_label_values(
    history: History, label: str, parameters: Mapping[str, str], matches: Sequence[str]
) -> Answering:
    """`/api/v1/label/<label>/values`, of all series or of those that one of the selectors chooses."""
    if not _LABEL.fullmatch(label):
        return refusal(QueryError(f'invalid label name: "{label}"'))
    try:
        seen = yield from _seen(history, parameters, matches)
        return _listed(sorted({series.labels[label] for series in seen if label in series.labels}), parameters)
    except (QueryError, RecursionError) as error:
        return refusal(error)


def answering_series(history: History, parameters: Mapping[str, str], matches: Sequence[str]) -> Answering:
    """`/api/v1/series`: the labels of every series that one of the selectors chooses."""
    if not matches:
        return refusal(QueryError("no match[] parameter provided"))
    try:
        seen = yield from _seen(history, parameters, matches)
        return _listed([series.labels for series in sorted(seen, key=lambda one: one.order)], parameters)
    except (QueryError, RecursionError) as error:
        return refusal(error)


def answer_metadata(history: History, parameters: Mapping[str, str]) -> Answer:
    """`/api/v1/metadata`: the type and the help of every metric, or of `metric`."""
    try:
        limit = _limit(parameters)
    except QueryError as error:
        return refusal(error)
    wanted = parameters.get("metric")
    known = {
        name: [{"type": family.kind, "help": family.about, "unit": ""}]
        for name, family in history.families.items()
        if not wanted or name == wanted
    }
    return success(known if limit is None else dict(list(known.items())[:limit]))


def answer_build() -> Answer:
    """`/api/v1/status/buildinfo`."""
    return success(_BUILD)


def _seen(
    history: History, parameters: Mapping[str, str], matches: Sequence[str]
) -> Generator[None, None, set[Series]]:
    start_ms = milliseconds(time_parameter(parameters, "start", 0.0))
    end_ms = milliseconds(time_parameter(parameters, "end", _LAST_S))
    seen: set[Series] = set()
    for match in matches or ("",):
        matchers = _matchers(match) if matches else ()
        for number, series in enumerate(history.seen(matchers, start_ms, end_ms)):
            seen.add(series)
            if number % _AT_ONCE == 0:
                yield
        yield
    return seen


def _matchers(match: str) -> tuple[Matcher, ...]:
    match parse(match):
        case Selector(matchers, None, 0):
            return matchers
    raise QueryError(f'invalid parameter "match[]": "{match}" is no selector of series')


def _listed(found: list[Any], parameters: Mapping[str, str]) -> Answer:
    limit = _limit(parameters)
    if not limit or len(found) <= limit:
        return success(found)
    answer = success(found[:limit])
    return Answer(answer.status, {**answer.body, "warnings": ["results truncated due to limit"]})


def _limit(parameters: Mapping[str, str]) -> int | None:
    """How much is wanted; None for everything."""
    text = parameters.get("limit", "")
    if not text:
        return None
    try:
        limit = int(text)
    except ValueError:
        raise QueryError("limit must be a number") from None
    return limit if limit >= 0 else None
