"""The proxies that are put to the test: ours, and Envoy where it is installed."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from tests.kits.eventually import eventually
from tests.kits.processes import REPOSITORY

_MIB: Final = 1024 * 1024
_ROUTES: Final = "routes.yaml"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a proxy is started with: upstream ports by version, and how long it waits for what (seconds)."""

    upstreams: Mapping[str, tuple[int, ...]]
    response_s: float | None = 3.0
    body_s: float | None = 2.0
    head_s: float | None = 2.0
    idle_s: float = 3600.0
    retries: int = 0
    drain_s: float = 30.0
    workers: int = 1
    """Of ours only."""


class Subject:
    """A running proxy."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, address: str, admin: str, folder: Path) -> None:
        self.name = name
        self.process = process
        self.address = address
        self.admin = admin
        self._folder = folder

    @property
    def target(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)

    def processes(self) -> list[psutil.Process]:
        """Its processes, the first one first."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def pss_mib(self) -> float:
        """The memory of all its processes, shared pages counted in parts."""
        return float(sum(process.memory_full_info().pss for process in self.processes()) / _MIB)

    def open_files(self) -> int:
        """The file descriptors of all its processes."""
        return sum(process.num_fds() for process in self.processes())

    def route_to(self, shares: dict[str, int]) -> None:
        """Give the versions these shares from now on."""
        text = _our_routes(shares) if self.name == "meshsim" else _envoy_routes(shares, 3.0, 0)
        path = self._folder / _ROUTES
        # Whole at once: a proxy that follows files must never see half of one.
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(path)

    async def _has_no_requests(self) -> bool:
        stats = await _ask(self.admin, "GET", "/stats?filter=http.traffic.downstream_rq_active")
        return b"downstream_rq_active: 0" in stats

    async def stop(self) -> int:
        """Let it end in order; returns the exit code."""
        if self.name == "envoy":
            # A bare SIGTERM would lose what is in flight.
            await _ask(self.admin, "POST", "/drain_listeners?graceful&skip_exit")
            await eventually(self._has_no_requests, within_s=30)
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


async def _ask(address: str, method: str, path: str) -> bytes:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


Start = Callable[[Setup], AbstractAsyncContextManager[Subject]]
"""Starts a proxy."""


def envoy_program() -> str | None:
    """Envoy's executable, where it is installed."""
    return shutil.which("envoy", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


@asynccontextmanager
async def meshsim(setup: Setup) -> AsyncIterator[Subject]:
    """Our proxy, as a gateway."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mesh.yaml").write_text(_our_mesh(setup))
        (Path(folder) / _ROUTES).write_text(_our_routes(dict.fromkeys(setup.upstreams, 1), setup.retries))
        flags = ["-f", folder, "--port", "0", "--admin-port", "0", "--stats-port", "0", "--role", "gateway"]
        flags += ["--idle-timeout", f"{setup.idle_s:g}s", "--connect-timeout", "1s", "--accept-http10"]
        flags += ["--drain-timeout", f"{setup.drain_s:g}s", "--workers", str(setup.workers)]
        for name, seconds in (("head", setup.head_s), ("body", setup.body_s), ("response", setup.response_s)):
            if seconds is not None:
                flags += [f"--{'header' if name == 'head' else name}-timeout", f"{seconds:g}s"]
        ready, told = os.pipe()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "meshsim.proxy", *flags, "--ready-fd", str(told), pass_fds=(told,), cwd=REPOSITORY
        )
        os.close(told)
        with os.fdopen(ready) as pipe:
            addresses = json.loads(await asyncio.to_thread(pipe.readline))
        subject = Subject("meshsim", process, addresses["traffic"], addresses["admin"], Path(folder))
        try:
            yield subject
        finally:
            await _end(process)


@asynccontextmanager
async def envoy(setup: Setup) -> AsyncIterator[Subject]:
    """Envoy, with one worker and the same timeouts."""
    program = envoy_program()
    assert program is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        traffic, admin = _free_port(), _free_port()
        versions = dict.fromkeys(setup.upstreams, 1)
        (folder / _ROUTES).write_text(_envoy_routes(versions, setup.response_s, setup.retries))
        (folder / "envoy.yaml").write_text(yaml.safe_dump(_envoy_bootstrap(setup, traffic, admin, folder)))
        arguments = ["-c", str(folder / "envoy.yaml"), "--concurrency", "1", "--use-dynamic-base-id", "-l", "off"]
        process = await asyncio.create_subprocess_exec(
            program, *arguments, "--drain-time-s", f"{setup.drain_s:.0f}", "--drain-strategy", "immediate",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        subject = Subject("envoy", process, f"127.0.0.1:{traffic}", f"127.0.0.1:{admin}", folder)
        try:
            await eventually(lambda: _listens(traffic), within_s=15)
            yield subject
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(3):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _our_mesh(setup: Setup) -> str:
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway"},
        "spec": {"servers": [{"hosts": ["*"], "port": {"number": 80, "name": "http", "protocol": "HTTP"}}]},
    }
    entries = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": version},
            "spec": {
                "hosts": [f"{version}.test"],
                "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": "127.0.0.1", "ports": {"http": port}} for port in ports],
            },
        }
        for version, ports in setup.upstreams.items()
    ]
    return "---\n".join(json.dumps(document) + "\n" for document in (gateway, *entries))


def _our_routes(shares: dict[str, int], retries: int = 0) -> str:
    weights = _percent(shares)
    route = [{"destination": {"host": f"{version}.test"}, "weight": weight} for version, weight in weights.items()]
    rule: dict[str, Any] = {"route": route, "retries": {"attempts": retries}}
    return json.dumps(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "routes"},
            "spec": {"hosts": ["*"], "gateways": ["gateway"], "http": [rule]},
        }
    )


def _percent(shares: dict[str, int]) -> dict[str, int]:
    """The shares as whole percents that add up to 100."""
    total = sum(shares.values())
    weights = {version: share * 100 // total for version, share in shares.items()}
    first = next(iter(weights))
    weights[first] += 100 - sum(weights.values())
    return weights


_TYPE: Final = "type.googleapis.com/envoy."


def _envoy_routes(shares: dict[str, int], response_s: float | None, retries: int) -> str:
    clusters = [{"name": name, "weight": weight} for name, weight in _percent(shares).items()]
    action: dict[str, Any] = {"weighted_clusters": {"clusters": clusters}, "timeout": f"{response_s or 0:g}s"}
    if retries:
        action["retry_policy"] = {
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": retries,
        }  # fmt: skip
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}]
    routes = {"@type": f"{_TYPE}config.route.v3.RouteConfiguration", "name": "routes", "virtual_hosts": hosts}
    return json.dumps({"version_info": "1", "resources": [routes]})


def _envoy_bootstrap(setup: Setup, traffic: int, admin: int, folder: Path) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(folder / _ROUTES), "watched_directory": {"path": str(folder)}}}
    manager = {
        "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "traffic",
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_headers_timeout": f"{setup.head_s or 0:g}s",
        "stream_idle_timeout": f"{setup.body_s or 0:g}s",
        "common_http_protocol_options": {"idle_timeout": f"{setup.idle_s:g}s"},
        "drain_timeout": "1s",
        "rds": {"route_config_name": "routes", "config_source": source},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_TYPE}extensions.filters.http.router.v3.Router"}}
        ],
    }
    listener = {
        "name": "traffic",
        "address": _at(traffic),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    clusters = [
        {
            "name": version,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": version,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(port)}} for port in ports]}],
            },
        }
        for version, ports in setup.upstreams.items()
    ]
    resources = {"listeners": [listener], "clusters": clusters}
    node = {"id": "faults", "cluster": "faults"}
    return {"node": node, "admin": {"address": _at(admin)}, "static_resources": resources}


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
