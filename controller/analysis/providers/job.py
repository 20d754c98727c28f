"""Jobs: a measurement is a program that ends well or doesn't."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from controller.analysis.providers.provider import failed
from meshsim.api.analysis import AnalysisRun, Measurement, Metric
from meshsim.api.decode import Object
from meshsim.api.kinds import ANALYSIS_RUN, JOB, POD
from meshsim.api.meta import Key
from meshsim.client.api import AlreadyExistsError, Api, ApiError, NotFoundError
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339

_NAME: Final = "job-name"
_NAMESPACE: Final = "job-namespace"
_UID_LABEL: Final = "analysisrun.argoproj.io/uid"
_RUN_ANNOTATION: Final = "analysisrun.argoproj.io/name"
_METRIC_ANNOTATION: Final = "analysisrun.argoproj.io/metric-name"
_LONGEST_NAME: Final = 63
_HOPELESS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})


class JobProvider:
    """Creates a Job for each measurement and looks after it."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def run(self, run: AnalysisRun, metric: Metric) -> Measurement:
        now = to_rfc3339(self._clock.now())
        measurement = Measurement(phase="Running", started_at=now)
        job = job_of(run, metric)
        try:
            await self._create(run, job)
        except ApiError as error:
            return failed(measurement, str(error), self._clock)
        about = {_NAME: job["metadata"]["name"], _NAMESPACE: job["metadata"]["namespace"]}
        return msgspec.structs.replace(measurement, metadata=about, resume_at=now)

    async def resume(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002
        key = _key(run, measurement)
        if key is None:
            return failed(measurement, "job metadata reference missing", self._clock)
        try:
            job = await self._api.get(JOB, key)
            ended = _ended(job)
            hopeless = "" if ended else await self._hopeless(key)
        except ApiError as error:
            return failed(measurement, str(error), self._clock)
        now = self._clock.now()
        if ended or hopeless:
            return msgspec.structs.replace(
                measurement, phase=ended or "Inconclusive", message=hopeless, finished_at=to_rfc3339(now)
            )
        elapsed_s = now - from_rfc3339(measurement.started_at)
        return msgspec.structs.replace(measurement, resume_at=to_rfc3339(now + math.sqrt(2 * max(elapsed_s, 0.0))))

    async def terminate(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002
        key = _key(run, measurement)
        if key is None:
            return failed(measurement, "job metadata reference missing", self._clock)
        try:
            await self._delete(key)
        except ApiError as error:
            return failed(measurement, str(error), self._clock)
        return msgspec.structs.replace(measurement, phase="Inconclusive", finished_at=to_rfc3339(self._clock.now()))

    async def forget(self, metric: Metric, measurements: Sequence[Measurement]) -> None:  # noqa: ARG002
        for measurement in measurements:
            name = measurement.metadata.get(_NAME)
            if name:
                await self._delete(Key(measurement.metadata.get(_NAMESPACE, ""), name))

    def metadata(self, metric: Metric) -> Mapping[str, str]:  # noqa: ARG002 - there is none
        return {}

    async def _create(self, run: AnalysisRun, job: Object) -> None:
        try:
            await self._api.create(JOB, job)
        except AlreadyExistsError:
            metadata = (await self._api.get(JOB, Key(job["metadata"]["namespace"], job["metadata"]["name"])))[
                "metadata"
            ]
            owners = metadata.get("ownerReferences") or []
            # One that an earlier reconcile created before it could note it.
            if not any(owner["uid"] == run.metadata.uid for owner in owners):
                raise

    async def _delete(self, key: Key) -> None:
        try:
            await self._api.delete(JOB, key, propagation="Foreground")
        except NotFoundError:
            return

    async def _hopeless(self, key: Key) -> str:
        """Why a container of the job will never start, empty when it may."""
        pods = await self._api.list(POD, key.namespace, selector=f"job-name={key.name}")
        for pod in pods.items:
            status = pod.get("status") or {}
            for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
                waiting = (container.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in _HOPELESS:
                    return (
                        f"Pod {pod['metadata']['name']}, container {container['name']} has terminal error "
                        f"({waiting['reason']}): {waiting.get('message') or ''}\n"
                    )
        return ""


def job_of(run: AnalysisRun, metric: Metric) -> Object:
    """The Job that the next measurement of a metric is."""
    asked: Object = metric.provider["job"]
    metadata: Object = asked.get("metadata") or {}
    spec: Object = asked.get("spec") or {}
    template: Object = spec.get("template") or {}
    pod_metadata: Object = template.get("metadata") or {}
    uid = {_UID_LABEL: run.metadata.uid}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": _job_name(run, metric),
            "namespace": run.metadata.namespace,
            "labels": (metadata.get("labels") or {}) | uid,
            "annotations": (metadata.get("annotations") or {})
            | {_RUN_ANNOTATION: run.metadata.name, _METRIC_ANNOTATION: metric.name},
            "ownerReferences": [
                {
                    "apiVersion": ANALYSIS_RUN.api_version,
                    "kind": ANALYSIS_RUN.kind,
                    "name": run.metadata.name,
                    "uid": run.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec
        | {"template": template | {"metadata": pod_metadata | {"labels": (pod_metadata.get("labels") or {}) | uid}}},
    }


def _job_name(run: AnalysisRun, metric: Metric) -> str:
    result = run.status.result(metric.name)
    number = result.count + result.error + 1 if result else 1
    room = _LONGEST_NAME - len(f"{run.metadata.uid}..{number}")
    return f"{run.metadata.uid}.{metric.name[:room]}.{number}"


def _key(run: AnalysisRun, measurement: Measurement) -> Key | None:
    name = measurement.metadata.get(_NAME)
    return Key(measurement.metadata.get(_NAMESPACE) or run.metadata.namespace, name) if name else None


def _ended(job: Object) -> str:
    """The phase that the job's end makes, empty while it goes on."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition.get("status", "True") == "True":
            return "Successful" if condition["type"] == "Complete" else "Failed"
    return ""
