"""A node for tests: the real kubelet and endpoints controller over an API without sockets; its pods are real."""

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from meshsim.api.kinds import ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE
from meshsim.api.lag import Lags
from meshsim.client.informer import Informer
from meshsim.kit.clock import VirtualClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.events import PodEvents
from meshsim.runtime.endpoints.endpoints import Caches, EndpointsController
from meshsim.runtime.pods.kubelet import Kubelet
from meshsim.runtime.pods.pod_worker import Node
from meshsim.runtime.pods.runtimes import Runtimes
from tests.kits.api import InProcessApi


@dataclass(frozen=True, slots=True)
class RunningNode:
    """The parts of a node that tests look at."""

    api: InProcessApi
    clock: VirtualClock
    kubelet: Kubelet
    lags: Lags


def new_api(clock: VirtualClock) -> InProcessApi:
    """An API whose uids, and so its pods' addresses, no other test has at the same time."""
    return InProcessApi(clock, seed=uuid.uuid4().int)


@asynccontextmanager
async def running_node(
    api: InProcessApi, clock: VirtualClock, *, has_aliases: bool = True, drain_s: float = 0.0
) -> AsyncIterator[RunningNode]:
    """Run a node until the block ends."""
    pods, services = Informer(api, POD), Informer(api, SERVICE)
    slices, endpoints = Informer(api, ENDPOINT_SLICE), Informer(api, ENDPOINTS)
    runtimes = Runtimes(clock, seed=1, api=api)
    lags = Lags()
    events = PodEvents(api, clock, "node")
    node = Node("node", api, clock, runtimes, pods.learn, lags, events, has_aliases=has_aliases, drain_s=drain_s)
    kubelet = Kubelet(node, pods)
    controller = EndpointsController(api, Caches(services, pods, slices, endpoints), clock, lags)
    async with aclosing(runtimes), TaskOwner() as tasks:
        for informer in (pods, services, slices, endpoints):
            tasks.start(informer.run(), f"informer {informer.kind}")
        tasks.start(events.run(), "pod events")
        tasks.start(kubelet.run(), "kubelet")
        tasks.start(controller.run(), "endpoints controller")
        yield RunningNode(api, clock, kubelet, lags)
