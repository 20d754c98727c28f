"""The processes that the demo starts beside the mesh: the load and the commands it types for you."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from meshsim.kit.errors import MeshsimError
from meshsim.load.samples import Sample

_COMMAND_S: Final = 20.0


class CommandFailedError(MeshsimError):
    """A command of the demo's failed; the message is its own."""


class LoadEndedError(MeshsimError):
    """The load ended by itself."""


class Load:
    """A running `meshsim load`, read sample by sample."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._decoder = msgspec.json.Decoder(Sample)
        self._is_stopping = False

    async def samples(self) -> AsyncIterator[Sequence[Sample]]:
        """The requests as they end, in the batches they come in, until `stop`. Raises LoadEndedError before that."""
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            yield [self._decoder.decode(line) for line in lines]
        if not self._is_stopping:
            assert self._process.stderr is not None
            words = (await self._process.stderr.read()).decode(errors="replace").strip()
            raise LoadEndedError(f"the load ended by itself: {words}")

    def stop(self) -> None:
        """Begin no more requests; `samples` ends when the last one has."""
        self._is_stopping = True
        _signal(self._process, signal.SIGTERM)


@asynccontextmanager
async def load(url: str, host: str, rps: float, seed: int | None) -> AsyncIterator[Load]:
    """Load on a host of the mesh for as long as the block lasts, from a process of its own.

    Drawing must not delay a request, nor a request the drawing.
    """
    arguments = ["load", "--url", url, "--host", host, "--rps", str(rps), "--duration", "24h", "-o", "jsonl"]
    arguments += [] if seed is None else ["--seed", str(seed)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshsim", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, process_group=0
    )
    try:
        yield Load(process)
    finally:
        _signal(process, signal.SIGKILL)
        await process.wait()


async def command(*arguments: str) -> str:
    """Run `meshsim` with these arguments, as a person would; returns what it printed. Raises CommandFailedError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshsim", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(_COMMAND_S):
            out, error = await process.communicate()
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()
        raise CommandFailedError(f"meshsim {' '.join(arguments)} did not end in {_COMMAND_S:g} s") from None
    if process.returncode:
        raise CommandFailedError(error.decode(errors="replace").strip().removeprefix("Error: "))
    return out.decode(errors="replace").strip()


def _signal(process: Process, number: signal.Signals) -> None:
    # Process.send_signal looks first whether it has ended, and would take its exit code from under the loop.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
