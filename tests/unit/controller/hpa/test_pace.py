import pytest

from controller.hpa.pace import Bounds, Change, History, Recommendation, paced
from meshsim.api.autoscaling import Behavior, ScalingPolicy, ScalingRules

NOW = 1_000_000.0
UP = (
    ScalingPolicy(type="Pods", value=4, period_seconds=15),
    ScalingPolicy(type="Percent", value=100, period_seconds=15),
)
DOWN = (ScalingPolicy(type="Percent", value=100, period_seconds=15),)


def behavior(up: ScalingRules | None = None, down: ScalingRules | None = None) -> Behavior:
    return Behavior(
        scale_up=up or ScalingRules(stabilization_window_seconds=0, policies=UP),
        scale_down=down or ScalingRules(stabilization_window_seconds=0, policies=DOWN),
    )


@pytest.mark.parametrize(
    ("wanted", "current", "asked", "reason"),
    [
        (3, 2, 3, "DesiredWithinRange"),
        (50, 1, 4, "ScaleUpLimit"),
        (50, 4, 8, "ScaleUpLimit"),
        (50, 8, 10, "TooManyReplicas"),
        (1, 3, 2, "TooFewReplicas"),
    ],
)
def test_without_a_behavior_the_number_at_most_doubles(wanted: int, current: int, asked: int, reason: str) -> None:
    found = paced(wanted, Bounds(current, 2, 10), None, History(), NOW)
    assert (found.replicas, found.limited.reason) == (asked, reason)
    assert found.is_limited == (wanted != asked)


@pytest.mark.parametrize(("age", "asked", "reason"), [(299, 8, "ScaleDownStabilized"), (301, 2, "ReadyForNewScale")])
def test_on_the_way_down_the_highest_of_five_minutes_counts(age: float, asked: int, reason: str) -> None:
    history = History((Recommendation(8, NOW - age),))
    found = paced(2, Bounds(8, 1, 10), None, history, NOW)
    assert (found.replicas, found.able.reason) == (asked, reason)


def test_a_window_on_the_way_up_makes_the_lowest_count() -> None:
    rules = behavior(up=ScalingRules(stabilization_window_seconds=60, policies=UP))
    found = paced(6, Bounds(2, 1, 10), rules, History((Recommendation(3, NOW - 30),)), NOW)
    assert (found.replicas, found.able.reason) == (3, "ScaleUpStabilized")


def test_policies_limit_the_change_in_their_period() -> None:
    one_a_minute = ScalingRules(
        stabilization_window_seconds=0, policies=(ScalingPolicy(type="Pods", value=1, period_seconds=60),)
    )
    rules = behavior(up=one_a_minute, down=one_a_minute)
    assert paced(9, Bounds(3, 1, 10), rules, History(), NOW).replicas == 4
    after_one = History(changes=(Change(1, NOW - 30),))
    assert paced(9, Bounds(4, 1, 10), rules, after_one, NOW).replicas == 4
    assert paced(9, Bounds(4, 1, 10), rules, after_one, NOW + 31).replicas == 5
    down = paced(1, Bounds(4, 1, 10), rules, History(), NOW)
    assert (down.replicas, down.limited.reason) == (3, "ScaleDownLimit")


@pytest.mark.parametrize(("select", "up", "down"), [("Max", 20, 0), ("Min", 14, 6), ("Disabled", 10, 10)])
def test_of_several_policies_the_selected_one_counts(select: str, up: int, down: int) -> None:
    rules = ScalingRules(stabilization_window_seconds=0, select_policy=select, policies=UP)
    both = behavior(up=rules, down=rules)
    assert paced(99, Bounds(10, 0, 100), both, History(), NOW).replicas == up
    assert paced(0, Bounds(10, 0, 100), both, History(), NOW).replicas == down
