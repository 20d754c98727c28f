"""What is told of a release, where recordings have no case of it."""

from typing import Any

import pytest

from meshsim.api.analysis import Experiment
from meshsim.api.decode import Object, decode
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.paint import Paint, columns
from meshsim.cli.argo.steps import render_steps
from meshsim.cli.argo.table import experiment_table, rollout_table
from meshsim.cli.argo.tree import render_rollout
from meshsim.cli.argo.views import Objects, rollout_view
from meshsim.kit.timestamps import to_rfc3339

NOW = 1_800_000_000.0
STEPS = [{"setWeight": 20}, {"pause": {}}]


def _rollout(strategy: Object, **status: Any) -> Object:
    return {
        "metadata": {"name": "shop", "namespace": "default", "uid": "u", "creationTimestamp": to_rfc3339(NOW - 90)},
        "spec": {"replicas": 4, "strategy": strategy},
        "status": status,
    }


def _replica_set(name: str, pod_hash: str, available: int = 0, **annotations: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "labels": {"rollouts-pod-template-hash": pod_hash},
            "annotations": {"rollout.argoproj.io/revision": "1"} | annotations,
            "ownerReferences": [{"uid": "u"}],
            "creationTimestamp": to_rfc3339(NOW - 60),
        },
        "spec": {"replicas": available, "template": {"spec": {"containers": [{"image": f"{name}:1"}]}}},
        "status": {"replicas": available, "availableReplicas": available},
    }


def _weight(rollout: Object, *replica_sets: Object) -> int:
    return rollout_view(rollout, Objects(replica_sets)).actual_weight


def test_without_traffic_routing_the_weight_is_the_canarys_share_of_available_pods() -> None:
    rollout = _rollout({"canary": {"steps": STEPS}}, stableRS="s", currentPodHash="c", availableReplicas=4)
    assert _weight(rollout, _replica_set("new", "c", 1), _replica_set("old", "s", 3)) == 25
    assert _weight(rollout, _replica_set("old", "s", 4)) == 0


def test_with_traffic_routing_the_weight_is_the_meshs() -> None:
    routing = {"canary": {"steps": STEPS, "trafficRouting": {"istio": {}}}}
    weights = {"canary": {"weight": 7}, "stable": {"weight": 93}}
    assert _weight(_rollout(routing, availableReplicas=4, canary={"weights": weights})) == 7
    assert _weight(_rollout(routing, availableReplicas=4)) == 20
    assert _weight(_rollout(routing)) == 0


def test_when_all_steps_are_done_the_canary_has_all_traffic() -> None:
    assert _weight(_rollout({"canary": {"steps": STEPS}}, currentStepIndex=2)) == 100


@pytest.mark.parametrize(
    ("strategy", "status", "pod_hash", "roles"),
    [
        ({"canary": {}}, {"stableRS": "h", "currentPodHash": "h"}, "h", ("stable",)),
        ({"canary": {}}, {"stableRS": "x", "currentPodHash": "h"}, "h", ("canary",)),
        ({"canary": {}}, {"stableRS": "x", "currentPodHash": "y"}, "h", ()),
        (
            {"canary": {"pingPong": {}}},
            {"stableRS": "h", "canary": {"stablePingPong": "ping"}},
            "h",
            ("stable", "ping"),
        ),
        (
            {"canary": {"pingPong": {}}},
            {"stableRS": "x", "currentPodHash": "h", "canary": {"stablePingPong": "ping"}},
            "h",
            ("canary", "pong"),
        ),
        (
            {"blueGreen": {}},
            {"stableRS": "h", "blueGreen": {"activeSelector": "h", "previewSelector": "h"}},
            "h",
            ("stable", "active"),
        ),
        ({"blueGreen": {}}, {"stableRS": "x", "blueGreen": {"previewSelector": "h"}}, "h", ("preview",)),
    ],
)
def test_a_version_has_the_roles_that_its_hash_gives_it(
    strategy: Object, status: Object, pod_hash: str, roles: tuple[str, ...]
) -> None:
    view = rollout_view(_rollout(strategy, **status), Objects([_replica_set("rs", pod_hash)]))
    assert [one.roles for one in view.replica_sets] == [roles]


@pytest.mark.parametrize(
    ("deadline", "about"),
    [(to_rfc3339(NOW + 25), "delay:25s"), (to_rfc3339(NOW - 1), "delay:passed"), ("soon", "delay:")],
)
def test_a_scale_down_that_waits_is_counted_down(deadline: str, about: str) -> None:
    replica_set = _replica_set("rs", "h", 1, **{"scale-down-deadline": deadline})
    shown = render_rollout(rollout_view(_rollout({"canary": {}}), Objects([replica_set])), NOW, Paint(coloured=False))
    assert shown.splitlines()[-1].endswith(f"60s  {about}")


def test_columns_ignore_colours_and_leave_the_last_cell_alone() -> None:
    assert columns([("a", "x"), ("\x1b[32mbbb\x1b[0m", "y")]) == "a    x\n\x1b[32mbbb\x1b[0m  y\n"


def test_a_list_with_timestamps_and_namespaces_begins_with_them() -> None:
    rollout = decode(Rollout, _rollout({"canary": {"steps": STEPS}}))
    table = rollout_table([rollout], all_namespaces=True, timestamp=NOW)
    assert table.splitlines()[0].split()[:3] == ["TIMESTAMP", "NAMESPACE", "NAME"]
    assert table.splitlines()[1].split()[:3] == [to_rfc3339(NOW), "default", "shop"]


def test_a_rollout_without_a_strategy_is_of_an_unknown_one() -> None:
    assert rollout_table([decode(Rollout, _rollout({}))]).splitlines()[1].split()[1] == "unknown"


def test_experiments_count_down_while_they_run() -> None:
    def experiment(name: str, duration: str, phase: str) -> Experiment:
        metadata = {"name": name, "namespace": "test", "creationTimestamp": to_rfc3339(NOW - 7 * 86400)}
        status = {"phase": phase, "availableAt": to_rfc3339(NOW - 3600)}
        return decode(Experiment, {"metadata": metadata, "spec": {"duration": duration}, "status": status})

    rows = [experiment("a", "3h", "Running"), experiment("b", "", "Running"), experiment("c", "3h", "Successful")]
    assert [line.split()[2:] for line in experiment_table(rows, NOW).splitlines()[1:]] == [
        ["3h", "120m", "7d"],
        ["-", "-", "7d"],
        ["3h", "-", "7d"],
    ]


def test_the_steps_say_how_long_a_pause_lasts() -> None:
    strategy = {"canary": {"steps": [{"setWeight": 20}, {"pause": {"duration": "2m"}}, {"setWeight": 60}]}}
    paused = [{"reason": "CanaryPauseStep", "startTime": to_rfc3339(NOW - 30)}]
    rollout = decode(Rollout, _rollout(strategy, currentStepIndex=1, pauseConditions=paused))
    assert render_steps(rollout, NOW, Paint(coloured=False)).splitlines() == [
        "",
        "Steps:",
        "  ✔  1 setWeight 20",
        "  ◌  2 pause 2m  (90s left)",
        "     3 setWeight 60",
    ]
    assert render_steps(decode(Rollout, _rollout({"canary": {}})), NOW, Paint(coloured=False)) == ""
