"""The API server as a process of its own, with the address it found."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from meshsim.client.connection import Connection
from meshsim.client.kubeconfig import Kubeconfig

_FREE_PORTS = ("--port", "0", "--dashboard-port", "0")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves everybody on this machine."""

    process: asyncio.subprocess.Process
    url: str


@dataclass(frozen=True, slots=True)
class Secured:
    """A server as it is by default: over TLS, and only for who has its token."""

    process: asyncio.subprocess.Process
    kubeconfig: Path
    connection: Connection
    dashboard: str
    """`host:port`."""


@contextlib.asynccontextmanager
async def running_apiserver(*flags: str) -> AsyncIterator[Running]:
    """Start the server over plain HTTP on free ports; it is killed at the end if it still runs."""
    async with _started("--insecure-http", *flags) as (process, told):
        yield Running(process, f"http://{told['api']}")


@contextlib.asynccontextmanager
async def secured_apiserver(directory: Path, *flags: str) -> AsyncIterator[Secured]:
    """Start the server with its objects and credentials in a directory; it is killed at the end if it still runs."""
    async with _started("--data-dir", str(directory), *flags) as (process, told):
        kubeconfig = Path(told["kubeconfig"])
        connection = await asyncio.to_thread(Kubeconfig(kubeconfig).read)
        yield Secured(process, kubeconfig, connection, told["dashboard"])


@contextlib.asynccontextmanager
async def _started(*flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    reading, writing = os.pipe()
    command = ("-m", "meshsim.apiserver", *_FREE_PORTS, "--ready-fd", str(writing), *flags)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, pass_fds=[writing])
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            line = await asyncio.to_thread(pipe.readline)
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
