"""The upstreams of a routing recording: every workload of its world, in one process, as `backend_contract` says.

    python -m tests.conformance.backend RECORDING

Serves each workload on its address, and `GET /seen` on the control address (what arrived since the last look, by
workload). Writes the control address as JSON to `--ready-fd`.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import h11

from meshsim.kit.clock import LoopClock
from meshsim.kit.plane import Plane, add_plane_flags, run_plane
from tests.conformance.recordings import read_recording

Headers = list[tuple[str, str]]
_CHUNK: Final = 65536


class Workload:
    """One workload: answers what the request's x-lab headers ask for and remembers what it saw."""

    def __init__(self, name: str, failures: dict[str, int]) -> None:
        self.name = name
        self.seen: list[dict[str, Any]] = []
        self._failures = failures

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.ProtocolError):
            pass
        finally:
            writer.transport.abort()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request: h11.Request | None = None
        body_bytes = 0
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                if request is not None and _waits(connection, request):
                    writer.write(_sent(connection, h11.InformationalResponse(status_code=100, headers=[])))
                connection.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Data):
                body_bytes += len(event.data)
            elif not isinstance(event, h11.Request) or await self.plays(event, writer):
                return False
            else:
                request = event
        assert request is not None
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        seen = {
            "workload": self.name,
            "method": request.method.decode(),
            "path": request.target.decode("latin-1"),
            "version": "HTTP/1.1",
            "headers": headers,
            "body_len": body_bytes,
            "trailers": [],
        }
        self.seen.append(seen)
        await self._delay(headers)
        if _first(headers, "upgrade") and not _first(headers, "x-lab-noupgrade"):
            await self._echo(connection, reader, writer)
            return False
        status = self._status(headers)
        if status is None:
            return False
        for piece in _answer(connection, request.method, status, headers, seen, self.name):
            writer.write(piece)
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    async def plays(self, request: h11.Request, writer: asyncio.StreamWriter) -> bool:
        """Whether something else than an answer was written, after which the connection ends."""
        return False

    async def _echo(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Switch to a WebSocket that isn't one: what comes goes back behind `echo:`."""
        lines = [("upgrade", "websocket"), ("connection", "Upgrade"), ("x-backend", self.name)]
        writer.write(_sent(connection, h11.InformationalResponse(status_code=101, headers=lines)))
        data = connection.trailing_data[0] or await reader.read(_CHUNK)
        while data:
            writer.write(b"echo:" + data)
            data = await reader.read(_CHUNK)

    async def _delay(self, headers: Headers) -> None:
        asked = _mapped(headers, "x-lab-delay-on").get(self.name) or _first(headers, "x-lab-delay-ms")
        if asked:
            await LoopClock().sleep(int(asked) / 1000)

    def _status(self, headers: Headers) -> int | None:
        """The status to answer with; None to abort the connection."""
        if _first(headers, "x-lab-reset") in ("1", self.name):
            return None
        key, failures = _first(headers, "x-lab-key"), int(_first(headers, "x-lab-fail-n") or 0)
        if key and self._failures.get(key, 0) < failures:
            self._failures[key] = self._failures.get(key, 0) + 1
            wanted = _first(headers, "x-lab-fail-status") or "503"
            return None if wanted == "reset" else int(wanted)
        return int(_mapped(headers, "x-lab-status-on").get(self.name) or _first(headers, "x-lab-status") or 200)


def _waits(connection: h11.Connection, request: h11.Request) -> bool:
    """Whether the client waits for a 100, and gets it."""
    return connection.they_are_waiting_for_100_continue and (b"x-lab-no100", b"1") not in list(request.headers)


def _sent(connection: h11.Connection, event: h11.InformationalResponse) -> bytes:
    return connection.send(event) or b""


def _answer(
    connection: h11.Connection, method: bytes, status: int, headers: Headers, seen: dict[str, Any], name: str
) -> list[bytes]:
    size = _first(headers, "x-lab-resp-size")
    body = b"x" * int(size) if size else json.dumps(seen).encode()
    bodyless = status in (204, 304)
    extra = [(name, text) for key, value in headers if key == "x-lab-set" for name, _, text in [value.partition("=")]]
    lines = [
        ("server", "labserver"),
        ("x-backend", name),
        ("content-type", "application/json"),
        *([] if bodyless else [("content-length", str(len(body)))]),
        *extra,
    ]
    pieces = [connection.send(h11.Response(status_code=status, headers=lines, reason=b""))]
    if not bodyless and method != b"HEAD":
        pieces.append(connection.send(h11.Data(data=body)))
    pieces.append(connection.send(h11.EndOfMessage()))
    return [piece for piece in pieces if piece]


def _first(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key == name), "")


def _mapped(headers: Headers, name: str) -> dict[str, str]:
    """`a=1,b=2`."""
    return dict(pair.split("=", 1) for pair in _first(headers, name).split(",") if "=" in pair)


async def _serve(plane: Plane, world: dict[str, Any]) -> None:
    failures: dict[str, int] = {}
    workloads: list[Workload] = []
    servers: list[asyncio.Server] = []
    for given in world["workloads"]:
        if given.get("closed_port") or given.get("tcp_echo"):
            continue
        workload = Workload(given["name"], failures)
        workloads.append(workload)
        servers += [await asyncio.start_server(workload.serve, given["ip"], port) for port in ports_of(given, world)]

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(json.dumps({workload.name: workload.seen for workload in workloads}).encode() + b"\n")
            for workload in workloads:
                workload.seen = []
        writer.close()

    server = await asyncio.start_server(control, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    plane.ready({"control": f"{host}:{port}"})
    await plane.stopping.wait()
    for listening in (*servers, server):
        listening.close()


def ports_of(workload: dict[str, Any], world: dict[str, Any]) -> list[int]:
    """The ports that a workload listens on: the target ports of the Services that select it."""
    return sorted(
        {
            port["targetPort"]
            for service in world["services"]
            if selects(service, workload)
            for port in service["spec"]["ports"]
        }
    )


def selects(service: dict[str, Any], workload: dict[str, Any]) -> bool:
    """Whether a Service stands for a workload."""
    return service["metadata"]["namespace"] == workload["namespace"] and all(
        workload["labels"].get(key) == value for key, value in service["spec"]["selector"].items()
    )


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recording", type=Path)
    add_plane_flags(parser)
    flags = parser.parse_args(arguments)
    world = read_recording(flags.recording)["world"]
    return run_plane(lambda plane: _serve(plane, world), flags)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
