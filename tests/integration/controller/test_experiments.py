"""The experiment controller with its neighbours, over the real store and a virtual clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from controller.analysis.providers.outbound import Outbound
from controller.analysis.providers.registry import Providers
from controller.analysis.reconciler import setup as setup_analyses
from controller.events import EventRecorder
from controller.experiment.reconciler import setup
from controller.manager import Manager
from controller.replicaset.reconciler import setup as setup_replica_sets
from controller.rollout.actions import Emit
from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, ANALYSIS_TEMPLATE, EXPERIMENT, POD, REPLICA_SET, SERVICE
from meshsim.api.meta import Key, key_of
from meshsim.api.rollouts import RolloutDuration
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import VirtualClock
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.answers import Answers, always
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]
NAME = Key("default", "ab")


def version(name: str, **fields: Any) -> Object:
    """One version of an experiment."""
    return {
        "name": name,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": f"app:{name}", "ports": [{"containerPort": 8080}]}]},
        },
        **fields,
    }


class World:
    """An API with the controllers that an experiment needs; every pod becomes ready unless `stuck` names its app."""

    def __init__(self) -> None:
        self.api = InProcessApi()
        self.told: list[str] = []
        self.stuck: set[str] = set()

    def record(self, about: Object, event: Emit) -> None:
        self.told.append(f"{event.reason}: {event.message}")

    def record_end(self, attempt: RolloutDuration) -> None:
        """No rollout ends here."""

    async def begin(self, *templates: Object, **spec: Any) -> None:
        experiment = {
            "metadata": {"name": "ab", "namespace": "default"},
            "spec": {"templates": list(templates), **spec},
        }
        await self.api.create(EXPERIMENT, experiment)

    async def step(self, seconds: float = 0.2) -> None:
        """Let time pass; pods become ready."""
        assert isinstance(self.api.clock, VirtualClock)
        await self.api.clock.advance(seconds)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": to_rfc3339(self.api.clock.now())}
        for pod in (await self.api.list(POD)).items:
            if pod["metadata"]["labels"]["app"] not in self.stuck:
                status = {"status": {"phase": "Running", "conditions": [ready]}}
                await self.api.patch(POD, key_of(pod), status, subresource="status")

    async def status(self) -> Object:
        found: Object = (await self.api.get(EXPERIMENT, NAME)).get("status") or {}
        return found

    async def until(self, holds: Callable[[Object], bool], seconds: float = 0.2) -> Object:
        """Let time pass until the experiment's status is so."""

        async def check() -> Object:
            await self.step(seconds)
            status = await self.status()
            assert holds(status), status
            return status

        return await eventually(check)

    async def replicas(self, name: str) -> int:
        found: int = (await self.api.get(REPLICA_SET, Key("default", name)))["spec"]["replicas"]
        return found


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    clock = made.api.clock
    manager = Manager(made.api, clock)
    async with Outbound() as outbound:
        setup(manager, made.api, clock, made)
        setup_analyses(manager, Providers(made.api, clock, outbound), made)
        setup_replica_sets(manager, made.api, clock, EventRecorder(made.api, clock))
        async with manager:
            await manager.synced()
            yield made


def template_of(url: str, **metric: Any) -> Object:
    """An AnalysisTemplate that asks that URL."""
    return {
        "metadata": {"name": "rate", "namespace": "default"},
        "spec": {
            "args": [{"name": "hash"}],
            "metrics": [
                {
                    "name": "rate",
                    "successCondition": "result >= 0.95",
                    "provider": {"web": {"url": url + "/{{args.hash}}", "jsonPath": "{$.rate}"}},
                    **metric,
                }
            ],
        },
    }


def is_phase(phase: str) -> Callable[[Object], bool]:
    return lambda status: status.get("phase") == phase


async def test_versions_run_side_by_side_for_their_time_and_go_after_the_delay() -> None:
    async with world() as made:
        await made.begin(version("a", replicas=2, service={}), version("b"), duration="60s")
        running = await made.until(is_phase("Running"))
        service = await made.api.get(SERVICE, Key("default", "ab-a"))
        done = await made.until(is_phase("Successful"), seconds=5)
        kept = await made.replicas("ab-a")

        async def gone() -> bool:
            await made.step(5)
            return await made.replicas("ab-a") == 0 and await made.replicas("ab-b") == 0

        await eventually(gone)

        async def unserved() -> bool:
            await made.step(1)
            try:
                await made.api.get(SERVICE, Key("default", "ab-a"))
            except NotFoundError:
                return True
            return False

        await eventually(unserved)

    statuses = {one["name"]: one for one in running["templateStatuses"]}
    assert (statuses["a"]["availableReplicas"], statuses["b"]["availableReplicas"]) == (2, 1)
    assert statuses["a"]["serviceName"] == "ab-a"
    assert service["spec"]["selector"] == {"app": "a", "rollouts-pod-template-hash": statuses["a"]["podTemplateHash"]}
    assert [port["port"] for port in service["spec"]["ports"]] == [8080]
    assert kept == 2, "pods go on serving for thirty seconds after the end"
    condition = next(one for one in done["conditions"] if one["type"] == "Progressing")
    assert (condition["status"], condition["message"]) == (
        "False",
        'Experiment "ab" has successfully ran and completed.',
    )
    assert "ScalingReplicaSet: Scaled up ReplicaSet ab-a from 0 to 2" in made.told
    assert "ExperimentSuccessful: Experiment transitioned from Running -> Successful" in made.told


async def test_a_bad_analysis_fails_the_experiment_and_ends_its_versions() -> None:
    async with Answers(always('{"rate": 0.5}')) as server, world() as made:
        await made.api.create(ANALYSIS_TEMPLATE, template_of(server.url))
        arg = {"name": "hash", "value": "{{templates.a.podTemplateHash}}"}
        analysis = {"name": "judge", "templateName": "rate", "args": [arg]}
        await made.begin(version("a", service={}), analyses=[analysis], scaleDownDelaySeconds=0)
        status = await made.until(is_phase("Failed"))
        run = await made.api.get(ANALYSIS_RUN, Key("default", "ab-judge"))
        replica_set = await made.api.get(REPLICA_SET, Key("default", "ab-a"))

        async def gone() -> bool:
            await made.step()
            return await made.replicas("ab-a") == 0

        await eventually(gone)

    assert server.asked == [f"GET /{replica_set['metadata']['labels']['rollouts-pod-template-hash']}"]
    assert status["message"] == run["status"]["message"]
    assert status["analysisRuns"] == [
        {"name": "judge", "analysisRun": "ab-judge", "phase": "Failed", "message": run["status"]["message"]}
    ]


async def test_an_experiment_that_is_retried_runs_and_is_judged_anew() -> None:
    rates = iter([0.5, 1.0])

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"rate": next(rates)})

    async with Answers(handler) as server, world() as made:
        await made.api.create(ANALYSIS_TEMPLATE, template_of(server.url))
        analysis = {"name": "judge", "templateName": "rate", "requiredForCompletion": True}
        given = [{"name": "hash", "value": "x"}]
        await made.begin(version("a"), analyses=[{**analysis, "args": given}], scaleDownDelaySeconds=0)
        await made.until(is_phase("Failed"))
        await made.api.patch(EXPERIMENT, NAME, {"status": None})
        status = await made.until(is_phase("Successful"))

    assert status["analysisRuns"][0]["analysisRun"] == "ab-judge.1"


async def test_a_required_analysis_ends_an_experiment_that_has_no_duration() -> None:
    async with Answers(always('{"rate": 1}')) as server, world() as made:
        await made.api.create(ANALYSIS_TEMPLATE, template_of(server.url))
        analysis = {"name": "judge", "templateName": "rate", "requiredForCompletion": True}
        await made.begin(version("a"), analyses=[{**analysis, "args": [{"name": "hash", "value": "x"}]}])
        status = await made.until(is_phase("Successful"))

    assert status["message"] == "Required AnalysisRuns completed"


async def test_a_template_that_is_missing_is_an_error_before_anything_is_measured() -> None:
    async with world() as made:
        await made.begin(version("a"), analyses=[{"name": "judge", "templateName": "nowhere"}])
        status = await made.until(is_phase("Error"))

    assert status["message"] == (
        "AnalysisTemplate verification failed for analysis 'judge': analysistemplate.argoproj.io \"nowhere\" not found"
    )


async def test_a_version_that_stands_still_fails_at_its_deadline() -> None:
    async with world() as made:
        made.stuck.add("b")
        await made.begin(version("a"), version("b"), progressDeadlineSeconds=20)
        status = await made.until(is_phase("Failed"), seconds=2)

    assert status["message"] == "Template 'b' exceeded its progressDeadlineSeconds (20)"


async def test_terminate_ends_an_experiment_that_would_run_for_ever() -> None:
    async with world() as made:
        await made.begin(version("a"))
        await made.until(is_phase("Running"))
        await made.step(3600)
        await made.api.patch(EXPERIMENT, NAME, {"spec": {"terminate": True}})
        status = await made.until(is_phase("Successful"))

    assert status["templateStatuses"][0]["status"] == "Successful"


@pytest.mark.parametrize(
    ("templates", "complaint"),
    [
        (
            [version("a", selector={})],
            "This experiment is selecting all pods at index 0. A non-empty selector is required.",
        ),
        ([version("a"), version("a")], "Experiment ab has repeated template name 'a' in templates"),
        (
            [version("a", minReadySeconds=700)],
            "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index 0",
        ),
    ],
)
async def test_a_spec_that_makes_no_sense_is_a_condition_and_nothing_more(
    templates: list[Object], complaint: str
) -> None:
    async with world() as made:
        await made.begin(*templates)
        status = await made.until(lambda status: bool(status.get("conditions")))

        assert (await made.api.list(REPLICA_SET)).items == []
    assert [(one["type"], one["message"]) for one in status["conditions"]] == [("InvalidExperimentSpec", complaint)]


async def test_a_service_that_is_somebody_elses_is_left_alone() -> None:
    async with world() as made:
        spec = {"selector": {"app": "x"}, "ports": [{"port": 80}]}
        await made.api.create(SERVICE, {"metadata": {"name": "mine", "namespace": "default"}, "spec": spec})
        await made.begin(version("a", service={"name": "mine"}))
        status = await made.until(is_phase("Error"))

        assert (await made.api.get(SERVICE, Key("default", "mine")))["spec"]["selector"] == {"app": "x"}
    assert "service mine already exists and is not owned by experiment template a" in status["message"]
