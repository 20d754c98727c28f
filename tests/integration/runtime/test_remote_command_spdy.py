"""Integration tests of what kubectl before 1.31 speaks: SPDY on a connection that was upgraded."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from meshsim.apiserver.pods.spdy import Closed, Data, Event, SpdyConnection
from tests.kits.cluster import Cluster, running_cluster
from tests.kits.eventually import eventually
from tests.kits.spdy import SpdyClient, data

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])]

POD = "/api/v1/namespaces/default/pods/web"
ERROR, STDIN, STDOUT = 1, 3, 5


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with running_cluster() as cluster:
        await cluster.pod("web", {"name": "web", "image": "web:v1", "command": ["sleep", "1000"]})
        yield cluster


class Upgraded:
    """A client's end of an upgraded connection."""

    def __init__(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.client = SpdyClient()
        self.writer = writer
        self._reader = reader
        self._spdy = SpdyConnection()
        self._told: list[Event] = []

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def said(self, stream: int) -> bytes:
        """All that comes on a stream until it ends."""
        async with asyncio.timeout(10):
            while Closed(stream, reset=False) not in self._told:
                received = await self._reader.read(65536)
                assert received, self._told
                self._told += self._spdy.receive(received)
        return b"".join(each.data for each in self._told if isinstance(each, Data) and each.stream == stream)


@asynccontextmanager
async def upgraded(cluster: Cluster, path: str, *protocols: str) -> AsyncIterator[Upgraded]:
    """Ask as kubectl does."""
    host = urlsplit(cluster.url).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0"]
    lines += [f"X-Stream-Protocol-Version: {protocol}" for protocol in protocols]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    try:
        async with asyncio.timeout(10):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield Upgraded(head, reader, writer)
    finally:
        writer.close()


def opened(client: SpdyClient, *kinds: str) -> list[bytes]:
    return [client.open(1 + 2 * number, streamtype=kind) for number, kind in enumerate(kinds)]


async def test_a_command_reads_what_is_sent_until_it_ends_and_its_exit_code_is_told(cluster: Cluster) -> None:
    asked = f"{POD}/exec?command=sh&command=-c&command=cat%3Bexit%204&stdin=true&stdout=true"
    async with upgraded(cluster, asked, "v5.channel.k8s.io", "v4.channel.k8s.io") as shell:
        assert shell.head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
        assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in shell.head
        sent = b"x" * 300_000
        shell.send(*opened(shell.client, "error", "stdin", "stdout"))
        for start in range(0, len(sent), 30_000):
            shell.send(data(STDIN, sent[start : start + 30_000]))
        shell.send(data(STDIN, b"", flags=1))
        assert await shell.said(STDOUT) == sent
        status = json.loads(await shell.said(ERROR))
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "4"}]


async def test_a_stream_that_nobody_asked_for_is_reset(cluster: Cluster) -> None:
    async with upgraded(cluster, f"{POD}/exec?command=true&stdout=true", "v4.channel.k8s.io") as shell:
        shell.send(*opened(shell.client, "error", "nosuch", "stdout"))
        assert json.loads(await shell.said(ERROR))["status"] == "Success"


async def test_a_client_that_knows_none_of_the_protocols_is_told_which_there_are(cluster: Cluster) -> None:
    async with upgraded(cluster, f"{POD}/exec?command=true&stdout=true", "v1.channel.k8s.io") as refused:
        assert refused.head.startswith("HTTP/1.1 403 Forbidden\r\n")
    async with upgraded(cluster, f"{POD}/portforward") as refused:
        assert refused.head.startswith("HTTP/1.1 403 Forbidden\r\n")


async def test_a_client_that_speaks_nonsense_is_hung_up_on(cluster: Cluster) -> None:
    async with upgraded(cluster, f"{POD}/exec?command=cat&stdin=true", "v4.channel.k8s.io") as shell:
        shell.send(b"\xff" * 4096)
        shell.writer.write_eof()
        with pytest.raises(AssertionError):
            await shell.said(ERROR)


async def test_a_client_that_leaves_before_it_has_opened_its_streams_is_hung_up_on(cluster: Cluster) -> None:
    async with upgraded(cluster, f"{POD}/exec?command=cat&stdin=true", "v4.channel.k8s.io") as shell:
        shell.writer.write_eof()
        with pytest.raises(AssertionError):
            await shell.said(ERROR)


async def test_connections_reach_the_pods_port_and_those_the_client_gives_up_are_closed(cluster: Cluster) -> None:
    opened = closed = 0

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened, closed
        opened += 1
        try:
            while received := await reader.read(65536):
                writer.write(received.upper())
        except ConnectionError:
            return
        finally:
            closed += 1
            writer.close()

    server = await asyncio.start_server(echo, (await cluster.pod_ip("web")), 0)
    port = str(server.sockets[0].getsockname()[1])
    async with server, upgraded(cluster, f"{POD}/portforward", "portforward.k8s.io") as forward:
        for request in ("0", "1"):
            first = 4 * int(request)
            for stream, kind in ((first + 1, "error"), (first + 3, "data")):
                forward.send(forward.client.open(stream, streamtype=kind, port=port, requestid=request))
        forward.send(data(3, b"hello"), data(3, b"", flags=1))
        assert await forward.said(3) == b"HELLO"
        await eventually(lambda: opened == 2)
        forward.send(b"\x80\x03\x00\x03\x00\x00\x00\x08" + (7).to_bytes(4) + (5).to_bytes(4))
        await eventually(lambda: closed == 2, within_s=10)
        assert await forward.said(5) == b""


async def test_a_connection_that_a_pod_does_not_take_is_said_to_the_client(cluster: Cluster) -> None:
    with socket.socket() as nobodys:
        nobodys.bind((await cluster.pod_ip("web"), 0))
        port = str(nobodys.getsockname()[1])
        async with upgraded(cluster, f"{POD}/portforward", "portforward.k8s.io") as forward:
            for stream, kind in ((1, "error"), (3, "data")):
                forward.send(forward.client.open(stream, streamtype=kind, port=port, requestid="0"))
            assert (await forward.said(1)).startswith(f"cannot reach port {port}: [Errno 111]".encode())
            assert await forward.said(3) == b""
