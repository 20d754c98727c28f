"""`/containerLogs/{namespace}/{pod}/{container}`: what a container printed, as a kubelet serves it to an API server."""

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import from_rfc3339, to_rfc3339_micro
from meshsim.runtime.containers.log import ContainerLog, Line
from meshsim.runtime.pods.kubelet import Kubelet

_WAITS: Final = {"ImagePullBackOff": "trying and failing to pull image", "ErrImagePull": "image can't be pulled"}
"""What a kubelet says of a container that waits, where that is not the reason in the pod's status."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of a log is asked for, in the words of Kubernetes' PodLogOptions."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: float | None = None
    """An instant of the cluster's clock."""


def options_of(query: Mapping[str, str]) -> LogOptions:
    """Reads them from a query. Raises ValueError naming the one that is wrong."""
    return LogOptions(
        follow=_truth(query, "follow"),
        previous=_truth(query, "previous"),
        timestamps=_truth(query, "timestamps"),
        tail_lines=_count(query, "tailLines"),
        limit_bytes=_count(query, "limitBytes"),
        since_seconds=_count(query, "sinceSeconds"),
        since_time=_instant(query, "sinceTime"),
    )


class ContainerLogs:
    """Serves the logs of the containers of one node."""

    def __init__(self, kubelet: Kubelet, clock: Clock) -> None:
        self._kubelet = kubelet
        self._clock = clock

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the lines there are, and with each that comes when they are followed."""
        names = request.match_info
        container = self._kubelet.container(names["namespace"], names["pod"], names["container"])
        if container is None:
            return web.Response(
                status=404, text=f'container "{names["container"]}" of pod "{names["pod"]}" is not here'
            )
        try:
            options = options_of(request.query)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        run = container.previous if options.previous else container.running
        if run is None:
            which = f'container "{names["container"]}" in pod "{names["pod"]}"'
            if options.previous:
                return web.Response(status=400, text=f"previous terminated {which} not found")
            reason = container.state.waiting_reason or "ContainerCreating"
            return web.Response(status=400, text=f"{which} is waiting to start: {_WAITS.get(reason, reason)}")
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        async for text in self._texts(run.log, options):
            await response.write(text)
        return response

    async def _texts(self, log: ContainerLog, options: LogOptions) -> AsyncIterator[bytes]:
        left = options.limit_bytes
        since = -math.inf if options.since_time is None else options.since_time
        if options.since_seconds is not None:
            since = self._clock.now() - options.since_seconds
        async for line in log.follow(options.tail_lines, waits=options.follow):
            if line.at >= since:
                text = written(line, with_stamp=options.timestamps)[:left]
                yield text
                left = None if left is None else left - len(text)
            if left == 0:
                return


def written(line: Line, *, with_stamp: bool) -> bytes:
    """The line with its end, and with its instant before it when that is wanted."""
    stamp = f"{to_rfc3339_micro(line.at)} ".encode() if with_stamp else b""
    return stamp + line.text + b"\n"


def _truth(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1", "t")


def _instant(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    try:
        return None if text is None else from_rfc3339(text)
    except ValueError:
        raise ValueError(f'{name}: "{text}" is no RFC 3339 instant') from None


def _count(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f'{name}: "{text}" is no number')
    return int(text)
