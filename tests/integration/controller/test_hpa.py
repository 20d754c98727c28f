"""The horizontal pod autoscaler on virtual time, over the real API's rules, with the use of pods as a fake says it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.events import EventRecorder
from controller.hpa.reconciler import AutoscalerReconciler
from controller.hpa.usage import PodUsage
from controller.manager import Manager, own_key
from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, EVENT, HORIZONTAL_POD_AUTOSCALER, POD, ROLLOUT, Kind
from meshsim.api.meta import Key
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.api import InProcessApi
from tests.kits.manifests import pod_template, rollout

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

WEB = Key("default", "web")


@dataclass
class Figures:
    """Says what pods use: thousandths of a core each, or why nobody knows."""

    clock: VirtualClock
    cpu: int = 0
    problem: str = ""
    pods: list[str] = field(default_factory=list)

    async def usage(self, namespace: str, selector: str) -> Mapping[str, PodUsage] | str:
        if self.problem:
            return self.problem
        return {name: PodUsage({"web": {"cpu": self.cpu}}, self.clock.now(), 1.0) for name in self.pods}


class World:
    """An API with an autoscaler at work, and pods that are made by hand."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.api = InProcessApi(self.clock)
        self.figures = Figures(self.clock)
        self.recorder = EventRecorder(self.api, self.clock)

    async def autoscale(self, kind: Kind = DEPLOYMENT, **spec: Any) -> None:
        target = {"apiVersion": kind.api_version, "kind": kind.kind, "name": "web"}
        body = {"metadata": {"name": "web", "namespace": "default"}}
        wanted = {"scaleTargetRef": target, "maxReplicas": 10, "metrics": [cpu_at(50)], **spec}
        await self.api.create(HORIZONTAL_POD_AUTOSCALER, {**body, "spec": wanted})
        await self.clock.advance(0)

    async def deploy(self, replicas: int) -> None:
        selector = {"matchLabels": {"app": "web"}}
        spec = {"replicas": replicas, "selector": selector, "template": pod_template("web")}
        await self.api.create(DEPLOYMENT, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await self.run_pods(replicas)

    async def run_pods(self, count: int) -> None:
        since = to_rfc3339(self.clock.now() - 3600)
        for number in range(len(self.figures.pods), count):
            name = f"web-{number}"
            container = {"name": "web", "image": "web", "resources": {"requests": {"cpu": "100m"}}}
            metadata = {"name": name, "namespace": "default", "labels": {"app": "web"}}
            pod = await self.api.create(POD, {"metadata": metadata, "spec": {"containers": [container]}})
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
            status = {"phase": "Running", "startTime": since, "conditions": [ready]}
            await self.api.replace(POD, {**pod, "status": status}, subresource="status")
            self.figures.pods.append(name)

    async def replicas(self, kind: Kind = DEPLOYMENT) -> int:
        count: int = (await self.api.get(kind, WEB))["spec"]["replicas"]
        return count

    async def condition(self, type_: str) -> tuple[str, str, str]:
        status = (await self.api.get(HORIZONTAL_POD_AUTOSCALER, WEB))["status"]
        found = next(each for each in status["conditions"] if each["type"] == type_)
        return found["status"], found["reason"], found["message"]

    async def events(self) -> dict[str, str]:
        await self.recorder.drained()
        return {each["reason"]: each["message"] for each in (await self.api.list(EVENT)).items}


def cpu_at(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    async with TaskOwner() as tasks:
        tasks.start(made.recorder.run(), "events")
        manager = Manager(made.api, made.clock)
        autoscalers, pods = manager.informer(HORIZONTAL_POD_AUTOSCALER), manager.informer(POD)
        reconciler = AutoscalerReconciler(made.api, made.clock, made.recorder, made.figures, autoscalers, pods)
        manager.add("hpa", reconciler, {autoscalers: own_key})
        async with manager:
            await manager.synced()
            yield made


async def test_use_above_the_target_scales_up_at_once_and_says_so() -> None:
    async with world() as it:
        await it.deploy(2)
        it.figures.cpu = 100
        await it.autoscale()
        assert await it.replicas() == 4
        status = (await it.api.get(HORIZONTAL_POD_AUTOSCALER, WEB))["status"]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 4)
        current = {"averageUtilization": 100, "averageValue": "100m"}
        assert status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
        assert await it.condition("AbleToScale") == (
            "True", "SucceededRescale", "the HPA controller was able to update the target scale to 4",
        )  # fmt: skip
        events = await it.events()
        assert events == {
            "SuccessfulRescale": "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        }


async def test_it_looks_every_fifteen_seconds_and_comes_down_after_five_minutes() -> None:
    async with world() as it:
        await it.deploy(2)
        it.figures.cpu = 100
        await it.autoscale()
        await it.run_pods(4)
        it.figures.cpu = 10
        await it.clock.advance(14)
        assert (await it.condition("ScalingActive"))[1] == "ValidMetricFound"
        assert await it.replicas() == 4
        await it.clock.advance(240)
        assert await it.condition("AbleToScale") == (
            "True", "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
        )  # fmt: skip
        assert await it.replicas() == 4
        await it.clock.advance(75)
        assert await it.replicas() == 1
        assert (await it.events())["SuccessfulRescale"] in (
            "New size: 1; reason: All metrics below target",
            "New size: 4; reason: cpu resource utilization (percentage of request) above target",
        )


async def test_a_rollout_is_scaled_by_its_own_selector() -> None:
    async with world() as it:
        made = await it.api.create(ROLLOUT, rollout())
        status = {"HPAReplicas": 1, "selector": "app=web"}
        await it.api.replace(ROLLOUT, {**made, "status": status}, subresource="status")
        scale = {"spec": {"replicas": 1}}
        await it.api.patch(ROLLOUT, WEB, scale, subresource="scale")
        await it.run_pods(1)
        it.figures.cpu = 300
        await it.autoscale(ROLLOUT)
        assert await it.replicas(ROLLOUT) == 4
        assert (await it.condition("ScalingLimited"))[:2] == ("True", "ScaleUpLimit")


async def test_what_no_metrics_are_had_of_stays_as_it_is() -> None:
    async with world() as it:
        await it.deploy(2)
        it.figures.problem = "no metrics returned from resource metrics API"
        await it.autoscale()
        assert await it.replicas() == 2
        problem = "failed to get cpu utilization: unable to get metrics for resource cpu: " + it.figures.problem
        assert await it.condition("ScalingActive") == (
            "False", "FailedGetResourceMetric", f"the HPA was unable to compute the replica count: {problem}",
        )  # fmt: skip
        assert await it.events() == {
            "FailedGetResourceMetric": problem,
            "FailedComputeMetricsReplicas": "invalid metrics (1 invalid out of 1), first error is: "
            f"failed to get cpu resource metric value: {problem}",
        }


async def test_metrics_of_pods_are_not_served_here_and_said_so() -> None:
    async with world() as it:
        await it.deploy(2)
        target = {"type": "AverageValue", "averageValue": "10"}
        await it.autoscale(metrics=[{"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}}])
        status, reason, message = await it.condition("ScalingActive")
        assert (status, reason) == ("False", "FailedGetPodsMetric")
        assert "unable to get metric rps: unable to fetch metrics from custom metrics API" in message


async def test_a_target_that_is_not_there_is_named() -> None:
    async with world() as it:
        await it.autoscale()
        status, reason, message = await it.condition("AbleToScale")
        assert (status, reason) == ("False", "FailedGetScale")
        assert message.endswith('unable to get the target\'s current scale: deployments.apps "web" not found')


async def test_bounds_hold_whatever_the_metrics_say() -> None:
    async with world() as it:
        await it.deploy(1)
        await it.autoscale(minReplicas=3)
        assert await it.replicas() == 3
        assert (await it.events())["SuccessfulRescale"] == (
            "New size: 3; reason: Current number of replicas below Spec.MinReplicas"
        )


async def test_what_is_scaled_to_nothing_is_left_alone() -> None:
    async with world() as it:
        await it.deploy(0)
        await it.autoscale()
        assert await it.condition("ScalingActive") == (
            "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero",
        )  # fmt: skip
        assert await it.replicas() == 0


async def test_two_autoscalers_of_one_target_do_nothing() -> None:
    async with world() as it:
        await it.deploy(2)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        other = {"metadata": {"name": "other", "namespace": "default"}}
        spec = {"scaleTargetRef": target, "maxReplicas": 10}
        await it.api.create(HORIZONTAL_POD_AUTOSCALER, {**other, "spec": spec})
        await it.clock.advance(0)
        it.figures.cpu = 100
        await it.autoscale()
        assert (await it.condition("ScalingActive"))[:2] == ("False", "AmbiguousSelector")
