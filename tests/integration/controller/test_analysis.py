"""The analysis controller in its manager, over the real store and a virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from controller.analysis.providers.outbound import Outbound
from controller.analysis.providers.registry import Providers
from controller.analysis.reconciler import setup
from controller.events import EventRecorder
from controller.job.reconciler import setup as setup_jobs
from controller.manager import Manager
from controller.rollout.actions import Emit
from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, JOB, POD, SECRET
from meshsim.api.meta import Key
from meshsim.api.rollouts import RolloutDuration
from meshsim.client.api import NotFoundError
from meshsim.kit.clock import VirtualClock
from tests.kits.answers import Answers, always
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]
RUN = Key("default", "run")


class World:
    """An API, the controllers of analyses and jobs, and what they tell."""

    def __init__(self) -> None:
        self.api = InProcessApi()
        self.told: list[str] = []

    def record(self, about: Object, event: Emit) -> None:
        self.told.append(f"{event.type} {event.reason}: {event.message}")

    def record_end(self, attempt: RolloutDuration) -> None:
        """No rollout ends here."""

    async def begin(self, *metrics: Object, **spec: Any) -> None:
        """Create the run."""
        run = {"metadata": {"name": "run", "namespace": "default"}, "spec": {"metrics": list(metrics), **spec}}
        await self.api.create(ANALYSIS_RUN, run)

    async def status(self) -> Object:
        found: Object = (await self.api.get(ANALYSIS_RUN, RUN)).get("status") or {}
        return found

    async def ended(self, phase: str) -> Object:
        """Let time pass until the run has ended so."""
        assert isinstance(self.api.clock, VirtualClock)

        async def check() -> Object:
            await self.api.clock.advance(1)  # type: ignore[attr-defined] # it is virtual
            status = await self.status()
            assert status.get("phase") == phase, status
            return status

        return await eventually(check)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made = World()
    manager = Manager(made.api, made.api.clock)
    async with Outbound() as outbound:
        setup(manager, Providers(made.api, made.api.clock, outbound), made)
        setup_jobs(manager, made.api, made.api.clock, EventRecorder(made.api, made.api.clock))
        async with manager:
            await manager.synced()
            yield made


def rate(url: str, **fields: Any) -> Object:
    """A metric that asks that URL for a number."""
    return {
        "name": "rate",
        "successCondition": "result >= 0.95",
        "provider": {"web": {"url": url, "jsonPath": "{$.rate}"}},
        **fields,
    }


async def test_a_good_rate_makes_a_successful_run_and_says_so() -> None:
    async with Answers(always('{"rate": 0.97}')) as server, world() as made:
        await made.begin(rate(server.url))
        status = await made.ended("Successful")

    assert status["metricResults"][0]["measurements"][0]["value"] == "0.97"
    assert status["runSummary"] == {"count": 1, "successful": 1}
    assert made.told == [
        "Normal MetricSuccessful: Metric 'rate' Completed. Result: Successful",
        "Normal AnalysisRunSuccessful: Analysis Completed. Result: Successful",
    ]


async def test_a_rate_that_falls_ends_the_run_at_its_limit() -> None:
    rates = iter([0.99, 0.5, 0.99, 0.4, 0.3])

    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"rate": next(rates)})

    async with Answers(handler) as server, world() as made:
        await made.begin(rate(server.url, interval="10s", failureLimit=1))
        status = await made.ended("Failed")

    assert status["message"] == 'Metric "rate" assessed Failed due to failed (2) > failureLimit (1)'
    assert [one["value"] for one in status["metricResults"][0]["measurements"]] == ["0.99", "0.5", "0.99", "0.4"]


async def test_a_provider_that_only_fails_is_an_error_after_five_times() -> None:
    async with Answers(always("oops", 500)) as server, world() as made:
        await made.begin(rate(server.url))
        status = await made.ended("Error")

    assert status["message"] == (
        'Metric "rate" assessed Error due to consecutiveErrors (5) > consecutiveErrorLimit (4): '
        '"Error Message: received non 2xx response code: 500"'
    )
    assert len(server.asked) == 5


async def test_terminate_ends_a_run_that_would_go_on_for_ever() -> None:
    async with Answers(always('{"rate": 1}')) as server, world() as made:
        await made.begin(rate(server.url, interval="1h"))
        await made.ended("Running")
        await made.api.patch(ANALYSIS_RUN, RUN, {"spec": {"terminate": True}})
        status = await made.ended("Successful")

    assert status["message"] == "Run Terminated"


async def test_secrets_are_used_and_never_shown() -> None:
    async with world() as made:
        await made.api.create(
            SECRET, {"metadata": {"name": "token", "namespace": "default"}, "stringData": {"path": "hunter2:bad"}}
        )
        await made.begin(
            rate("{{args.url}}", consecutiveErrorLimit=0, name="rate"),
            args=[{"name": "url", "valueFrom": {"secretKeyRef": {"name": "token", "key": "path"}}}],
        )
        status = await made.ended("Error")

    assert "hunter2" not in str(status)
    assert '"*****" is not an http or https URL' in status["message"]


async def test_a_secret_that_is_not_there_is_an_error_of_the_run() -> None:
    async with world() as made:
        await made.begin(
            rate("{{args.url}}"),
            args=[{"name": "url", "valueFrom": {"secretKeyRef": {"name": "token", "key": "url"}}}],
        )
        status = await made.ended("Error")

    assert status["message"] == 'Unable to resolve metric arguments: secrets "token" not found'
    assert "completedAt" not in status


async def test_an_unsound_run_is_an_error_at_once() -> None:
    async with world() as made:
        await made.begin({"name": "rate", "provider": {}})
        status = await made.ended("Error")

    assert status["message"] == "Analysis spec invalid: metrics[0]: no provider specified"
    assert made.told == ["Warning AnalysisRunError: Analysis Completed. Result: Error"]


async def test_a_job_is_a_measurement_that_ends_as_it_does() -> None:
    async with world() as made:
        spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "t", "image": "t:1"}]}}}
        await made.begin({"name": "smoke", "provider": {"job": {"spec": {**spec, "backoffLimit": 0}}}})
        status = await made.ended("Running")
        about = status["metricResults"][0]["measurements"][0]["metadata"]

        async def pod() -> Object:
            await made.api.clock.advance(0.2)  # type: ignore[attr-defined] # it is virtual
            return (await made.api.list(POD)).items[0]

        started = await eventually(pod, ignoring=(IndexError,))
        key = Key("default", started["metadata"]["name"])
        await made.api.patch(POD, key, {"status": {"phase": "Failed"}}, subresource="status")
        status = await made.ended("Failed")
        job = await made.api.get(JOB, Key(about["job-namespace"], about["job-name"]))

    assert job["metadata"]["annotations"] == {
        "analysisrun.argoproj.io/name": "run",
        "analysisrun.argoproj.io/metric-name": "smoke",
    }
    assert status["metricResults"][0]["measurements"][0]["phase"] == "Failed"


async def test_terminating_a_run_takes_its_job_away() -> None:
    async with world() as made:
        spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "t", "image": "t:1"}]}}}
        await made.begin({"name": "smoke", "provider": {"job": {"spec": spec}}})
        await made.ended("Running")
        await made.api.patch(ANALYSIS_RUN, RUN, {"spec": {"terminate": True}})
        status = await made.ended("Inconclusive")

        async def gone() -> bool:
            return all("deletionTimestamp" in job["metadata"] for job in (await made.api.list(JOB)).items)

        await eventually(gone)

    assert status["metricResults"][0]["message"] == "Metric Terminated"


async def test_a_completed_run_is_deleted_when_its_time_is_over() -> None:
    async with Answers(always('{"rate": 1}')) as server, world() as made:
        await made.begin(rate(server.url), ttlStrategy={"secondsAfterCompletion": 30})
        await made.ended("Successful")

        async def gone() -> bool:
            await made.api.clock.advance(1)  # type: ignore[attr-defined] # it is virtual
            try:
                await made.status()
            except NotFoundError:
                return True
            return False

        await eventually(gone)
