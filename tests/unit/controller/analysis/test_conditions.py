"""Conditions: what is written into a template as successCondition and failureCondition."""

import math

import pytest

from controller.analysis.conditions import ConditionError, Value, evaluate, evaluate_time, judge, verdict

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("result[0] >= 0.95", (0.97,)),
        ("len(result) == 0 || result[0] < 0.5", ()),
        ("all(result, # > 0.5) and not any(result, {# > 1})", (0.6, 0.9)),
        ("result.data.ok && result.data.n in 1..3", {"data": {"ok": True, "n": 2.0}}),
        ("result?.absent?.deeper == nil", {"present": 1.0}),
        ("(result.absent ?? 4) == 4", {}),
        ("asFloat(result) ** 2 > 2 ? true : false", "1.5"),
        ("let rate = result[0]; rate > 0.1 && rate < 0.2", (0.15,)),
        ("0.1 < result < 0.2", 0.15),
        ("result | filter(# > 1) | len() == 1", [1.0, 2.0]),
        ("if isNaN(result) { false } else { result != 3 }", 4.0),
        ("result not in ['a', 'b']", "c"),
        ("map(result, .v) == [1, 2]", [{"v": 1.0}, {"v": 2.0}]),
        ("reduce(result, #acc + #, 10) == 16", [1.0, 2.0, 3.0]),
        ("sortBy(result, .v, 'desc')[0].v == 2", [{"v": 1.0}, {"v": 2.0}]),
        ("groupBy(result, .k).b[0].v == 2", [{"k": "a", "v": 1.0}, {"k": "b", "v": 2.0}]),
        ("result matches '^v[0-9]+$' and result startsWith \"v\"", "v12"),
        ("-result[0] ** 2 == -4", (2.0,)),
        ("1 / 0 == 1e999 or isInf(1.0 / 0)", None),
        ("7 % 4 == 3 and -7 % 4 == -3", None),
        ("fromJSON(toJSON(result)).n == 5", {"n": 5.0}),
        ("'\\u00e9' == 'é' // a remark", None),
    ],
)
def test_a_condition_holds(condition: str, result: Value) -> None:
    assert evaluate(condition, result, NOW)


@pytest.mark.parametrize(
    ("condition", "result", "complaint"),
    [
        (r"result matches 'a\.b'", "a.b", "invalid char escape"),
        ("result >= 0.95", (0.97,), "invalid operation: >= (mismatched types []float64 and float64)"),
        ("result[0] >= 0.95", 0.97, "type float64[int] is undefined"),
        ("result[3] > 0", (0.97,), "index out of range: 3 (array length is 1)"),
        ("result", 0.97, "expected bool, but got float64"),
        ("rate > 1", 0.97, "unknown name rate"),
        ("result >=", 0.97, "unexpected token EOF"),
        ("result.ok", None, "type nil has no field ok"),
        ("false && result == 'x'", 0.5, "invalid operation: == (mismatched types float64 and string)"),
        ("result.a.b == 1", {}, "cannot fetch b from <nil>"),
        ("asInt(result) == 1", "1.1", 'strconv.ParseInt: parsing "1.1": invalid syntax'),
        ("result ?? 1 == 1", None, "cannot be mixed"),
        ("# > 1", 1.0, "cannot use pointer accessor outside predicate"),
        ("result matches '['", "x", "error parsing regexp"),
        ("1 % 0 == 0", None, "integer divide by zero"),
        ("1..10000000 == []", None, "memory budget exceeded"),
        ("let result = 1; true", 1.0, "cannot redeclare result"),
        ("__import__('os') == nil", 1.0, "unknown name __import__"),
        ("result.__class__ == nil", 1.0, "type float64 has no field __class__"),
        ("[](", 1.0, "unexpected token"),
    ],
)
def test_what_does_not_fit_is_an_error_in_one_line(condition: str, result: Value, complaint: str) -> None:
    with pytest.raises(ConditionError) as caught:
        evaluate(condition, result, NOW)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_is_nil_and_default_look_at_the_result_whatever_they_are_given() -> None:
    assert evaluate("isNil(1) && default(7, 3) == 3", None, NOW)
    assert evaluate("!isNil(nil) && default(nil, 3) == 5", 5.0, NOW)


def test_a_sentence_nested_beyond_reason_is_an_error() -> None:
    with pytest.raises(ConditionError, match="nested too deeply"):
        evaluate("(" * 5000 + "true" + ")" * 5000, None, NOW)


def test_not_a_number_is_neither_above_nor_below() -> None:
    assert not evaluate("result >= 0 || result < 0", math.nan, NOW)


@pytest.mark.parametrize(
    ("success", "failure", "phase", "why"),
    [
        ("", "", "Successful", ""),
        ("result > 1", "", "Failed", 'successCondition "result > 1" is false'),
        ("result < 1", "", "Successful", 'successCondition "result < 1" is true'),
        ("", "result > 1", "Successful", 'failureCondition "result > 1" is false'),
        ("", "result < 1", "Failed", 'failureCondition "result < 1" is true'),
        ("result > 1", "result > 2", "Inconclusive", "neither condition is true"),
        ("result < 1", "result < 1", "Failed", 'failureCondition "result < 1" is true'),
    ],
)
def test_two_conditions_make_a_phase_and_say_which_of_them_made_it(
    success: str, failure: str, phase: str, why: str
) -> None:
    assert judge(success, failure, 0.5, NOW) == phase
    assert verdict(success, failure, phase) == why


@pytest.mark.parametrize("nothing", [None, (), []])
def test_where_no_data_came_the_error_says_so(nothing: Value) -> None:
    with pytest.raises(ConditionError) as caught:
        judge("result[0] > 1", "", nothing, NOW)

    assert str(caught.value) == (
        'could not evaluate successCondition "result[0] > 1": '
        "metric result is nil or empty: no data returned from the metric provider"
    )


def test_both_conditions_are_evaluated_even_if_the_first_decides() -> None:
    with pytest.raises(ConditionError, match='could not evaluate failureCondition "nonsense": unknown name nonsense'):
        judge("true", "nonsense", 1.0, NOW)


def test_times_are_expressions_too() -> None:
    assert evaluate_time('now() - duration("5m")', NOW) == NOW - 300
    assert evaluate_time('date("2023-08-14 00:00:00", "2006-01-02 15:04:05", "Europe/Berlin")', NOW) == 1691964000
    assert evaluate_time('date("2023-08-14T00:00:00Z")', NOW) == 1691971200


@pytest.mark.parametrize("expression", ["5", "result", "asInt('1')", 'date("never")', 'duration("5 m")'])
def test_what_is_no_time_is_an_error(expression: str) -> None:
    with pytest.raises(ConditionError):
        evaluate_time(expression, NOW)
