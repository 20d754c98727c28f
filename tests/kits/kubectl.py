"""The real kubectl, in each version that is installed here."""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshsim.api.decode import Object
from tests.kits.apiserver import Secured

KUBECTL = shutil.which("kubectl") or ""
"""Empty where there is none."""
needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl on this machine: the real client was NOT tried")


def oldest_and_newest() -> list[str]:
    """Of those that lie beside the kubectl that is found first, by name; that one where there are no others."""
    beside = sorted(str(path) for path in Path(KUBECTL).resolve().parent.glob("kubectl.1.*")) if KUBECTL else []
    return [beside[0], beside[-1]] if beside else [KUBECTL]


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str


class Kubectl:
    """A kubectl with a home and a kubeconfig of its own."""

    def __init__(self, server: Secured, home: Path, program: str = KUBECTL) -> None:
        self.server = server
        self.home = home
        self._program = program

    async def __call__(self, *arguments: str, stdin: Object | None = None, **env: str) -> str:
        """What the command prints; it must succeed."""
        run = await self.run(*arguments, stdin=stdin, **env)
        assert run.code == 0, (arguments, run)
        return run.out

    async def run(self, *arguments: str, stdin: Object | None = None, **env: str) -> Run:
        """Run the command to its end."""
        async with self.started(*arguments, **env) as process:
            async with asyncio.timeout(30):
                out, err = await process.communicate(json.dumps(stdin).encode() if stdin is not None else None)
        return Run(process.returncode or 0, out.decode(), err.decode())

    @contextlib.asynccontextmanager
    async def started(self, *arguments: str, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command that goes on until it is killed."""
        pipe = asyncio.subprocess.PIPE
        async with self._begun(*arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=env) as process:
            yield process

    @contextlib.asynccontextmanager
    async def at_terminal(self, terminal: int, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command at a terminal."""
        async with self._begun(*arguments, stdin=terminal, stdout=terminal, stderr=terminal, env={}) as process:
            yield process

    @contextlib.asynccontextmanager
    async def _begun(
        self, *arguments: str, stdin: int, stdout: int, stderr: int, env: Mapping[str, str]
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        own = {"HOME": str(self.home), "KUBECONFIG": str(self.server.kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            self._program, *arguments, stdin=stdin, stdout=stdout, stderr=stderr, env={**os.environ, **own, **env}
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
