"""Worker processes: their start and end, and what their pages say."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Final

from meshsim.http1.errors import MessageError
from meshsim.http1.memo import response_heads
from meshsim.proxy.server import LISTEN_SIGNAL

_PAGE_TIMEOUT_S: Final = 5.0


class Worker:
    """A running worker and where its pages are. It ends when the lifeline closes, however its parent went."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, str], lifeline: int) -> None:
        self.process = process
        self.addresses = addresses
        self._lifeline = lifeline

    def listen(self) -> None:
        """Let one that stands by take connections."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(LISTEN_SIGNAL)

    async def ended(self) -> int:
        """Wait for its end; returns the exit code."""
        code = await self.process.wait()
        os.close(self._lifeline)
        return code


async def start_worker(arguments: Sequence[str], fds: Sequence[int]) -> Worker | None:
    """Start one and wait until it serves; None when it ends before that."""
    ready, told = os.pipe()
    lifeline, held = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshsim.proxy", *arguments,
        "--ready-fd", str(told), "--lifeline-fd", str(lifeline), pass_fds=(told, lifeline, *fds),
    )  # fmt: skip
    os.close(told)
    os.close(lifeline)
    try:
        line = await asyncio.to_thread(_line_of, ready)
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        os.close(held)
        raise
    if not line:
        await process.wait()
        os.close(held)
        return None
    return Worker(process, json.loads(line), held)


def _line_of(fd: int) -> str:
    with os.fdopen(fd) as pipe:
        return pipe.readline()


async def asked(address: str, method: str, target: str) -> tuple[int, str] | None:
    """What a process of ours answers on its admin address: status and text; None when it doesn't."""
    ip, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_PAGE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(ip, int(port))
            try:
                writer.write(f"{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n".encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
        head = response_heads().read(answer)
    except (OSError, TimeoutError, MessageError):
        return None
    if head is None or len(answer) != head.size + head.fields.length:
        return None
    return head.status, answer[head.size :].decode()
