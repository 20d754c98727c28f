"""The logs of pods: asked of the node that runs them, and passed on line by line."""

from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import web

from meshsim.api.decode import Object
from meshsim.apiserver import refusals
from meshsim.apiserver.loose import at, mapping, mappings
from meshsim.client.api import ApiError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5)


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


async def pass_on_logs(request: web.Request, pod: Object, node: Object) -> web.StreamResponse:
    """Answer with what a container of the pod printed, for as long as the client follows it. Raises ApiError."""
    metadata = pod["metadata"]
    container = container_of(pod, request.query.get("container", ""))
    path = "/".join(quote(part, safe="") for part in (metadata["namespace"], metadata["name"], container))
    url = f"{kubelet_url(node)}/containerLogs/{path}"
    asked = {name: value for name, value in request.query.items() if name not in ("container", "pretty")}
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, session.get(url, params=asked) as reply:
            if reply.status != 200:
                raise _refusal(reply.status, (await reply.text()).strip())
            answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await answer.prepare(request)
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
            return answer
    except (aiohttp.ClientConnectorError, TimeoutError) as error:
        raise refusals.unavailable(f"the node {node['metadata']['name']} cannot be reached: {error}") from error


def _refusal(code: int, message: str) -> ApiError:
    if code == 404:
        return refusals.missing(message)
    return refusals.bad_request(message) if code < 500 else refusals.unavailable(message)
