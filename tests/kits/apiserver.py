"""The API server as a process of its own, with the address it found."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves."""

    process: asyncio.subprocess.Process
    url: str


@contextlib.asynccontextmanager
async def running_apiserver(*flags: str) -> AsyncIterator[Running]:
    """Start the server on free ports; it is killed at the end if it still runs."""
    reading, writing = os.pipe()
    ports = ("--port", "0", "--dashboard-port", "0")
    command = ("-m", "meshsim.apiserver", *ports, "--ready-fd", str(writing), *flags)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, pass_fds=[writing])
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            line = await asyncio.to_thread(pipe.readline)
        yield Running(process, f"http://{json.loads(line)['api']}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
