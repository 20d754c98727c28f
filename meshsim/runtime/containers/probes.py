"""Probes: what a container's readiness is judged by. `Verdict` counts, `attempt` asks over a real socket.

Periods and delays run on the cluster's clock; a probe's timeout is real time, because sockets don't run faster.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from meshsim.api.core import Container, HttpGet, Probe, TcpSocket
from meshsim.runtime.containers.containers import Sandbox
from meshsim.runtime.containers.running import RunningContainer

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
_SAFE: Final = "/?=&%:@,;+!$'()*~"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe's results so far mean: a threshold of equal results in a row changes it."""

    passing: bool = False
    successes: int = 0
    failures: int = 0

    def after(self, passed: bool, probe: Probe) -> "Verdict":
        """The verdict after one more result."""
        if passed:
            successes = self.successes + 1
            return Verdict(self.passing or successes >= probe.success_threshold, successes, 0)
        failures = self.failures + 1
        return replace(
            self, passing=self.passing and failures < probe.failure_threshold, successes=0, failures=failures
        )


@dataclass(frozen=True, slots=True)
class Probed:
    """A container that is probed, and where it listens."""

    container: Container
    sandbox: Sandbox
    running: RunningContainer


async def attempt(probe: Probe, probed: Probed) -> str:
    """Probe once; returns why it failed, nothing when it passed."""
    try:
        async with asyncio.timeout(max(probe.timeout_seconds, 1)):
            if probe.exec is not None:
                code = await probed.running.execute([str(word) for word in probe.exec.get("command") or ()])
                return f"command ended with {code}" if code else ""
            return await _attempt(probe, probed)
    except TimeoutError:
        return _unanswered(probe, probed)
    except (OSError, LookupError, ValueError, OverflowError) as error:
        return str(error)


async def _attempt(probe: Probe, probed: Probed) -> str:
    target = probe.http_get or probe.tcp_socket
    if target is None:
        return ""
    number = port_number(target.port, probed.container)
    try:
        reader, writer = await asyncio.open_connection(probed.sandbox.ip, probed.sandbox.port(number))
    except ConnectionRefusedError:
        address = f"{probed.sandbox.ip}:{number}"
        return f"{_asked(target, address)}dial tcp {address}: connect: connection refused"
    try:
        if not isinstance(target, HttpGet):
            return ""
        path = quote("/" + target.path.removeprefix("/"), safe=_SAFE)
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {probed.sandbox.ip}:{number}\r\nuser-agent: kube-probe/1.32\r\n"
            "accept: */*\r\nconnection: close\r\n\r\n".encode()
        )
        status = _STATUS_LINE.match(await reader.readline())
        if status is None:
            return "the answer is no HTTP"
        passed = 200 <= int(status[1]) < 400
        return "" if passed else f"HTTP probe failed with statuscode: {int(status[1])}"
    finally:
        writer.close()


def _unanswered(probe: Probe, probed: Probed) -> str:
    """What the kubelet says of one that took too long."""
    target = probe.http_get or probe.tcp_socket
    if target is None:
        return f"command timed out after {max(probe.timeout_seconds, 1)}s"
    address = f"{probed.sandbox.ip}:{port_number(target.port, probed.container)}"
    if isinstance(target, HttpGet):
        late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return f"{_asked(target, address)}{late}"
    return f"dial tcp {address}: i/o timeout"


def _asked(target: HttpGet | TcpSocket, address: str) -> str:
    if not isinstance(target, HttpGet):
        return ""
    return f'Get "http://{address}/{target.path.removeprefix("/")}": '


def port_number(port: int | str, container: Container) -> int:
    """The number of a port that is given as number or name. Raises LookupError for a name nobody has."""
    if isinstance(port, int):
        return port
    if port.isdecimal():
        return int(port)
    for candidate in container.ports:
        if candidate.name == port:
            return candidate.container_port
    raise LookupError(f'container {container.name} has no port named "{port}"')
