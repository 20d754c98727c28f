"""Scenes of the demo, for whoever draws or tells them."""

from collections import Counter
from dataclasses import replace
from typing import Any

from meshsim.api.decode import decode
from meshsim.api.rollouts import Rollout
from meshsim.cli.argo.pod_reason import PodState
from meshsim.cli.argo.views import PodView, ReplicaSetView, RolloutView
from meshsim.cli.live.scene import Scene, Stage, VersionState
from meshsim.cli.live.spans import Span, observe
from meshsim.cli.live.traffic import Recent, Slice
from meshsim.cli.steps import steps_of
from meshsim.kit.timestamps import from_rfc3339
from meshsim.load.samples import Sample

_STARTED = "2026-01-01T00:00:00Z"
_STEPS: list[dict[str, Any]] = [
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"pause": {"duration": 60}},
    {"setWeight": 34},
    {"setCanaryScale": {"matchTrafficWeight": True}},
    {"pause": {"duration": 60}},
    {"setWeight": 100},
]
_SPLIT = {"v1": 0.66, "v2": 0.34}


def scene(**changes: Any) -> Scene:
    """The second pause of a release, 35 s in: v2 has 34 %, three pods and 34 of 100 requests."""
    rollout = decode(
        Rollout,
        {
            "metadata": {"name": "my-app", "namespace": "default"},
            "spec": {"replicas": 6, "strategy": {"canary": {"steps": _STEPS}}},
            "status": {
                "currentStepIndex": 4,
                "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": _STARTED}],
            },
        },
    )
    replica_sets = (
        _replica_set("my-app-6c9f8d7b5d", 2, "v2", "canary", 3),
        _replica_set("my-app-789746c88d", 1, "v1", "stable", 4),
    )
    present = Scene(
        stage=Stage.RELEASING,
        title="25 s (2.5 s here) of the pause left, then setWeight 100",
        old="v1",
        new="v2",
        speed=10,
        elapsed_s=14.2,
        traffic_url="http://127.0.0.1:8080",
        host="my-app",
        rollout=RolloutView(rollout, "Paused", "CanaryPauseStep", replica_sets, (), ()),
        steps=steps_of(rollout, from_rfc3339(_STARTED) + 35, is_released=True),
        versions=(version("v1", "stable", 66, 4), version("v2", "canary", 34, 3)),
        slices=(Slice(Counter(v1=100), 0, "0%"), Slice(Counter(v1=60, v2=40), 0, "34%"), Slice(Counter(v1=66, v2=34))),
        requests=300,
    )
    return replace(present, **changes)


def version(name: str, role: str, requests: int, pods: int, *, failed: int = 0) -> VersionState:
    """A version that got that many of 100 requests."""
    samples = [Sample(1.0, 0.001, 200, name)] * requests + [Sample(1.0, 0.001, 200, "other")] * (100 - requests)
    return VersionState(
        version=name,
        role=role,
        share=_SPLIT[name],
        observation=observe(samples, Span("pause", _SPLIT, 0.0), name, 0.99),
        recent=Recent(float(requests), 0.0012, 0.0034),
        failed=failed,
        cpu_cores=requests / 1000,
        pods_ready=pods,
        pods=pods,
    )


def _replica_set(name: str, revision: int, tag: str, role: str, pods: int) -> ReplicaSetView:
    return ReplicaSetView(
        name=name,
        created=_STARTED,
        revision=revision,
        health="Healthy",
        replicas=pods,
        available=pods,
        images=(f"my-app:{tag}",),
        roles=(role,),
        template="",
        scale_down_deadline="",
        pods=tuple(PodView(f"{name}-{index:05}", _STARTED, PodState("Running", "1/1", 0)) for index in range(pods)),
    )
