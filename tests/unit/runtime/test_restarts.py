"""Unit tests of when a container starts again."""

import pytest

from meshsim.runtime.containers import Exit
from meshsim.runtime.restarts import CrashBackoff, restarts


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides_by_the_exit_code(policy: str, code: int, again: bool) -> None:
    assert restarts(policy, Exit(code)) is again


def test_each_crash_doubles_the_wait_up_to_five_minutes() -> None:
    backoff = CrashBackoff()
    assert [backoff.after(1.0) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_good_minutes_are_a_clean_sheet() -> None:
    backoff = CrashBackoff()
    for _ in range(5):
        backoff.after(1.0)
    assert [backoff.after(600.0), backoff.after(1.0)] == [0, 10]
