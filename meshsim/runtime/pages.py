"""What the node serves itself: `/metrics`, `/healthz`, `/lag` and the containers' logs."""

from collections.abc import Iterator

from aiohttp import web

from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.kit.lag import NODE_HOPS, Lags
from meshsim.runtime.container_logs import ContainerLogs
from meshsim.runtime.kubelet import Kubelet
from meshsim.runtime.metrics import pod_samples, replica_set_samples
from meshsim.telemetry.exposition import Sample
from meshsim.telemetry.pages import lag_routes, metrics_routes


class NodePages:
    """The pages of the node process. `show` them the kubelet once there is one."""

    def __init__(self, lags: Lags, clock: Clock) -> None:
        self._clock = clock
        self._kubelet: Kubelet | None = None
        self._replica_sets: Informer | None = None
        self.app = web.Application()
        self.app.add_routes(metrics_routes(self._samples))
        self.app.add_routes(lag_routes(lags, NODE_HOPS))
        self.app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)

    def show(self, kubelet: Kubelet, replica_sets: Informer) -> None:
        """From now on these are reported; before there is nothing."""
        self._kubelet = kubelet
        self._replica_sets = replica_sets

    def _samples(self) -> Iterator[Sample]:
        if self._kubelet is not None:
            yield from pod_samples(self._kubelet.workers.values())
        if self._replica_sets is not None:
            yield from replica_set_samples(self._replica_sets.all())

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if self._kubelet is None:
            return web.Response(status=503, text="the node is starting")
        return await ContainerLogs(self._kubelet, self._clock).serve(request)
