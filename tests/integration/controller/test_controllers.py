"""The wired controllers over real caches: what they watch, what they give back, what they report."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from controller.analysis.providers.outbound import Outbound
from controller.analysis.providers.registry import Providers
from controller.controllers import RolloutControllers, add_cluster_controllers
from controller.counted import CountedApi
from controller.events import EventRecorder
from controller.instance import INSTANCE_LABEL, instance_selectors
from controller.manager import Manager
from controller.rollout.rules import Rules
from meshsim.api.decode import Object
from meshsim.api.kinds import (
    ANALYSIS_RUN,
    ANALYSIS_TEMPLATE,
    EVENT,
    POD,
    REPLICA_SET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Kind,
    kind_named,
)
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import HASH_LABEL, MANAGED_BY_ANNOTATION
from meshsim.client.api import PatchType
from meshsim.kit.clock import LoopClock, VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from meshsim.telemetry.exposition import exposition
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually
from tests.kits.releases import routed_canary
from tests.kits.rollout_world import NAMESPACE

pytestmark = pytest.mark.asyncio
_DEMO = Key(NAMESPACE, "demo")


class LateAnswers(InProcessApi):
    """Tells what watches of a change before it answers the writer, as the API does over HTTP."""

    async def patch(
        self,
        kind: Kind,
        key: Key,
        patch: Object | Sequence[Object],
        *,
        how: PatchType = PatchType.MERGE,
        subresource: str = "",
    ) -> Object:
        answer = await super().patch(kind, key, patch, how=how, subresource=subresource)
        await LoopClock().sleep(0.002)
        return answer


class Cluster:
    """An API with controllers, and pods that are ready as soon as somebody says so."""

    def __init__(self, instance_id: str = "") -> None:
        self.clock = VirtualClock()
        self.api = LateAnswers(self.clock)
        counted = CountedApi(self.api)
        self.recorder = EventRecorder(self.api, self.api.clock)
        providers = Providers(counted, self.api.clock, Outbound())
        self.manager = Manager(counted, self.api.clock, selectors=instance_selectors(instance_id))
        add_cluster_controllers(self.manager, counted, self.api.clock, self.recorder)
        self.controllers = RolloutControllers(self.manager, counted, self.api.clock, self.recorder, Rules(), providers)

    async def apply(self, objects: list[Object]) -> None:
        for obj in objects:
            kind = kind_named(obj["apiVersion"], obj["kind"])
            assert kind is not None
            obj["metadata"]["namespace"] = NAMESPACE
            await self.api.create(kind, obj)

    async def ready(self) -> None:
        """Every pod becomes ready."""
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": to_rfc3339(self.api.clock.now())}
        for pod in self.api.store.objects(POD):
            status = {"status": {"phase": "Running", "conditions": [condition]}}
            await self.api.patch(POD, key_of(pod), status, subresource="status")

    def phase(self) -> str:
        rollout = self.api.store.get(ROLLOUT, _DEMO) or {}
        phase: str = (rollout.get("status") or {}).get("phase", "")
        return phase

    async def is_healthy(self) -> bool:
        await self.ready()
        return self.phase() == "Healthy"

    def selected(self, service: str) -> str:
        obj = self.api.store.get(SERVICE, Key(NAMESPACE, service))
        assert obj is not None
        selected: str = obj["spec"]["selector"].get(HASH_LABEL, "")
        return selected

    def metrics(self) -> str:
        return exposition(self.controllers.samples()).decode()


@asynccontextmanager
async def cluster(objects: list[Object], instance_id: str = "") -> AsyncIterator[Cluster]:
    running = Cluster(instance_id)
    await running.apply(objects)
    async with TaskOwner() as tasks, running.manager:
        tasks.start(running.recorder.run(), "event recorder")
        await eventually(running.is_healthy)
        yield running


async def test_a_release_goes_through_the_real_caches() -> None:
    async with cluster(routed_canary([{"setWeight": 20}, {"setWeight": 60}])) as running:
        await eventually(lambda: running.selected("demo-stable"))
        first = running.selected("demo-stable")
        template = {"spec": {"containers": [{"name": "demo", "image": "demo:v2"}]}}
        await running.api.patch(ROLLOUT, _DEMO, {"spec": {"template": template}})

        async def moved() -> bool:
            await running.ready()
            return running.selected("demo-stable") not in ("", first) and running.phase() == "Healthy"

        await eventually(moved)


async def test_a_weight_that_somebody_edits_is_set_right_again() -> None:
    async with cluster(routed_canary([{"setWeight": 20}, {"pause": {}}])) as running:
        await eventually(lambda: running.selected("demo-stable"))
        virtual_service = await running.api.get(VIRTUAL_SERVICE, _DEMO)
        for item, weight in zip(virtual_service["spec"]["http"][0]["route"], (70, 30), strict=True):
            item["weight"] = weight
        await running.api.replace(VIRTUAL_SERVICE, virtual_service)

        def is_right() -> bool:
            route = (running.api.store.get(VIRTUAL_SERVICE, _DEMO) or {})["spec"]["http"][0]["route"]
            return [item["weight"] for item in route] == [100, 0]

        await eventually(is_right)


async def test_a_service_that_an_abort_makes_go_to_and_fro_is_looked_at_once_a_second_and_not_without_a_break() -> None:
    async with cluster(routed_canary([{"setWeight": 20}, {"pause": {}}])) as running:
        await eventually(lambda: running.selected("demo-canary"))
        stable = running.selected("demo-canary")
        template = {"spec": {"containers": [{"name": "demo", "image": "demo:v2"}]}}
        await running.api.patch(ROLLOUT, _DEMO, {"spec": {"template": template}})

        async def is_paused() -> bool:
            await running.ready()
            return running.phase() == "Paused"

        await eventually(is_paused)
        switches: list[int] = []
        other = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "other"}}
        await running.apply([{**other, "spec": {"hosts": ["other"], "http": [{"directResponse": {"status": 200}}]}}])
        running.api.store.follow(SERVICE, lambda event: switches.append(event.version))
        await running.api.patch(ROLLOUT, _DEMO, {"status": {"abort": True}}, subresource="status")
        await eventually(lambda: running.phase() == "Degraded" and running.selected("demo-canary") == stable)
        # The time of a hundred more answers, in which no second passes on the cluster's clock.
        for number in range(100):
            await running.api.patch(
                VIRTUAL_SERVICE, Key(NAMESPACE, "other"), {"metadata": {"labels": {"n": f"{number}"}}}
            )
        assert 2 <= len(switches) <= 6
        await running.clock.advance(1.5)
        await eventually(lambda: len(switches) >= 4)


async def test_services_of_a_rollout_that_is_gone_are_given_back() -> None:
    async with cluster(routed_canary([{"setWeight": 20}])) as running:
        await eventually(lambda: running.selected("demo-canary"))
        await running.api.delete(ROLLOUT, _DEMO)

        def is_released() -> bool:
            service = running.api.store.get(SERVICE, Key(NAMESPACE, "demo-canary")) or {}
            annotations = service["metadata"].get("annotations") or {}
            return service["spec"]["selector"] == {"app": "demo"} and MANAGED_BY_ANNOTATION not in annotations

        await eventually(is_released)


async def test_metrics_have_argos_names_and_labels() -> None:
    async with cluster(routed_canary([{"setWeight": 20}])) as running:
        text = running.metrics()

    labels = 'namespace="default",name="demo"'
    assert f'rollout_info{{{labels},strategy="canary",traffic_router="Istio",phase="Completed"}} 1' in text
    assert f"rollout_info_replicas_available{{{labels}}} 5" in text
    assert f'rollout_reconcile_bucket{{{labels},le="0.01"}}' in text
    assert f'rollout_events_total{{{labels},type="Normal",reason="RolloutCompleted"}} 1' in text
    assert 'rollout_duration_seconds_count{status="Promoted"} 1' in text
    assert 'kind="replicasets",namespace="default",name="N/A",verb="Create",status_code="201"} 1' in text
    assert 'kind="services",namespace="default",name="demo-canary",verb="Patch",status_code="200"} 1' in text
    assert "_total_total" not in text
    families = {line.split()[2]: line for line in text.splitlines() if line.startswith("# TYPE")}
    assert {"analysis_run_reconcile", "analysis_run_reconcile_error", "experiment_reconcile"} <= set(families)
    assert set(families) == {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}


async def test_a_rollout_that_is_gone_is_no_longer_reported() -> None:
    async with cluster(routed_canary([{"setWeight": 20}])) as running:
        await running.api.delete(ROLLOUT, _DEMO)

        def reported() -> set[str]:
            return {line.split("{")[0] for line in running.metrics().splitlines() if 'name="demo"' in line}

        await eventually(lambda: reported() == {"controller_clientset_k8s_request_total"})


async def test_pods_of_the_stable_version_that_die_are_replaced_and_the_rollout_says_so_meanwhile() -> None:
    async with cluster(routed_canary([{"setWeight": 20}])) as running:
        for pod in running.api.store.objects(POD):
            await running.api.delete(POD, key_of(pod), grace_s=0)
        await eventually(lambda: running.phase() == "Progressing")
        await eventually(running.is_healthy)
        assert len(running.api.store.objects(REPLICA_SET)) == 1


async def test_events_tell_of_rollouts_that_come_and_go() -> None:
    async with cluster(routed_canary([{"setWeight": 20}])) as running:
        await running.api.delete(ROLLOUT, _DEMO)

        def told() -> set[tuple[str, str]]:
            return {(obj["reason"], obj["message"]) for obj in running.api.store.objects(EVENT)}

        added = ("RolloutAddedToInformer", "Rollout resource added to informer: default/demo")
        await eventually(lambda: {added, ("RolloutDeleted", "Rollout demo/default is deleted.")} <= told())


async def test_a_rollout_that_is_made_anew_goes_on_with_the_pods_it_left_behind() -> None:
    objects = routed_canary([{"setWeight": 20}])
    async with cluster(objects) as running:
        before = {obj["metadata"]["uid"] for obj in running.api.store.objects(POD)}
        await running.api.delete(ROLLOUT, _DEMO, propagation="Orphan")
        await running.api.create(ROLLOUT, objects[0])

        await eventually(lambda: running.phase() == "Healthy")
        assert {obj["metadata"]["uid"] for obj in running.api.store.objects(POD)} == before


def _belonging_to(instance_id: str, obj: Object) -> Object:
    return obj | {"metadata": obj["metadata"] | {"labels": {INSTANCE_LABEL: instance_id}}}


async def test_a_controller_with_an_instance_id_handles_what_has_its_label_and_passes_the_label_on() -> None:
    template = {
        "apiVersion": ANALYSIS_TEMPLATE.api_version,
        "kind": "AnalysisTemplate",
        "metadata": {"name": "check"},
        "spec": {"metrics": [{"name": "none", "provider": {"web": {"url": "http://127.0.0.1:1/"}}}]},
    }
    steps: list[Object] = [{"setWeight": 20}, {"analysis": {"templates": [{"templateName": "check"}]}}]
    rollout, *others = routed_canary(steps)
    objects = [_belonging_to("blue", rollout), *others, _belonging_to("blue", template)]
    async with cluster(objects, "blue") as running:
        await running.api.create(ROLLOUT, rollout | {"metadata": {"name": "theirs", "namespace": NAMESPACE}})
        pods = {"spec": {"containers": [{"name": "demo", "image": "demo:v2"}]}}
        await running.api.patch(ROLLOUT, _DEMO, {"spec": {"template": pods}})

        async def analysed() -> bool:
            await running.ready()
            return bool(running.api.store.objects(ANALYSIS_RUN))

        await eventually(analysed)
        (run,) = running.api.store.objects(ANALYSIS_RUN)
        assert run["metadata"]["labels"][INSTANCE_LABEL] == "blue"
        theirs = running.api.store.get(ROLLOUT, Key(NAMESPACE, "theirs")) or {}
        assert "status" not in theirs
