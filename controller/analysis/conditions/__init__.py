"""The language of success and failure conditions, and of the times in a range query.

It is the expression language of Argo's templates, with its static types: an expression that can't fit the measured
value is an error before it is evaluated. Nothing in it is ever handed to Python's own evaluator.
"""

from datetime import UTC, datetime

from controller.analysis.conditions.compiler import Environment
from controller.analysis.conditions.errors import ConditionError
from controller.analysis.conditions.syntax import parse
from controller.analysis.conditions.types import Value, go_name

__all__ = ["ConditionError", "Value", "evaluate", "evaluate_time", "judge", "verdict"]


def evaluate(condition: str, result: Value, now: float) -> bool:
    """Whether the condition holds for a measured value; `now` is what `now()` says in it. Raises ConditionError."""
    environment = Environment({"result": result}, datetime.fromtimestamp(now, UTC))
    answer = _answer(environment, condition)
    if isinstance(answer, bool):
        return answer
    raise ConditionError(f"expected bool, but got {go_name(answer)}")


def evaluate_time(expression: str, now: float) -> float:
    """The instant, in Unix seconds, that an expression like `now() - duration("5m")` names. Raises ConditionError."""
    answer = _answer(Environment({}, datetime.fromtimestamp(now, UTC), judges_a_result=False), expression)
    if isinstance(answer, datetime):
        return answer.timestamp()
    raise ConditionError(f"expected time.Time, but got {go_name(answer)}")


def judge(success: str, failure: str, result: Value, now: float) -> str:
    """The phase of a measurement by its two conditions, either of which may be empty.

    Both are evaluated, and where both hold it has Failed. Raises ConditionError naming the condition; where the
    result is nil or an empty list the error says that, because it is the reason.
    """
    succeeded = _holds("successCondition", success, result, now)
    failed = _holds("failureCondition", failure, result, now)
    if failed is None:
        return "Successful" if succeeded is not False else "Failed"
    if failed:
        return "Failed"
    return "Successful" if succeeded is not False else "Inconclusive"


def verdict(success: str, failure: str, phase: str) -> str:
    """Which condition made a measurement's phase, as `judge` found it; empty when there was none to make it."""
    if failure and phase == "Failed":
        return f'failureCondition "{failure}" is true'
    if success and phase in ("Successful", "Failed"):
        return f'successCondition "{success}" is {str(phase == "Successful").lower()}'
    if failure and phase == "Successful":
        return f'failureCondition "{failure}" is false'
    return "neither condition is true" if phase == "Inconclusive" else ""


def _holds(which: str, condition: str, result: Value, now: float) -> bool | None:
    if not condition:
        return None
    try:
        return evaluate(condition, result, now)
    except ConditionError as error:
        is_empty = result is None or (isinstance(result, list | tuple) and not result)
        reason = "metric result is nil or empty: no data returned from the metric provider" if is_empty else str(error)
        raise ConditionError(f'could not evaluate {which} "{condition}": {reason}') from None


def _answer(environment: Environment, text: str) -> Value:
    try:
        return environment.compile(parse(text)).run({})
    except RecursionError:
        raise ConditionError("the expression is nested too deeply") from None
