from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.apiserver.writing.disruption import check_budgets
from tests.kits.manifests import pod


def ready_pod(name: str, **metadata: Any) -> Object:
    return pod(name, **metadata) | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def budget(app: str = "web", **spec: Any) -> Object:
    return {"metadata": {"name": "web-pdb"}, "spec": {"selector": {"matchLabels": {"app": app}}, **spec}}


PODS = [ready_pod(name) for name in "abc"]


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ({"minAvailable": 3}, 3),
        ({"minAvailable": "100%"}, 3),
        ({"minAvailable": "67%"}, 3),
        ({"maxUnavailable": 0}, 3),
        ({"maxUnavailable": "0%"}, 3),
    ],
)
def test_a_pod_that_a_budget_needs_stays(spec: dict[str, Any], needed: int) -> None:
    message = f"The disruption budget web-pdb needs {needed} healthy pods and has 3 currently"
    assert check_budgets(PODS[0], [budget(**spec)], PODS) == message


@pytest.mark.parametrize(
    "spec", [{"minAvailable": 2}, {"minAvailable": "66%"}, {"maxUnavailable": 1}, {"maxUnavailable": "1%"}, {}]
)
def test_a_pod_that_a_budget_can_spare_goes(spec: dict[str, Any]) -> None:
    assert check_budgets(PODS[0], [budget(**spec)], PODS) == ""


def test_pods_that_are_not_ready_or_going_bear_nothing() -> None:
    going = ready_pod("d", deletionTimestamp="2026-01-01T00:00:00Z")
    pods = [ready_pod("a"), pod("b"), going]
    assert "has 1 currently" in check_budgets(pods[0], [budget(minAvailable=1)], pods)
    assert check_budgets(pods[1], [budget(minAvailable=1)], pods) == "", "it is of no use anyway"


def test_a_budget_of_others_or_of_nonsense_holds_nobody() -> None:
    for other in (budget("api", minAvailable=9), {"metadata": {"name": "x"}, "spec": {"selector": 5}}):
        assert check_budgets(PODS[0], [other], PODS) == ""
