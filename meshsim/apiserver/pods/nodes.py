"""Asking the nodes: what their containers printed, what they use, and to run commands in them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from yarl import URL

from meshsim.api.channels import REFUSED, V5
from meshsim.api.decode import Object
from meshsim.api.kinds import NODE, POD
from meshsim.api.loose import at, mapping, mappings
from meshsim.api.meta import Key
from meshsim.apiserver import refusals
from meshsim.apiserver.pods import usage
from meshsim.apiserver.pods.links import MAX_MESSAGE_BYTES
from meshsim.apiserver.pods.passes import Passes
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.storage.selection import Selection
from meshsim.client.api import ApiError
from meshsim.kit.clock import LoopClock

_FOLLOWED: Final = aiohttp.ClientTimeout(total=None, sock_connect=5)
_HUNG_UP: Final = aiohttp.ClientWSTimeout(ws_close=1.0)
_ANSWERED: Final = aiohttp.ClientTimeout(total=5)
_WINDOW_S: Final = 1.0
"""CPU is measured over at least that long, as traffic is in real time."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a node was last heard to use."""

    sample: usage.Sample
    used: dict[usage.Place, usage.Usage]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is asked about one pod, or one container of it."""

    node: str
    url: URL

    def unreachable(self, error: Exception) -> ApiError:
        """It does not answer."""
        return refusals.unavailable(f"the node {self.node} cannot be reached: {error}")


class Nodes:
    """The nodes that the API knows. Every method raises ApiError."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._clock = LoopClock()
        self._known: dict[str, _Known] = {}
        self.passes = Passes(self._clock)
        """What a node knows our requests by."""

    async def logs(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """Answer with what a container of the pod printed, for as long as the client follows it."""
        place = self.place(pod, "containerLogs", request.query.get("container", ""))
        asked = {name: value for name, value in request.query.items() if name not in ("container", "pretty")}
        try:
            async with self._asking(place) as session, session.get(place.url, params=asked) as reply:
                if reply.status != 200:
                    raise _refusal(reply.status, (await reply.text()).strip())
                answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
                await answer.prepare(request)
                async for chunk in reply.content.iter_any():
                    await answer.write(chunk)
                return answer
        except (aiohttp.ClientConnectorError, TimeoutError) as error:
            raise place.unreachable(error) from error

    @asynccontextmanager
    async def command(
        self, place: "Place", asked: Sequence[tuple[str, str]]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """`exec` or `attach` in a container: its channels, as messages."""
        async with self._socket(place, asked, V5) as socket:
            yield socket

    @asynccontextmanager
    async def connection(self, place: "Place", port: int) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A connection to a port of a pod: what either end says, as messages; empty when the client has said all."""
        async with self._socket(place, [("port", str(port))]) as socket:
            yield socket

    @asynccontextmanager
    async def _socket(
        self, place: "Place", asked: Sequence[tuple[str, str]], *protocols: str
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self._asking(place) as session:
            try:
                socket = await session.ws_connect(
                    place.url.with_query(asked),
                    protocols=protocols,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=_HUNG_UP,
                )
            except aiohttp.WSServerHandshakeError as error:
                why = unquote(error.headers.get(REFUSED, "")) if error.headers else ""
                raise _refusal(error.status, why or error.message) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise place.unreachable(error) from error
            async with socket:
                yield socket

    def place(self, pod: Object, what: str, container: str) -> "Place":
        """Where to ask for something of a container of the pod."""
        return self._place(pod, what, container_of(pod, container))

    def ports_of(self, pod: Object) -> "Place":
        """Where to ask for connections to the pod."""
        return self._place(pod, "portForward")

    def _place(self, pod: Object, what: str, *of_pod: str) -> "Place":
        metadata, node_name = pod["metadata"], mapping(pod.get("spec")).get("nodeName")
        if not isinstance(node_name, str) or not node_name:
            raise refusals.bad_request(f"pod {metadata['name']} does not have a host assigned")
        path = "/".join(quote(part, safe="") for part in (what, metadata["namespace"], metadata["name"], *of_pod))
        url = f"{kubelet_url(self._registry.get(NODE, Key('', node_name)))}/{path}"
        return Place(node_name, URL(url, encoded=True))

    def _asking(self, place: "Place") -> aiohttp.ClientSession:
        """Asks as what we are."""
        own = {"Authorization": f"Bearer {self.passes.issue(place.node)}"}
        return aiohttp.ClientSession(timeout=_FOLLOWED, headers=own)

    async def pod_metrics(self, selection: Selection) -> Object:
        """What the selected pods use now: a PodMetricsList."""
        used: dict[usage.Place, usage.Usage] = {}
        for node in self._registry.select(NODE, Selection()):
            used |= await self._used(node)
        now = self._registry.now()
        pods = self._registry.select(POD, selection)
        told = (usage.pod_metrics(pod, used, now, _WINDOW_S) for pod in pods)
        return usage.listed("PodMetrics", (each for each in told if each is not None))

    async def node_metrics(self) -> Object:
        """What the nodes use now: a NodeMetricsList."""
        nodes = self._registry.select(NODE, Selection())
        used = [(node, await self._used(node)) for node in nodes]
        now = self._registry.now()
        told = (usage.node_metrics(node, each.values(), now, _WINDOW_S) for node, each in used)
        return usage.listed("NodeMetrics", told)

    async def _used(self, node: Object) -> dict[usage.Place, usage.Usage]:
        """What a node's containers used since it was last asked; what is known already if that was just now."""
        name = node["metadata"]["name"]
        known = self._known.get(name)
        if known is not None and self._clock.monotonic() - known.sample.at < _WINDOW_S:
            return known.used
        before = known.sample if known is not None else await self._sample(node)
        await self._clock.sleep(before.at + _WINDOW_S - self._clock.monotonic())
        after = await self._sample(node)
        self._known[name] = _Known(after, usage.usage_between(before, after))
        return self._known[name].used

    async def _sample(self, node: Object) -> usage.Sample:
        url = f"{kubelet_url(node)}/metrics"
        try:
            async with aiohttp.ClientSession(timeout=_ANSWERED) as session, session.get(url) as reply:
                reply.raise_for_status()
                return usage.sample_of(await reply.text(), self._clock.monotonic())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise refusals.unavailable(f"the node {node['metadata']['name']} cannot be asked: {error}") from error


def container_of(pod: Object, asked: str) -> str:
    """The container whose log is meant: the one asked for, or the only one. Raises InvalidError."""
    name, spec = pod["metadata"]["name"], mapping(pod.get("spec"))
    containers = [*mappings(spec.get("containers")), *mappings(spec.get("initContainers"))]
    known = [str(container.get("name")) for container in containers]
    if asked and asked not in known:
        raise refusals.bad_request(f"container {asked} is not valid for pod {name}")
    if not asked and len(known) != 1:
        raise refusals.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]"
        )
    return asked or known[0]


def kubelet_url(node: Object) -> str:
    """Where a node answers. Raises ApiError when it doesn't say."""
    addresses = mappings(at("status.addresses")(node))
    host = next((each.get("address") for each in addresses if each.get("type") == "InternalIP"), None)
    port = at("status.daemonEndpoints.kubeletEndpoint.Port")(node)
    if not isinstance(host, str) or not isinstance(port, int):
        raise refusals.unavailable(f"the node {node['metadata']['name']} doesn't say where it answers")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _refusal(code: int, message: str) -> ApiError:
    if code in (401, 403):
        return refusals.unavailable(f"the node does not take this API server for its own: {message}")
    if code == 404:
        return refusals.missing(message)
    return refusals.bad_request(message) if code < 500 else refusals.unavailable(message)
