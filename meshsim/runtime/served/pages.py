"""What the node serves itself: `/metrics`, `/healthz`, `/lag`, and to the API server alone the containers' insides."""

from collections.abc import Iterator

from aiohttp import web

from meshsim.api.lag import NODE_HOPS, Lags
from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.runtime.pods.kubelet import Kubelet
from meshsim.runtime.served.container_logs import ContainerLogs
from meshsim.runtime.served.guard import Admits, guarded, refuse_foreign
from meshsim.runtime.served.metrics import pod_samples, replica_set_samples
from meshsim.runtime.served.port_forward import forward_port
from meshsim.runtime.served.remote_command import RemoteCommands
from meshsim.telemetry.exposition import Sample
from meshsim.telemetry.pages import lag_routes, metrics_routes


class NodePages:
    """The pages of the node process. `show` them the kubelet once there is one."""

    def __init__(self, lags: Lags, clock: Clock, admits: Admits) -> None:
        """`admits` tells whether a request is the API server's."""
        self._clock = clock
        self._kubelet: Kubelet | None = None
        self._replica_sets: Informer | None = None
        self.app = web.Application(middlewares=[refuse_foreign()])
        self.app.add_routes(metrics_routes(self._samples))
        self.app.add_routes(lag_routes(lags, NODE_HOPS))
        for name, handler in (("containerLogs", self._logs), ("exec", self._exec), ("attach", self._attach)):
            self.app.router.add_get(f"/{name}/{{namespace}}/{{pod}}/{{container}}", guarded(handler, admits))
        self.app.router.add_get("/portForward/{namespace}/{pod}", guarded(self._port_forward, admits))

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
        return await ContainerLogs(self._running(), self._clock).serve(request)

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        return await RemoteCommands(self._running()).exec(request)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        return await RemoteCommands(self._running()).attach(request)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        return await forward_port(self._running(), request)

    def _running(self) -> Kubelet:
        if self._kubelet is None:
            raise web.HTTPServiceUnavailable(text="the node is starting")
        return self._kubelet
