"""An experiment as a step of a canary: its versions get their share of the traffic, and lose it when it ends."""

from pathlib import Path

import pytest
import yaml

from meshsim.api.decode import Object
from meshsim.api.kinds import EXPERIMENT, REPLICA_SET, ROLLOUT, VIRTUAL_SERVICE
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY
from tests.kits.up import Mesh, callers, released

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

EXAMPLE = REPOSITORY / "examples" / "blog-canary"
STEPS: list[Object] = [
    {"setWeight": 10},
    {
        "experiment": {
            "duration": "60s",
            "templates": [
                {"name": "baseline", "specRef": "stable", "weight": 20},
                {"name": "candidate", "specRef": "canary", "weight": 20},
            ],
        }
    },
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
]


def manifests(directory: Path) -> str:
    """The example with an experiment among its steps.

    The Services have the containers' own port: so has the Service of an experiment's version, and a sidecar finds
    only those on the port that was asked for.
    """
    for file in EXAMPLE.iterdir():
        document = file.read_text().replace("port: 80,", "port: 8080,")
        if file.name == "rollout.yaml":
            rollout = yaml.safe_load(document)
            rollout["spec"]["strategy"]["canary"]["steps"] = STEPS
            rollout["spec"]["strategy"]["canary"].pop("dynamicStableScale")
            document = yaml.safe_dump(rollout)
        (directory / file.name).write_text(document)
    return str(directory)


def weights(running: Mesh) -> dict[str, int]:
    """The share of each host."""
    route = running.get(VIRTUAL_SERVICE, "my-app")["spec"]["http"][0]["route"]
    return {part["destination"]["host"]: part.get("weight", 0) for part in route}


def test_an_experiment_has_its_share_while_it_runs(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = manifests(tmp_path_factory.mktemp("manifests"))
    with released(tmp_path, "--speed", "10", manifests=[files]) as running, callers(running) as calls:
        running.cli("set", "image", "my-app", "my-app=my-app:v2")
        eventually_blocking(lambda: len(weights(running)) == 4, within_s=40)
        experiment = running.listed(EXPERIMENT)[0]
        name = experiment["metadata"]["name"]
        split, shown = weights(running), running.cli("get", "experiment", name)
        eventually_blocking(lambda: len(weights(running)) == 2, within_s=40)
        eventually_blocking(lambda: running.is_at("Healthy"), within_s=60)
        ended = running.get(EXPERIMENT, name)["status"]["phase"]
        stable = running.get(ROLLOUT, "my-app")["status"]["stableRS"]

        def is_cleared_away() -> bool:
            own = [one for one in running.listed(REPLICA_SET) if one["metadata"]["name"].startswith(f"{name}-")]
            return all(one["spec"]["replicas"] == 0 for one in own)

        eventually_blocking(is_cleared_away, within_s=30)

    assert split == {"my-app-stable": 50, "my-app-canary": 10, f"{name}-baseline": 20, f"{name}-candidate": 20}
    assert f"Name:            {name}" in shown
    assert "Running" in shown
    assert ended == "Successful"
    assert stable in name, "it was the new version's experiment"
    assert not calls.failures, calls.failures[:3]
