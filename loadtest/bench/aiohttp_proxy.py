"""The proxy that anyone would write first: an aiohttp server, an aiohttp client, a weighted choice."""

import random
import sys
import uuid
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

_SESSION = web.AppKey("session", ClientSession)


def app_of(stable: tuple[int, ...], canary: tuple[int, ...]) -> web.Application:
    """Four requests of five go to a stable port."""

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(
            connector=TCPConnector(limit=0), timeout=ClientTimeout(15), auto_decompress=False
        ) as client:
            app[_SESSION] = client
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        port = random.choice(canary if random.randrange(100) < 20 else stable)
        headers = {**request.headers, "x-request-id": str(uuid.uuid4()), "x-forwarded-for": request.remote or ""}
        headers.pop("Connection", None)
        body = request.content if request.can_read_body else None
        url = f"http://127.0.0.1:{port}{request.rel_url}"
        async with request.app[_SESSION].request(request.method, url, headers=headers, data=body) as answer:
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            response.headers.pop("Connection", None)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    app = web.Application()
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


if __name__ == "__main__":
    port, *upstreams = (int(argument) for argument in sys.argv[1:])
    served = app_of(tuple(upstreams[:2]), tuple(upstreams[2:]))
    web.run_app(served, host="127.0.0.1", port=port, print=None, access_log=None)
