"""Integration tests of one attempt of a probe, over real sockets."""

import asyncio

import pytest

from meshsim.api.core import Container, HttpGet, Probe
from meshsim.runtime.containers.containers import Sandbox
from meshsim.runtime.containers.probes import Probed, attempt
from tests.kits.containers import ScriptedContainer

pytestmark = pytest.mark.asyncio


async def test_a_server_that_does_not_answer_in_time_is_told_of_in_the_kubelets_words() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        probed = Probed(Container("web"), Sandbox("127.0.0.1", {8080: port}), ScriptedContainer())
        problem = await attempt(Probe(http_get=HttpGet(8080, "/up")), probed)
    late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert problem == f'Get "http://127.0.0.1:8080/up": {late}'
