"""Two controllers on one API, as processes: they do everything once, and one follows the other."""

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from controller.leadership.process import is_gone, own_identity
from meshsim.api.decode import Object
from meshsim.kit.clock import start_epoch
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import Served, serving
from tests.kits.releases import routed_canary

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]
_LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
_ROLLOUT: Final = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts/demo"
_PLACES: Final = {
    "Rollout": "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts",
    "Service": "/api/v1/namespaces/default/services",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/default/virtualservices",
}


class World:
    """An API and its controllers."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._clock = ("--clock", start_epoch(20).to_text())
        api = stack.enter_context(
            serving("meshsim.apiserver", "--insecure-http", "--port", "0", "--dashboard-port", "0", *self._clock)
        )
        self._api = f"http://{api.addresses['api']}"

    def node(self) -> None:
        self._stack.enter_context(serving("meshsim.runtime", "--api", self._api, "--port", "0", *self._clock))

    def controller(self, *flags: str) -> Served:
        started = serving("controller", "--api", self._api, "--port", "0", *self._clock, *flags, stderr=subprocess.PIPE)
        return self._stack.enter_context(started)

    def ask(self, path: str, method: str = "GET", body: Object | None = None) -> Object:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self._api + path, None if body is None else json.dumps(body).encode(), {"Content-Type": content}
        )
        request.method = method
        with urllib.request.urlopen(request, timeout=5) as answer:
            read: Object = json.loads(answer.read())
        return read

    def leader(self) -> int:
        """The pid that the lease names, 0 while nobody holds it."""
        leases = self.ask(_LEASES)["items"]
        holder = leases[0]["spec"].get("holderIdentity") if leases else ""
        return int(holder.rsplit("_", 2)[1]) if holder else 0

    def is_at(self, phase: str, step: int) -> bool:
        status = self.ask(_ROLLOUT).get("status") or {}
        return (status.get("phase"), status.get("currentStepIndex")) == (phase, step)

    def steps(self) -> Counter[int]:
        """How often each step was told to be completed."""
        told: Counter[int] = Counter()
        for event in self.ask("/api/v1/namespaces/default/events")["items"]:
            if event["reason"] == "RolloutStepCompleted":
                told[int(event["message"].split()[2].partition("/")[0])] += event["count"]
        return told


@pytest.fixture
def world() -> Iterator[World]:
    """Given an API of its own."""
    with ExitStack() as stack:
        yield World(stack)


def test_two_that_race_release_once_and_one_finishes_what_a_killed_one_began(world: World) -> None:
    pair = [world.controller(), world.controller()]
    world.node()
    for obj in routed_canary([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}], replicas=2):
        world.ask(_PLACES[obj["kind"]], "POST", obj)
    eventually_blocking(lambda: world.is_at("Healthy", 4), within_s=20)
    containers = world.ask(_ROLLOUT)["spec"]["template"]["spec"]["containers"]
    update = {"spec": {"template": {"spec": {"containers": [containers[0] | {"image": "demo:v2"}]}}}}
    world.ask(_ROLLOUT, "PATCH", update)
    eventually_blocking(lambda: world.is_at("Paused", 1), within_s=20)
    # Events are written beside the work: what a killed controller had not written yet, nobody tells.
    eventually_blocking(lambda: world.steps() == {1: 1}, within_s=20)

    (leader,) = (each for each in pair if each.process.pid == world.leader())
    (follower,) = (each for each in pair if each is not leader)
    leader.process.kill()
    began = time.monotonic()
    eventually_blocking(lambda: world.leader() == follower.process.pid, within_s=10)
    # Its lease would have lasted for 15 s.
    assert time.monotonic() - began < 5

    world.ask(f"{_ROLLOUT}/status", "PATCH", {"status": {"pauseConditions": None}})
    eventually_blocking(lambda: world.is_at("Paused", 3), within_s=20)
    eventually_blocking(lambda: world.steps() == {1: 1, 2: 1, 3: 1}, within_s=20)
    assert len(world.ask("/apis/apps/v1/namespaces/default/replicasets")["items"]) == 2


def test_one_that_ends_well_is_followed_by_the_one_that_stands_by(world: World) -> None:
    first = world.controller()
    eventually_blocking(lambda: world.leader() == first.process.pid)
    second = world.controller()
    assert second.process.stderr is not None
    sentence = second.process.stderr.readline().decode()
    assert f"_{first.process.pid}_" in sentence
    assert "stands by" in sentence
    assert _leads(first) == 1
    assert _leads(second) == 0
    first.process.terminate()
    assert first.process.wait(10) == 0
    eventually_blocking(lambda: world.leader() == second.process.pid)
    assert _leads(second) == 1
    second.process.terminate()
    second.process.wait(10)
    assert world.leader() == 0
    assert second.process.stderr.read() == b""


def test_one_of_the_cluster_alone_stands_by_for_none_of_rollouts(world: World) -> None:
    both = [world.controller(), world.controller("--without-rollouts")]
    eventually_blocking(lambda: [_leads(each) for each in both] == [1, 1])
    names = {lease["metadata"]["name"] for lease in world.ask(_LEASES)["items"]}
    assert names == {"argo-rollouts-controller-lock", "meshsim-cluster-controller-lock"}


def test_a_process_is_known_by_its_machine_its_number_and_its_start() -> None:
    me = own_identity()
    host, pid, start = me.rsplit("_", 2)
    assert not is_gone(me)
    assert is_gone(f"{host}_{pid}_{float(start) + 5:.2f}")
    assert not is_gone(f"elsewhere_{pid}_{float(start) + 5:.2f}")
    assert not is_gone("somebody")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_gone(f"{host}_{ended.pid}_{start}")


def _leads(controller: Served) -> int:
    with urllib.request.urlopen(f"http://{controller.addresses['metrics']}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (each for each in lines if each.startswith("leader_election_master_status{"))
    return int(float(line.rpartition(" ")[2]))
