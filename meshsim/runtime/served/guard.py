"""Who may run programs on this node and read what they print: the API server alone.

With every such request it sends a pass that it has just made. The node asks the API whether it did, by a TokenReview,
as a kubelet does: so nothing secret is kept or shared, and what the API lets nobody else say, nobody else can say here.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.client.api import Api, ApiError
from meshsim.kit.foreign import foreign_reason

_TOKEN_REVIEW: Final = Kind("authentication.k8s.io", ("v1",), "TokenReview", "tokenreviews", namespaced=False)
_CONTAINER_HOSTS: Final = ("host.docker.internal", "host.containers.internal")
"""What this machine is called in its containers: a Prometheus there scrapes it by this name."""

Admits = Callable[[str], Awaitable[bool]]
"""Whether a pass is one of the API server's. Raises ApiError when that cannot be asked."""


def passes_of(api: Api, node: str) -> Admits:
    """Asks the API whether a pass is its own, and for this node."""

    async def admits(token: str) -> bool:
        audience = audience_of(node)
        review: Object = {
            "apiVersion": _TOKEN_REVIEW.api_version,
            "kind": _TOKEN_REVIEW.kind,
            "metadata": {},
            "spec": {"token": token, "audiences": [audience]},
        }
        status = (await api.create(_TOKEN_REVIEW, review)).get("status") or {}
        return status.get("authenticated") is True and audience in (status.get("audiences") or ())

    return admits


def audience_of(node: str) -> str:
    """Whom a pass for a node is meant for."""
    return f"node/{node}"


def guarded(handler: Handler, admits: Admits) -> Handler:
    """The handler, for requests with a pass alone."""

    async def handle(request: web.Request) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() == "bearer" and await admits(token.strip()):
                return await handler(request)
        except ApiError as error:
            return web.Response(status=503, text=f"the API server cannot be asked whose request this is: {error}")
        return web.Response(status=401, text="this is for the API server alone: ask it")

    return handle


def refuse_foreign(allowed: Collection[str] = _CONTAINER_HOSTS) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware that keeps out what a web page elsewhere has a browser send, across sites or by another name."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        reason = foreign_reason(headers.get("Host", ""), headers.get("Origin", ""), allowed)
        return web.Response(status=403, text=reason) if reason else await handler(request)

    return refuse
