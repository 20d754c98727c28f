"""Pods of a rollout's ReplicaSets, for a small world that has none of its own."""

from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.api.meta import Key
from meshsim.kit.timestamps import to_rfc3339
from tests.kits.rollout_world import NAMESPACE, RolloutWorld


def pod_of(owner: Object, name: str, stamp: str) -> Object:
    """A pod that this ReplicaSet made at that time."""
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner["metadata"]["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": stamp,
            "labels": owner["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [reference | {"uid": owner["metadata"]["uid"], "controller": True}],
        },
        "spec": owner["spec"]["template"]["spec"],
    }


async def run_pod(world: RolloutWorld, owner: Object, name: str) -> None:
    """Create a pod of that ReplicaSet now; it is ready at once."""
    stamp = to_rfc3339(world.clock.now())
    await world.api.create(POD, pod_of(owner, name, stamp))
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": stamp}
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    await world.api.patch(POD, Key(NAMESPACE, name), status, subresource="status")
