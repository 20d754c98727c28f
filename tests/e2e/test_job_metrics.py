"""A metric that is a Job: its command runs on the node, and how it ends is the measurement."""

import sys
from pathlib import Path

import pytest
import yaml

from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, JOB, POD
from tests.kits.eventually import eventually_blocking
from tests.kits.up import mesh

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def run_of(name: str, command: str) -> Object:
    """An AnalysisRun whose one metric is a program."""
    container = {"name": "check", "image": "check:1", "command": [sys.executable, "-c", command]}
    spec = {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"name": name},
        "spec": {"metrics": [{"name": "smoke", "provider": {"job": {"spec": spec}}}]},
    }


def test_a_program_that_ends_well_is_a_success_and_one_that_does_not_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "runs.yaml"
    file.write_text(yaml.safe_dump_all([run_of("good", "print('fine')"), run_of("bad", "raise SystemExit(3)")]))
    with mesh(tmp_path, manifests=[str(file)]) as running:

        def phase(name: str) -> str:
            return str((running.get(ANALYSIS_RUN, name).get("status") or {}).get("phase"))

        eventually_blocking(lambda: (phase("good"), phase("bad")) == ("Successful", "Failed"), within_s=40)
        bad = running.get(ANALYSIS_RUN, "bad")["status"]
        jobs = {job["metadata"]["name"]: job for job in running.listed(JOB)}
        pods = running.listed(POD)

    assert bad["message"] == 'Metric "smoke" assessed Failed due to failed (1) > failureLimit (0)'
    about = bad["metricResults"][0]["measurements"][0]["metadata"]
    assert jobs[about["job-name"]]["status"]["failed"] == 1
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded", "Failed"}
