"""An upstream that answers as the recording of upstream faults says, and what a client then has to see."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import h11

from meshsim.kit.clock import LoopClock
from tests.conformance.backend import Workload
from tests.conformance.protocol_reply import Reply

Fault = Mapping[str, Any]
"""An entry of `upstream_faults`."""


@dataclass(frozen=True, slots=True)
class Script:
    """What an upstream writes once it has a request's head, with pauses in seconds; then it closes, or resets."""

    parts: tuple[bytes | float, ...]
    resets: bool = False


_OK: Final = b"HTTP/1.1 200 OK\r\n"
_TOLD_IN_PROSE: Final[Mapping[str, Script]] = {
    "/manyhdr": Script((_OK + b"".join(b"x-%d: 1\r\n" % n for n in range(150)) + b"content-length: 0\r\n\r\n",)),
    "/bighdr": Script((_OK + b"x-big: " + b"a" * 70000 + b"\r\ncontent-length: 2\r\n\r\nok",)),
    "/close": Script(()),
    "/rst": Script((), resets=True),
    "/trail": Script((_OK + b"transfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",)),
    "/103": Script((b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + _OK + b"content-length: 2\r\n\r\nok",)),
    "/case": Script(
        (
            b"HTTP/1.1 200 Fine Reason\r\nX-CamelCase: Yes\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: nginx\r\n"
            b"Via: 1.1 x\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nx-envoy-upstream-service-time: 999\r\n"
            b"content-length: 2\r\n\r\nok",
        )
    ),
    "/slowbody": Script((_OK + b"content-length: 6\r\n\r\nabc", 0.8, b"def")),
    "/early": Script((b"HTTP/1.1 413 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",)),
}
"""What the recording tells in words only, by path."""


class FaultyWorkload(Workload):
    """A workload that plays the script of a path, and answers every other path as usual."""

    def __init__(self, name: str, faults: list[Fault]) -> None:
        super().__init__(name, {})
        self._scripts = {fault["path"]: script for fault in faults if (script := _script_of(fault)) is not None}
        self.played: list[str] = []

    async def plays(self, request: h11.Request, writer: asyncio.StreamWriter) -> bool:
        path = request.target.decode("latin-1")
        script = self._scripts.get(path)
        if script is None:
            return False
        self.played.append(path)
        for part in script.parts:
            if isinstance(part, float):
                await LoopClock().sleep(part)
            else:
                writer.write(part)
                await writer.drain()
        if not script.resets:
            with suppress(OSError):  # the proxy was quicker
                writer.write_eof()
            await LoopClock().sleep(_LINGER_S)
        return True


_LINGER_S: Final = 0.2


def _script_of(fault: Fault) -> Script | None:
    told = fault["upstream_bytes"].encode("latin-1")
    return Script((told,)) if told else _TOLD_IN_PROSE.get(fault["path"])


def request_for(fault: Fault) -> bytes:
    """The request that meets a fault."""
    line = "POST" if fault["path"] == "/early" else "GET"
    head = f"{line} {fault['path']} HTTP/1.1\r\nhost: reviews.example.com\r\n"
    # Of a long body only the beginning: the answer comes before the rest.
    body = "content-length: 1000000\r\n\r\n" + "x" * 1000 if fault["path"] == "/early" else "\r\n"
    return (head + body).encode()


def fault_disagreements(fault: Fault, reply: Reply, log: list[dict[str, Any]], attempts: int) -> Iterator[str]:
    """What a client saw, and what was logged, that differs from the recording."""
    if _script_of(fault) is None:
        yield "the upstream's behaviour is not understood"
        return
    if reply.status != fault["status"]:
        yield f"status {reply.status}, not {fault['status']}"
    logged = [(line["response_code"], line["response_flags"] or "-", line["response_code_details"]) for line in log]
    if logged != [(fault["status"], fault["flags"], fault["details"])]:
        yield f"logged {json.dumps(logged)}"
    wanted = re.search(r"\((\d+) attempts?\)", fault["retries"])
    if wanted is None or attempts != int(wanted[1]):
        yield f"{attempts} attempts, but {fault['retries']}"
    if not _body_agrees(fault, reply):
        yield f"{reply}, but: {fault['body']}"


def _body_agrees(fault: Fault, reply: Reply) -> bool:
    told = fault["body"]
    check = _BODIES.get(fault["path"])
    if check is not None:
        return check(reply)
    if told is None:
        return reply.is_whole
    if told.startswith("…"):
        return reply.is_whole and reply.payload.endswith(told[1:].encode())
    return reply.is_whole and reply.payload == told.encode()


def _cut(reply: Reply) -> bool:
    return reply.payload == b"abc" and not reply.is_whole and reply.is_closed


def _rechunked(reply: Reply) -> bool:
    kept = reply.payload == b"abc" and reply.is_whole and not reply.is_closed
    return kept and reply.values("transfer-encoding") == ["chunked"]


def _hinted(reply: Reply) -> bool:
    return reply.before[:1] == (b"HTTP/1.1 103 Unknown",) and reply.payload == b"ok"


def _renamed(reply: Reply) -> bool:
    took = reply.values("x-envoy-upstream-service-time")
    return (
        reply.line == b"HTTP/1.1 200 OK"
        and ("x-camelcase", "Yes") in reply.headers
        and reply.values("date") == ["Mon, 01 Jan 2024 00:00:00 GMT"]
        and reply.values("server") == ["istio-envoy"]
        and reply.values("via") == ["1.1 x"]
        and not reply.values("connection") + reply.values("keep-alive")
        and len(took) == 1
        and took != ["999"]
    )


_BODIES: Final[Mapping[str, Callable[[Reply], bool]]] = {
    "/midbody": _cut,
    "/midchunk": _cut,
    "/slowbody": _cut,
    "/eof": _rechunked,
    "/http10": _rechunked,
    "/trail": lambda reply: _rechunked(reply) and not reply.values("x-t") and reply.values("trailer") == ["x-t"],
    "/103": _hinted,
    "/case": _renamed,
}
"""What the recording says of a body in words, by path."""
