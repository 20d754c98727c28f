"""Keeps the pods of each Job: reads the caches, lets `plan` decide, writes."""

from typing import Final

from controller.events import EventRecorder
from controller.job.plan import Plan, plan
from controller.manager import Manager, own_key, owner_key
from controller.owned import pod_of_template
from controller.rollout.actions import Emit
from meshsim.api.core import Pod
from meshsim.api.decode import Object, decode, encode
from meshsim.api.kinds import JOB, POD
from meshsim.api.meta import Key
from meshsim.api.workloads import Job, JobStatus
from meshsim.client.api import Api, ApiError, NotFoundError
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock

_COMPONENT: Final = "job-controller"


def setup(manager: Manager, api: Api, clock: Clock, recorder: EventRecorder) -> None:
    """Have the manager run the Job controller."""
    jobs, pods = manager.informer(JOB), manager.informer(POD)
    manager.add("job", JobReconciler(api, clock, recorder, jobs, pods), {jobs: own_key, pods: owner_key(JOB)})


class JobReconciler:
    """Runs the pods of a Job until enough of them have ended well."""

    def __init__(self, api: Api, clock: Clock, recorder: EventRecorder, jobs: Informer, pods: Informer) -> None:
        self._api = api
        self._clock = clock
        self._recorder = recorder
        self._jobs = jobs
        self._pods = pods

    async def reconcile(self, key: Key) -> float | None:
        obj = self._jobs.get(key)
        if obj is None:
            return None
        job = decode(Job, obj)
        decided = plan(job, self._owned(job), self._clock.now())
        await self._act(obj, job, decided)
        await self._report(obj, job, decided.status)
        return decided.wake_at

    def _owned(self, job: Job) -> list[Pod]:
        return [
            decode(Pod, obj)
            for obj in self._pods.all()
            if obj["metadata"].get("namespace") == job.metadata.namespace
            for owner in obj["metadata"].get("ownerReferences") or ()
            if owner.get("controller") and owner["uid"] == job.metadata.uid
        ]

    async def _act(self, obj: Object, job: Job, decided: Plan) -> None:
        for _ in range(decided.create):
            await self._create(obj, job)
        for pod in decided.delete:
            try:
                await self._api.delete(POD, pod.metadata.key, uid=pod.metadata.uid)
            except NotFoundError:
                continue
            self._tell(obj, "SuccessfulDelete", f"Deleted pod: {pod.metadata.name}")

    async def _create(self, obj: Object, job: Job) -> None:
        try:
            created = await self._api.create(POD, pod_of_template(JOB, job.metadata, job.spec.template))
        except ApiError as error:
            self._tell(obj, "FailedCreate", f"Error creating: {error}", "Warning")
            raise
        self._pods.learn(created)
        self._tell(obj, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")

    async def _report(self, obj: Object, job: Job, status: JobStatus) -> None:
        if status == job.status:
            return
        written = {**obj, "status": encode(status)}
        self._jobs.learn(await self._api.replace(JOB, written, subresource="status"))
        for ending in status.conditions[len(job.status.conditions) :]:
            if ending.type == "Complete":
                self._tell(obj, "Completed", "Job completed")
            else:
                self._tell(obj, ending.reason, ending.message, "Warning")

    def _tell(self, obj: Object, reason: str, message: str, kind: str = "Normal") -> None:
        self._recorder.record(obj, Emit(reason, message, kind), _COMPONENT)
