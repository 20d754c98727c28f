"""What the node serves itself: `/metrics`, `/healthz`, `/lag` and the containers' logs."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from aiohttp import web

from meshsim.client.informer import Informer
from meshsim.kit.clock import Clock
from meshsim.kit.errors import StartError, UsageError
from meshsim.kit.lag import NODE_HOPS, Lags, lag_of
from meshsim.runtime.container_logs import ContainerLogs
from meshsim.runtime.kubelet import Kubelet
from meshsim.runtime.metrics import pod_samples, replica_set_samples
from meshsim.telemetry.exposition import CONTENT_TYPE, Sample, exposition


class NodeServer:
    """The HTTP server of the node process. Open it with `async with`, then `listen`, then `show` it the kubelet."""

    def __init__(self, lags: Lags, clock: Clock) -> None:
        self._lags = lags
        self._clock = clock
        self._kubelet: Kubelet | None = None
        self._replica_sets: Informer | None = None
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/lag", self._show_lag)
        app.router.add_put("/lag", self._set_lag)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Serve at that address, port 0 for a free one; returns host and port. Raises StartError."""
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        address = self._runner.addresses[0]
        return address[0], address[1]

    def show(self, kubelet: Kubelet, replica_sets: Informer) -> None:
        """From now on these are reported; before there is nothing."""
        self._kubelet = kubelet
        self._replica_sets = replica_sets

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=exposition(self._samples()), headers={"Content-Type": CONTENT_TYPE})

    def _samples(self) -> Iterator[Sample]:
        if self._kubelet is not None:
            yield from pod_samples(self._kubelet.workers.values())
        if self._replica_sets is not None:
            yield from replica_set_samples(self._replica_sets.all())

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        if self._kubelet is None:
            return web.Response(status=503, text="the node is starting")
        return await ContainerLogs(self._kubelet, self._clock).serve(request)

    async def _show_lag(self, _request: web.Request) -> web.Response:
        return web.json_response(self._lags.of(NODE_HOPS))

    async def _set_lag(self, request: web.Request) -> web.Response:
        """`PUT /lag?endpoints=3s`: the hops that are named lag that much from now on."""
        if "Origin" in request.headers:
            # A page in somebody's browser must not be able to do this.
            return web.Response(status=403, text="not from a web page")
        try:
            self._lags.set(lag_of(request.query.items(), NODE_HOPS))
        except UsageError as error:
            return web.Response(status=400, text=str(error))
        return web.json_response(self._lags.of(NODE_HOPS))
