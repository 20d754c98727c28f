"""Integration tests of the Deployment controller, with the ReplicaSet controller and pods that become ready."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from controller.deployment.reconciler import setup as setup_deployments
from controller.events import EventRecorder
from controller.manager import Manager
from controller.replicaset.reconciler import setup as setup_replica_sets
from meshsim.api.decode import Object
from meshsim.api.kinds import DEPLOYMENT, EVENT, POD, REPLICA_SET
from meshsim.api.meta import Key
from meshsim.client.api import ApiError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.api import InProcessApi
from tests.kits.eventually import eventually

pytestmark = pytest.mark.asyncio
WEB = Key("default", "web")


@asynccontextmanager
async def running(*, pods_become_ready: bool = True) -> AsyncIterator[InProcessApi]:
    clock = VirtualClock()
    api = InProcessApi(clock)
    manager = Manager(api, clock)
    recorder = EventRecorder(api, clock)
    setup_replica_sets(manager, api, clock, recorder)
    setup_deployments(manager, api, clock, recorder)
    async with TaskOwner() as tasks, manager:
        tasks.start(recorder.run(), "event recorder")
        if pods_become_ready:
            pods = Informer(api, POD)

            def follow(change: Change) -> None:
                tasks.start(make_ready(api, change), "readiness")

            pods.on_change(follow)
            tasks.start(pods.run(), "pods")
        yield api


async def make_ready(api: InProcessApi, change: Change) -> None:
    """Do what a node would: start pods, and let those go that end."""
    if change.new is None:
        return
    try:
        if change.new["metadata"].get("deletionTimestamp"):
            await api.delete(POD, change.key, grace_s=0)
        elif change.new["status"]["phase"] == "Pending":
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": to_rfc3339(api.clock.now())}
            await api.patch(
                POD, change.key, {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status"
            )
    except ApiError:
        return


def deployment_object(replicas: int = 4, image: str = "web:v1", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


async def set_image(api: InProcessApi, image: str) -> None:
    template = {"spec": {"containers": [{"name": "web", "image": image}]}}
    await api.patch(DEPLOYMENT, WEB, {"spec": {"template": template}})


async def images(api: InProcessApi) -> list[str]:
    return sorted(
        pod["spec"]["containers"][0]["image"]
        for pod in (await api.list(POD)).items
        if not pod["metadata"].get("deletionTimestamp")
    )


async def has_progressed(api: InProcessApi, *wanted: str) -> bool:
    """The pods are of these images, and the Deployment says it is done."""
    status = (await api.get(DEPLOYMENT, WEB)).get("status") or {}
    reasons = {condition["type"]: condition["reason"] for condition in status.get("conditions") or ()}
    return (
        await images(api) == list(wanted)
        and status.get("updatedReplicas") == status.get("availableReplicas") == len(wanted)
        and reasons == {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}
    )


async def test_a_deployment_has_its_pods_by_a_replica_set_that_it_owns() -> None:
    async with running() as api:
        created = await api.create(DEPLOYMENT, deployment_object())
        await eventually(lambda: has_progressed(api, *["web:v1"] * 4))
        (replica_set,) = (await api.list(REPLICA_SET)).items
        label = replica_set["metadata"]["labels"]["pod-template-hash"]
        assert replica_set["metadata"]["name"] == f"web-{label}"
        assert replica_set["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
        assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": label}
        status = (await api.get(DEPLOYMENT, WEB))["status"]
        assert (status["observedGeneration"], status["readyReplicas"]) == (1, 4)


async def test_a_new_template_replaces_the_pods_and_an_old_one_brings_its_replica_set_back() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object())
        await eventually(lambda: has_progressed(api, *["web:v1"] * 4))
        for image, revision in (("web:v2", "2"), ("web:v1", "3")):
            await set_image(api, image)
            await eventually(lambda wanted=image: has_progressed(api, *[wanted] * 4))  # type: ignore[misc]
            annotations = (await api.get(DEPLOYMENT, WEB))["metadata"]["annotations"]
            assert annotations["deployment.kubernetes.io/revision"] == revision
        assert len((await api.list(REPLICA_SET)).items) == 2


async def test_scaling_follows_the_spec() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object(1))
        for replicas in (5, 2, 0):
            await api.patch(DEPLOYMENT, WEB, {"spec": {"replicas": replicas}})
            await eventually(lambda wanted=replicas: has_pods(api, wanted))  # type: ignore[misc]


async def has_pods(api: InProcessApi, count: int) -> bool:
    return len(await images(api)) == count


async def test_an_update_whose_pods_never_come_up_keeps_the_old_ones_and_says_so_after_its_deadline() -> None:
    async with running(pods_become_ready=False) as api:
        await api.create(DEPLOYMENT, deployment_object(4, progressDeadlineSeconds=60))
        await eventually(lambda: has_pods(api, 4))
        for pod in (await api.list(POD)).items:
            await make_ready(api, Change(Key("default", pod["metadata"]["name"]), None, pod))
        await eventually(lambda: has_progressed(api, *["web:v1"] * 4))
        await set_image(api, "web:broken")
        await eventually(lambda: has_images(api, ["web:broken"] * 2 + ["web:v1"] * 3))

        async def gave_up() -> bool:
            assert isinstance(api.clock, VirtualClock)
            await api.clock.advance(10)
            conditions = (await api.get(DEPLOYMENT, WEB))["status"]["conditions"]
            return ("Progressing", "ProgressDeadlineExceeded") in [
                (each["type"], each["reason"]) for each in conditions
            ]

        await eventually(gave_up)
        assert await has_images(api, ["web:broken"] * 2 + ["web:v1"] * 3)


async def has_images(api: InProcessApi, wanted: list[str]) -> bool:
    return await images(api) == wanted


async def test_recreate_ends_every_old_pod_before_it_starts_a_new_one() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object(3, strategy={"type": "Recreate"}))
        await eventually(lambda: has_progressed(api, *["web:v1"] * 3))
        seen: set[tuple[str, ...]] = set()
        await set_image(api, "web:v2")

        async def done() -> bool:
            seen.add(tuple(sorted(set(await images(api)))))
            return await has_progressed(api, *["web:v2"] * 3)

        await eventually(done)
        assert ("web:v1", "web:v2") not in seen


async def test_a_paused_deployment_follows_its_size_but_not_its_template() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object(2))
        await eventually(lambda: has_progressed(api, *["web:v1"] * 2))
        await api.patch(DEPLOYMENT, WEB, {"spec": {"paused": True}})
        await set_image(api, "web:v2")
        await api.patch(DEPLOYMENT, WEB, {"spec": {"replicas": 4}})
        await eventually(lambda: has_images(api, ["web:v1"] * 4))
        await api.patch(DEPLOYMENT, WEB, {"spec": {"paused": False}})
        await eventually(lambda: has_progressed(api, *["web:v2"] * 4))


async def test_only_so_many_old_replica_sets_are_kept() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object(1, revisionHistoryLimit=2))
        for number in range(1, 6):
            await set_image(api, f"web:v{number}")
            await eventually(lambda wanted=number: has_progressed(api, f"web:v{wanted}"))  # type: ignore[misc]

        async def kept() -> list[str]:
            return sorted(
                each["spec"]["template"]["spec"]["containers"][0]["image"]
                for each in (await api.list(REPLICA_SET)).items
            )

        async def forgot() -> bool:
            return await kept() == ["web:v3", "web:v4", "web:v5"]

        await eventually(forgot)


async def test_every_change_of_a_size_is_told_in_the_words_that_kubectl_describe_shows() -> None:
    async with running() as api:
        await api.create(DEPLOYMENT, deployment_object(2, strategy={"type": "Recreate"}))
        await eventually(lambda: has_progressed(api, "web:v1", "web:v1"))
        (first,) = (await api.list(REPLICA_SET)).items
        await set_image(api, "web:v2")
        await eventually(lambda: has_progressed(api, "web:v2", "web:v2"))
        (second,) = (each for each in (await api.list(REPLICA_SET)).items if each["spec"]["replicas"])
        old, new = first["metadata"]["name"], second["metadata"]["name"]

        async def told() -> bool:
            events = [each for each in (await api.list(EVENT)).items if each["involvedObject"]["kind"] == "Deployment"]
            assert {(each["reason"], each["source"]["component"]) for each in events} == {
                ("ScalingReplicaSet", "deployment-controller")
            }
            return sorted((each["message"], each["count"]) for each in events) == [
                (f"Scaled down replica set {old} from 2 to 0", 1),
                *sorted([(f"Scaled up replica set {each} from 0 to 2", 1) for each in (old, new)]),
            ]

        await eventually(told)
