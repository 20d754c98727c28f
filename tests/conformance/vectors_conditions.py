"""Translates recorded evaluations of conditions; production code evaluates. Of an error only that it is one counts."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from controller.analysis.conditions import ConditionError, Value, evaluate, evaluate_time, judge
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339
from tests.conformance.cases import Case

In = Mapping[str, Any]

_NOW: Final = 1_800_000_000.0
_ERROR: Final = "error"


def generated_cases(document: In) -> Iterator[Case]:
    """Every expression with every kind of value."""
    for case in document["cases"]:
        name = f"{case['condition']} of {case['result']}"
        recorded = _ERROR if case["error"] is not None else case["value"]
        yield Case(name, partial(_same, recorded), partial(_holds, case["condition"], _spelled(case["result"])))


def tested_cases(document: In) -> Iterator[Case]:
    """Every evaluation in the tests of the original."""
    for number, case in enumerate(document["cases"]):
        yield Case(f"{case['test']}#{number}", partial(_outcome, case), partial(_evaluated, case))


def _same(recorded: object) -> object:
    return recorded


def _holds(condition: str, result: Value) -> object:
    try:
        return evaluate(condition, result, _NOW)
    except ConditionError:
        return _ERROR


def _outcome(case: In) -> object:
    out = case["out"]
    if case["function"] == "EvaluateResult":
        return out["phase"]
    if out["error"] is not None:
        return _ERROR
    return out["time"] if case["function"] == "EvalTime" else out["value"]


def _evaluated(case: In) -> object:
    given = case["in"]
    if case["function"] == "EvalTime":
        try:
            return to_rfc3339(evaluate_time(given["expression"], from_rfc3339(given["now"])))
        except ConditionError:
            return _ERROR
    result = _decoded(given["result"])
    if case["function"] == "EvalCondition":
        return _holds(given["condition"], result)
    try:
        return judge(given["successCondition"], given["failureCondition"], result, _NOW)
    except ConditionError as error:
        if (case["out"]["error"] or "").endswith("from the metric provider"):
            return "Error" if str(error) == case["out"]["error"] else str(error)
        return "Error"


def _decoded(value: Any) -> Value:
    """A value of a recording: `{"$float64": 2}`, `{"$int": 1}` and the like, plain JSON otherwise."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    marked = next((read(value[mark]) for mark, read in _MARKS.items() if mark in value), _UNMARKED)
    return {key: _decoded(item) for key, item in value.items()} if marked is _UNMARKED else marked


def _spelled(text: str) -> Value:
    """A value by its Go type and spelling: `float64:0.97`, `[]float64:[NaN]`, `json:{…}`."""
    kind, _, spelling = text.removeprefix("*").partition(":")
    return None if "nil" in (kind, spelling) else _SPELLINGS[kind](spelling)


_UNMARKED: Final = object()
_MARKS: Final[dict[str, Callable[[Any], Value]]] = {
    "$float64": float,
    "$float": float,
    "$int": int,
    "$ptr": _decoded,
    "$nilptr": lambda _: None,
}
_SPELLINGS: Final[dict[str, Callable[[str], Value]]] = {
    "float64": float,
    "[]float64": lambda text: tuple(float(number) for number in text[1:-1].split(",") if number),
    "int": int,
    "int64": int,
    "bool": lambda text: text == "true",
    "string": lambda text: text[1:-1],
    "json": lambda text: {
        "{ok:true,n:5,s:'x',list:[1,2,3],o:{a:{b:2.5}}}": {
            "ok": True,
            "n": 5.0,
            "s": "x",
            "list": [1.0, 2.0, 3.0],
            "o": {"a": {"b": 2.5}},
        },
        "[{v:1},{v:2}]": [{"v": 1.0}, {"v": 2.0}],
    }[text],
}
