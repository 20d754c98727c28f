"""The conditions of an autoscaler. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from meshsim.api.meta import Condition
from meshsim.kit.timestamps import to_rfc3339


class Said(NamedTuple):
    """The reason and message of a condition."""

    reason: str
    message: str


def with_condition(
    conditions: Iterable[Condition], type_: str, said: Said, now: float, *, holds: bool
) -> tuple[Condition, ...]:
    """The conditions with this one set; its time changes with its status only."""
    known = tuple(conditions)
    status = "True" if holds else "False"
    before = next((each for each in known if each.type == type_), None)
    is_same = before is not None and before.status == status
    since = before.last_transition_time if is_same and before is not None else to_rfc3339(now)
    condition = Condition(
        type=type_, status=status, reason=said.reason, message=said.message, last_transition_time=since
    )
    if before is None:
        return (*known, condition)
    return tuple(condition if each.type == type_ else each for each in known)
