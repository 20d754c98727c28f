"""Publishing while requests come: in slices, and what changes meanwhile afterwards."""

import asyncio

import pytest

from meshsim.kit.tasks import TaskOwner
from meshsim.mesh.compile import MeshObjects, ProxySpec, Snapshot
from meshsim.proxy.configuration.configuration import Publisher
from tests.kits.eventually import eventually
from tests.kits.mesh import objects

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["uvloop"])]

_APP = """
apiVersion: v1
kind: Service
metadata: {{name: app-{0}, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app-{0}, namespace: default}}
spec: {{hosts: [app-{0}], http: [{{route: [{{destination: {{host: app-{0}}}}}]}}]}}
"""


def _apps(count: int) -> MeshObjects:
    return objects(*(_APP.format(number) for number in range(count)))


_ONE, _TWO, _MANY = _apps(1), _apps(2), _apps(150)


async def test_while_much_is_compiled_the_loop_goes_on() -> None:
    given, published, turns = _ONE, list[Snapshot](), 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(published) < 2:
            asyncio.get_running_loop().call_soon(turn)

    async with TaskOwner(print) as tasks:
        publisher = Publisher(ProxySpec(), published.append, tasks)
        publisher.follow(lambda: given)
        given = _MANY
        publisher.changed_together()
        turn()
        await eventually(lambda: len(published) == 2)

    assert turns > 5
    assert len(published[-1].clusters) == 150


async def test_what_changes_during_a_compilation_comes_into_force_after_it() -> None:
    given, published = _ONE, list[Snapshot]()
    async with TaskOwner(print) as tasks:
        publisher = Publisher(ProxySpec(), published.append, tasks)
        publisher.follow(lambda: given)

        def change_to(objects: MeshObjects) -> None:
            nonlocal given
            given = objects
            publisher.changed_together()

        change_to(_MANY)
        # By then the first slice of it is done.
        asyncio.get_running_loop().call_soon(change_to, _TWO)
        await eventually(lambda: len(published) == 3)

    assert [len(snapshot.clusters) for snapshot in published] == [1, 150, 2]
