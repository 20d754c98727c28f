"""`python -m loadtest.bench.node`: how long a node takes to bring pods up, and what an idle pod costs.

Starts an API server, a controller and a node as processes, first without pods, then with simulated ones, then with
programs; memory is PSS (shared pages are counted by their share), CPU is that of the node and its programs.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

_SETTLE_S = 3.0
_LISTEN = """
import os, socket
server = socket.create_server((os.environ["HOST"], int(os.environ["PORT"])))
while True:
    server.accept()[0].close()
"""
_PROGRAM = [sys.executable, "-S", "-c", _LISTEN]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a node's idle pods cost.")
    parser.add_argument("--simulated", type=int, default=200, help="simulated pods (default %(default)s)")
    parser.add_argument("--programs", type=int, default=20, help="pods that are programs (default %(default)s)")
    flags = parser.parse_args()
    with ExitStack() as running:
        api = running.enter_context(_plane("meshsim.apiserver", "--insecure-http", "--dashboard-port", "0"))[1]["api"]
        url = f"http://{api}"
        running.enter_context(_plane("controller", "--api", url))
        node = running.enter_context(_plane("meshsim.runtime", "--api", url))[0]
        idle = _Cost(node)
        print(f"node without pods        {idle.megabytes:6.1f} MB PSS  {idle.cpu_percent:5.2f} % CPU")
        for name, count, command in (("simulated", flags.simulated, []), ("programs", flags.programs, _PROGRAM)):
            if count:
                took_s = _bring_up(url, name, count, command)
                now = _Cost(node)
                each_kb = (now.megabytes - idle.megabytes) * 1000 / count
                each_cpu = (now.cpu_percent - idle.cpu_percent) / count
                print(f"{count:4} {name:9} ready in {took_s:4.1f} s: {each_kb:7.0f} KB and {each_cpu:6.3f} % CPU each")
                idle = now


class _Cost:
    """What the node and its programs use while nothing happens."""

    def __init__(self, node: psutil.Process) -> None:
        time.sleep(_SETTLE_S)
        before = _cpu_s(node)
        time.sleep(_SETTLE_S)
        self.cpu_percent = (_cpu_s(node) - before) / _SETTLE_S * 100
        self.megabytes = sum(one.memory_full_info().pss for one in _family(node)) / 1e6


def _family(node: psutil.Process) -> list[psutil.Process]:
    return [node, *node.children(recursive=True)]


def _cpu_s(node: psutil.Process) -> float:
    return sum(times.user + times.system for times in (one.cpu_times() for one in _family(node)))


def _bring_up(url: str, name: str, count: int, command: list[str]) -> float:
    """Create a ReplicaSet and wait until its pods are ready; returns the seconds that took."""
    container: dict[str, Any] = {
        "name": "app",
        "image": "app:v1",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container | ({"command": command} if command else {})]},
    }
    spec = {"replicas": count, "selector": {"matchLabels": {"app": name}}, "template": template}
    path = f"{url}/apis/apps/v1/namespaces/default/replicasets"
    started = time.monotonic()
    _ask("POST", path, {"metadata": {"name": name}, "spec": spec})
    while _ask("GET", f"{path}/{name}").get("status", {}).get("readyReplicas", 0) < count:
        time.sleep(0.1)
    return time.monotonic() - started


def _ask(method: str, url: str, body: object = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        answered: dict[str, Any] = json.load(answer)
        return answered


@contextmanager
def _plane(module: str, *arguments: str) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    """Run a plane on free ports until the block ends."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", "0", *arguments, "--ready-fd", str(writing)], pass_fds=(writing,)
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            yield psutil.Process(process.pid), json.loads(told.readline())
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
