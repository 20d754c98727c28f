"""Serving pages: opening a port for an application, in one sentence when that fails."""

import contextlib
from dataclasses import dataclass

from aiohttp import web

from meshsim.kit.errors import StartError

_SHUTDOWN_S = 0.5


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


async def serve_pages(stack: contextlib.AsyncExitStack, app: web.Application, address: Address, name: str) -> str:
    """Serve until the stack closes; returns `host:port`. Raises StartError for a busy port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, address.host, address.port)
    try:
        await site.start()
    except OSError as error:
        raise cannot_listen(address, error, f" ({name})") from None
    ip, port = runner.addresses[0][:2]
    return f"{ip}:{port}"


def cannot_listen(address: Address, error: OSError, which: str = "") -> StartError:
    """The sentence for a port that cannot be opened."""
    return StartError(f"cannot listen on {address.host}:{address.port}{which}: {error.strerror or error}")
