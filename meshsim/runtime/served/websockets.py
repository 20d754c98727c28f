"""What the node's WebSockets have in common: how they are refused, opened and kept."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from meshsim.api.channels import REFUSED
from meshsim.kit.clock import LoopClock

BEAT_S: Final = 5.0
"""How often a client that says nothing is tried."""
_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024


def is_wanted(request: web.Request) -> bool:
    """Whether the request asks for a WebSocket."""
    return web.WebSocketResponse().can_prepare(request).ok


def refusal(code: int, why: str) -> web.Response:
    """An answer that says no."""
    return web.Response(status=code, text=why, headers={REFUSED: quote(why)})


async def opened(request: web.Request, *protocols: str) -> web.WebSocketResponse:
    """The WebSocket that the request asks for; it speaks the first of its client's protocols that is among these."""
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=_MAX_MESSAGE_BYTES, compress=False)
    await socket.prepare(request)
    return socket


async def beat(socket: web.WebSocketResponse, beat_s: float) -> None:
    """Until nothing can be sent: of a machine that has gone nobody hears."""
    clock = LoopClock()
    try:
        while True:
            await clock.sleep(beat_s)
            await socket.ping()
    except ConnectionError:
        return
