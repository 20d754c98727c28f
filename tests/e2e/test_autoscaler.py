"""A Rollout that an autoscaler sizes by what its simulated pods use under load."""

import json
import shutil
from pathlib import Path

from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT, HORIZONTAL_POD_AUTOSCALER, ROLLOUT
from tests.kits.eventually import eventually_blocking
from tests.kits.up import BLOG, Mesh, callers, released

AUTOSCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "my-app"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "my-app"},
        "minReplicas": 6,
        "maxReplicas": 9,
        "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1m"}}}
        ],
    },
}


def _with_an_autoscaler(directory: Path) -> str:
    shutil.copytree(BLOG, directory)
    (directory / "autoscaler.json").write_text(json.dumps(AUTOSCALER))
    return str(directory)


def _condition(up: Mesh, kind: str) -> tuple[str, str]:
    status = up.get(HORIZONTAL_POD_AUTOSCALER, "my-app").get("status") or {}
    found = {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions") or ()}
    return found.get(kind, ("", ""))


def test_a_rollout_under_load_is_scaled_up_to_what_is_allowed(tmp_path: Path) -> None:
    manifests = _with_an_autoscaler(tmp_path / "manifests")
    with released(tmp_path, "--speed", "10", manifests=[manifests]) as up, callers(up) as calls:
        eventually_blocking(lambda: up.get(ROLLOUT, "my-app")["spec"]["replicas"] == 9, within_s=30)
        eventually_blocking(lambda: up.get(ROLLOUT, "my-app")["status"].get("availableReplicas") == 9, within_s=30)
        eventually_blocking(lambda: _condition(up, "ScalingLimited") == ("True", "TooManyReplicas"), within_s=30)
        assert _condition(up, "ScalingActive") == ("True", "ValidMetricFound")
        told = [each for each in up.listed(EVENT) if each["reason"] == "SuccessfulRescale"]
        assert told[0]["message"] == "New size: 9; reason: cpu resource above target"
        assert calls.failures == []
