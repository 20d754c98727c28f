"""What goes on between a client and a running pod: its logs, commands in it, its ports."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web

from meshsim.api.decode import Object
from meshsim.api.kinds import POD
from meshsim.apiserver import refusals
from meshsim.apiserver.pods.nodes import Nodes
from meshsim.apiserver.pods.port_forward import forward_ports
from meshsim.apiserver.pods.remote_command import check_upgrade, pass_on, wanted_of
from meshsim.apiserver.registry import Registry
from meshsim.apiserver.requests.paths import Target

Verb = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]


class PodStreams:
    """Serves the subresources of pods that are no objects. Every verb raises ApiError."""

    def __init__(self, registry: Registry, nodes: Nodes) -> None:
        self._registry = registry
        self._nodes = nodes
        self.verbs: Mapping[tuple[str, str], Verb] = {
            ("GET", "log"): self._logs,
            ("GET", "portforward"): self._forward_ports,
            ("POST", "portforward"): self._forward_ports,
            ("GET", "exec"): self._command,
            ("POST", "exec"): self._command,
            ("GET", "attach"): self._command,
            ("POST", "attach"): self._command,
            ("GET", "ephemeralcontainers"): self._no_ephemeral_containers,
            ("PATCH", "ephemeralcontainers"): self._no_ephemeral_containers,
            ("PUT", "ephemeralcontainers"): self._no_ephemeral_containers,
        }
        """By method and subresource."""

    async def _logs(self, request: web.Request, target: Target) -> web.StreamResponse:
        return await self._nodes.logs(request, self._pod(target))

    async def _command(self, request: web.Request, target: Target) -> web.StreamResponse:
        wanted, query, verb = wanted_of(request.query), request.query, target.subresource
        place = self._nodes.place(self._pod(target), verb, query.get("container", ""))
        words = query.getall("command", []) if verb == "exec" else []
        if verb == "exec" and not words:
            raise refusals.bad_request("a command must be specified")
        # Nothing is started for a client that could not hear of it.
        check_upgrade(request)
        async with self._nodes.command(place, [*wanted.of_node, *(("command", word) for word in words)]) as node:
            return await pass_on(request, wanted, node)

    async def _forward_ports(self, request: web.Request, target: Target) -> web.StreamResponse:
        pod = self._pod(target)
        if not (pod.get("status") or {}).get("podIP"):
            raise refusals.bad_request(f"pod {target.name} does not run yet")
        return await forward_ports(request, partial(self._nodes.connection, self._nodes.ports_of(pod)))

    async def _no_ephemeral_containers(self, _request: web.Request, target: Target) -> web.StreamResponse:
        self._pod(target)
        raise refusals.missing("ephemeral containers are not emulated; try kubectl exec, or kubectl debug --copy-to")

    def _pod(self, target: Target) -> Object:
        return self._registry.get(POD, target.key)
