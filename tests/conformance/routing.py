"""`meshsim proxy` against recorded answers of real Envoy under istiod's configuration.

    python -m tests.conformance.routing [FILE…]

Without FILE, the recording that lies beside the repository. Beside this module lie two more: answers to random
configurations (`routing_recorded.json.xz`) and what the specification says beyond them (`routing_more.json`). Each
configuration runs in a proxy of its own, as a child process; its cases are sent over sockets, and the upstreams of
the recording's world are a real process too. What is here only translates: every decision is the proxy's.
Disagreements are printed one by one, deliberate ones with their line of docs/fidelity.md; the last line is `N of M`.
A case that is not understood has failed. The exit code is 0 when only deliberate differences are left.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from meshsim.kit.clock import LoopClock
from tests.conformance.cases import tell
from tests.conformance.recordings import read_recording
from tests.conformance.routing_expect import Outcome, Response, Seen, disagreements
from tests.conformance.routing_world import Config, manifests, port_of, proxy_arguments
from tests.kits.processes import REPOSITORY
from tests.kits.shared import shared

RECORDING: Final = "vectors/istio/routing_cases.json"
_REQUEST_KEYS: Final = frozenset(
    ("host", "path", "method", "headers", "body", "port", "repeat", "settle_s", "parallel")
)
_WAIT_S: Final = 15.0
_PROXIES_AT_ONCE: Final = 2
_RQ_TOTAL: Final = re.compile(r"^envoy_cluster_upstream_rq_total\{[^}]*\} (\d+)$", re.MULTILINE)


@asynccontextmanager
async def child(module: str, *arguments: str, log: bool = False) -> AsyncIterator["Child"]:
    """`python -m module` once it is ready, with the addresses it told."""
    ready_fd, child_fd = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, "--ready-fd", str(child_fd),
        pass_fds=(child_fd,), cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if log else None,
    )  # fmt: skip
    os.close(child_fd)
    try:
        async with asyncio.timeout(_WAIT_S):
            told = await asyncio.to_thread(os.read, ready_fd, 65536)
        if not told:
            raise RuntimeError(f"{module} ended before it served")
        yield Child(process, json.loads(told))
    finally:
        os.close(ready_fd)
        if process.returncode is None:
            process.kill()
        await process.wait()


class Child:
    """A running process of ours."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self._process = process

    async def log_line(self) -> dict[str, Any]:
        """The next line of its access log."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_WAIT_S):
            line: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return line


class Upstreams:
    """The process that stands for every workload, asked what arrived."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def seen(self) -> Seen:
        """What arrived since the last look."""
        self._writer.write(b"\n")
        seen: Seen = json.loads(await self._reader.readuntil())
        return {workload: requests for workload, requests in seen.items() if requests}

    def close(self) -> None:
        """Look no more."""
        self._writer.close()


class Client:
    """One keep-alive connection to a listener."""

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection, opened if it isn't."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=2**20)
        return self._streams

    async def send(self, request: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        """Send a request as the recording describes it and read the response."""
        reader, writer = await self.open()
        method = request.get("method") or "GET"
        body = str(request.get("body") or "").encode()
        lines = [f"{method} {request.get('path') or '/'} HTTP/1.1", f"host: {request['host']}"]
        lines += [f"{name}: {value}" for name, value in request.get("headers") or []]
        if body:
            lines.append(f"content-length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        async with asyncio.timeout(_WAIT_S):
            status, headers = await _head(reader)
            while status < 200:
                status, headers = await _head(reader)
            text = await _body(reader, status, headers, method)
        if headers.get("connection") == "close":
            self.close()
        return status, headers, text

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return int(lines[0].split(" ")[1]), headers


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str], method: str) -> str:
    if method == "HEAD" or status in (204, 304):
        return ""
    if headers.get("transfer-encoding") == "chunked":
        pieces: list[bytes] = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            pieces.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        return b"".join(pieces).decode("latin-1")
    return (await reader.readexactly(int(headers.get("content-length") or 0))).decode("latin-1")


async def _timed(client: Client, request: dict[str, Any]) -> tuple[float, tuple[int, dict[str, str], str]]:
    started = time.monotonic()
    answer = await client.send(request)
    return time.monotonic() - started, answer


class Scene:
    """One configuration, running."""

    def __init__(self, config: Config, proxy: Child, upstreams: Upstreams) -> None:
        self._config = config
        self._proxy = proxy
        self._upstreams = upstreams
        self._clients: dict[int, Client] = {}
        self._arrived: Seen = {}

    async def play(self, case: dict[str, Any]) -> list[str]:
        """Play a case; what disagrees, in words."""
        request, expect = case["request"], case["expect"]
        unknown = [key for key in request if key not in _REQUEST_KEYS]
        if unknown:
            return [f"the request's {unknown} is not understood"]
        before = await self._attempts() if "attempts" in expect else 0
        responses: list[Response] = []
        for _ in range(request.get("repeat") or 1):
            responses += await self._respond(request)
        await LoopClock().sleep(request.get("settle_s") or 0)
        after = await self._attempts() if "attempts" in expect else 0
        await self._look()
        arrived, self._arrived = self._arrived, {}
        outcome = Outcome(responses, arrived, after - before)
        return list(disagreements(expect, outcome))

    async def _respond(self, request: dict[str, Any]) -> list[Response]:
        number = port_of(request, self._config)
        address = self._proxy.addresses[f"listener/{number}"]
        beside = int(request.get("parallel") or 1)
        if beside == 1:
            return await self._responses([self._clients.setdefault(number, Client(address))], request)
        clients = [Client(address) for _ in range(beside)]
        for client in clients:
            await client.open()
        responses = await self._responses(clients, request)
        for client in clients:
            client.close()
        return responses

    async def _responses(self, clients: Sequence[Client], request: dict[str, Any]) -> list[Response]:
        """What clients that ask beside one another are answered, each with a line of the log that has its status.

        What limits leave to them depends on whether the first still waits for a connection: it has one by then.
        """
        first = asyncio.gather(_timed(clients[0], request))
        if len(clients) > 1:
            await self._under_way(first)
        others = asyncio.gather(*(_timed(client, request) for client in clients[1:]))
        seen = [*await first, *await others]
        lines = [await self._proxy.log_line() for _ in seen]
        responses = []
        for elapsed_s, (status, headers, body) in seen:
            line = next((line for line in lines if int(line["response_code"]) == status), lines[0])
            lines.remove(line)
            responses.append(Response(status, headers, body, elapsed_s, line))
        return responses

    async def _under_way(self, request: "asyncio.Future[Any]") -> None:
        """Wait until an upstream has a request, or its client an answer."""
        while not self._arrived and not request.done():
            await self._look()

    async def _look(self) -> None:
        for workload, requests in (await self._upstreams.seen()).items():
            self._arrived.setdefault(workload, []).extend(requests)

    async def _attempts(self) -> int:
        client = Client(self._proxy.addresses["stats"])
        _, _, text = await client.send({"host": "stats", "path": "/stats/prometheus"})
        client.close()
        return sum(map(int, _RQ_TOTAL.findall(text)))

    def close(self) -> None:
        """Close its connections."""
        for client in self._clients.values():
            client.close()


async def replay(file: Path, recording: dict[str, Any]) -> dict[str, list[str]]:
    """Every case of a recording, which was read from that file, by id, with what disagrees."""
    configs, cases = recording["configs"], recording["cases"]
    outcomes: dict[str, list[str]] = {case["id"]: ["not played"] for case in cases}
    by_config: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        by_config.setdefault(case["config"], []).append(case)
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(child("tests.conformance.backend", str(file)))
        host, _, port = backend.addresses["control"].rpartition(":")
        upstreams = Upstreams(*await asyncio.open_connection(host, int(port), limit=2**26))
        stack.callback(upstreams.close)
        # The next proxy starts while the cases of this one are played, one after the other.
        playing, starting = asyncio.Lock(), asyncio.Semaphore(_PROXIES_AT_ONCE)

        async def play_all(name: str) -> None:
            config, own = configs[name], by_config[name]
            async with starting, _proxy(config, recording["world"], own) as proxy, playing:
                scene = Scene(config, proxy, upstreams)
                for case in own:
                    outcomes[case["id"]] = await _told(scene, case)
                scene.close()

        results = await asyncio.gather(*(play_all(name) for name in by_config), return_exceptions=True)
    for name, result in zip(by_config, results, strict=True):
        if isinstance(result, Exception):
            outcomes |= {case["id"]: [repr(result)] for case in by_config[name]}
    return outcomes


@asynccontextmanager
async def _proxy(config: Config, world: dict[str, Any], cases: list[dict[str, Any]]) -> AsyncIterator[Child]:
    with tempfile.TemporaryDirectory() as folder:
        mesh = Path(folder) / "mesh.yaml"
        objects = Path(folder) / "objects.yaml"
        objects.write_text(manifests(config, world))
        arguments = proxy_arguments(config, (port_of(case["request"], config) for case in cases))
        if config.get("mesh"):
            mesh.write_text(config["mesh"])
            arguments += ["--mesh-config", str(mesh)]
        async with child("meshsim.proxy", "-f", str(objects), *arguments, log=True) as proxy:
            yield proxy


async def _told(scene: Scene, case: dict[str, Any]) -> list[str]:
    try:
        return await scene.play(case)
    except Exception as error:  # noqa: BLE001 - a case that cannot be played has failed
        return [f"{type(error).__name__}: {error}"]


def main(arguments: Sequence[str]) -> int:
    """Replay and count; returns the exit code."""
    files = [Path(argument) for argument in arguments] or [shared(RECORDING)]
    replayed = (asyncio.run(replay(file, read_recording(file))) for file in files)
    return 0 if tell((outcome for outcomes in replayed for outcome in outcomes.items()), sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
