"""`meshsim proxy` on the wire, against what real Envoy under istiod's configuration did with the same bytes.

    python -m tests.conformance.protocol [FILE…]

Without FILE, the recording that is kept here. Every case is sent as it stands over a connection of its own to a
proxy that runs as a child process; upstream faults are played by an upstream that writes the recorded bytes.
What is here only translates: every decision is the proxy's. Disagreements are printed one by one, deliberate ones
with their line of docs/fidelity.md; the last line is `N of M`. A case that is not understood has failed. The exit
code is 0 when only deliberate differences are left.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.conformance.cases import tell
from tests.conformance.protocol_faults import Fault, FaultyWorkload, fault_disagreements, request_for
from tests.conformance.protocol_reply import Reply, reply_of
from tests.conformance.recordings import read_recording
from tests.conformance.routing import Child, child

RECORDING: Final = Path(__file__).with_name("protocol_cases.json.xz")
_WATCH_S: Final = 1.3
"""How long the recording watched a connection."""
_FIRST_BYTE_S: Final = 10.0
_CONFIGURATION: Final = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: default}
spec:
  servers: [{hosts: ["*"], port: {number: 80, name: http, protocol: HTTP}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.example.com]
  gateways: [gateway]
  http:
  - match: [{uri: {prefix: /tiny}}]
    directResponse: {status: 200, body: {string: ok}}
  - match: [{uri: {prefix: /slowbody}}]
    timeout: 0.4s
    route: [{destination: {host: reviews, port: {number: 9080}}}]
  - route: [{destination: {host: reviews, port: {number: 9080}}}]
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {name: reviews, namespace: default, labels: {kubernetes.io/service-name: reviews}}
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.0.1], conditions: {ready: true}}]
"""


class Scene:
    """A proxy before an upstream, and what it logged."""

    def __init__(self, proxy: Child, workload: FaultyWorkload) -> None:
        host, _, port = proxy.addresses["listener/80"].rpartition(":")
        self._address = host, int(port)
        self._proxy = proxy
        self._logged: list[dict[str, Any]] = []
        self._reading = asyncio.Lock()
        self.workload = workload

    async def exchange(self, raw: bytes, log_lines: int) -> tuple[Reply, list[dict[str, Any]]]:
        """Send bytes, watch the connection for as long as the recording did, and leave."""
        reader, writer = await asyncio.open_connection(*self._address)
        peer = "{}:{}".format(*writer.get_extra_info("sockname"))
        writer.write(raw)
        received, is_closed = await _watched(reader)
        writer.close()
        log = await self._log_of(peer, log_lines)
        return reply_of(received, is_head=raw.startswith(b"HEAD "), is_closed=is_closed), log

    async def _log_of(self, peer: str, wanted: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(_WATCH_S * 4):
            while len(found := self._lines_of(peer)) < wanted:
                async with self._reading:
                    if len(self._lines_of(peer)) < wanted:
                        self._logged.append(await self._proxy.log_line())
        return found

    def _lines_of(self, peer: str) -> list[dict[str, Any]]:
        return [line for line in self._logged if line["downstream_remote_address"] == peer]


async def _watched(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """What comes until nothing has come for as long as the recording watched, and whether the connection ended."""
    received = b""
    with suppress(TimeoutError, ConnectionError):
        while True:
            # On a busy machine the first of it takes a while.
            async with asyncio.timeout(_WATCH_S if received else _FIRST_BYTE_S):
                data = await reader.read(2**16)
            if not data:
                return received, True
            received += data
    return received, reader.exception() is not None


Played = Callable[[], Awaitable[list[str]]]


async def replay(recording: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every case and every upstream fault of a recording, by id, with what disagrees.

    All are played at once; what disagrees then is played once more with the proxy to itself, because a busy machine may
    bring a piece of an answer later than the recording watched.
    """
    cases, faults = recording.get("cases", []), recording.get("upstream_faults", [])
    async with _scene(faults) as scene:
        plays: dict[str, Played] = {id_of(case["name"]): partial(_play_case, scene, case) for case in cases}
        plays |= {id_of(fault["path"]): partial(_play_fault, scene, fault) for fault in faults}
        found = await asyncio.gather(*(_outcome(play) for play in plays.values()))
        outcomes = dict(zip(plays, found, strict=True))
        for id_ in [id_ for id_, problems in outcomes.items() if problems]:
            scene.workload.played.clear()
            outcomes[id_] = await _outcome(plays[id_])
    return outcomes


async def _outcome(play: Played) -> list[str]:
    try:
        return await play()
    except Exception as error:  # noqa: BLE001 - a case that cannot be played is one that disagrees
        return [f"{type(error).__name__}: {error}"]


@asynccontextmanager
async def _scene(faults: list[Fault]) -> AsyncIterator[Scene]:
    workload = FaultyWorkload("reviews-v1", faults)
    server = await asyncio.start_server(workload.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        objects = Path(folder) / "objects.yaml"
        objects.write_text(_CONFIGURATION.replace("PORT", str(port)))
        flags = ("--port", "0", "--admin-port", "0", "--stats-port", "0", "--listen", "80=127.0.0.1:0")
        async with child(
            "meshsim.proxy", "-f", str(objects), *flags, "--role", "gateway", "--access-log", "json", log=True
        ) as proxy:
            yield Scene(proxy, workload)
    server.close()


def id_of(name: str) -> str:
    """The id of a case: its name in one word."""
    return re.sub(r"[^\w./+*]+", "-", name).strip("-")


async def _play_fault(scene: Scene, fault: Fault) -> list[str]:
    reply, log = await scene.exchange(request_for(fault), 1)
    attempts = scene.workload.played.count(fault["path"])
    return list(fault_disagreements(fault, reply, log, attempts))


async def _play_case(scene: Scene, case: Mapping[str, Any]) -> list[str]:
    raw = re.sub(r"<<(.)\*(\d+)>>", lambda found: found[1] * int(found[2]), case["raw_request"])
    reply, log = await scene.exchange(raw.encode("latin-1"), len(case["access_log"]))
    return list(_disagreements(case, reply, log))


def _disagreements(case: Mapping[str, Any], reply: Reply, log: list[dict[str, Any]]) -> Iterator[str]:
    if reply.status != case["status"]:
        yield f"status {reply.status}, not {case['status']}"
    if reply.is_closed is not case["connection_closed_by_proxy_within_1.3s"]:
        yield "closed" if reply.is_closed else "not closed"
    logged = [
        {"code": line["response_code"], "flags": line["response_flags"], "details": line["response_code_details"]}
        for line in log
    ]
    if logged != case["access_log"]:
        yield f"logged {json.dumps(logged)}, not {json.dumps(case['access_log'])}"
    found, wanted = _comparable(reply.headers), _comparable(case["response_headers"])
    if found != wanted:
        yield f"headers {found}, not {wanted}"
    yield from _body_disagreements(case, reply)


_VARIES: Final = ("x-request-id", "x-envoy-upstream-service-time", "x-forwarded-for")


def _comparable(headers: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Headers in any order, without what differs from one run to the next."""
    upstream = any(name == "x-backend" for name, _ in headers)
    varies = (*_VARIES, "content-length") if upstream else _VARIES
    return sorted((name, "*" if name in varies else value) for name, value in headers if name != "date")


def _body_disagreements(case: Mapping[str, Any], reply: Reply) -> Iterator[str]:
    if not reply.values("x-backend") or reply.status == 101:
        if _undated(reply.rest) != _undated(case["body"].encode("latin-1")):
            yield f"body {reply.rest!r}, not {case['body']!r}"
        return
    if not reply.is_whole:
        yield "the body is not whole"
    wanted = case["upstream_saw"]
    if wanted is None:
        return
    saw = json.loads(reply.payload)
    for key, value in wanted.items():
        if key == "headers":
            if _comparable(saw[key]) != _comparable(value):
                yield f"the upstream saw {_comparable(saw[key])}, not {_comparable(value)}"
        elif saw.get(key) != value:
            yield f"the upstream saw {key} {saw.get(key)!r}, not {value!r}"


def _undated(text: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*\r\n", b"", text)


def main(arguments: Sequence[str]) -> int:
    """Replay and count; returns the exit code."""
    files = [Path(argument) for argument in arguments] or [RECORDING]
    replayed = (asyncio.run(replay(read_recording(file))) for file in files)
    return 0 if tell((outcome for outcomes in replayed for outcome in outcomes.items()), sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
