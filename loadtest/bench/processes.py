"""Started programs: on ports that were free, until they answer; what they use of processor and memory."""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

_START_S: Final = 20.0
_STOP_S: Final = 5.0


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


class Running:
    """A program and its children. What it prints goes to a file, which is shown when it fails."""

    def __init__(self, name: str, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._said = directory / f"{name}.out"
        with self._said.open("wb") as out:
            self._process = psutil.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
            )

    def wait_until_it_answers(self, port: int, host: str) -> None:
        """Wait until a request is answered with 200. Raises BenchError."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                status, _ = get(port, host)
            except OSError:
                status = 0
            if status == 200:
                return
            time.sleep(0.05)
        raise BenchError(f"{self.name} did not start to answer on port {port}:\n{self._said.read_text()[-2000:]}")

    def cpu_s(self) -> float:
        """Processor seconds so far, in user space and in the kernel."""
        times = [process.cpu_times() for process in self._all()]
        return float(sum(time.user + time.system for time in times))

    def rss_bytes(self) -> int:
        """Resident memory."""
        return sum(int(process.memory_info().rss) for process in self._all())

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def stop(self) -> None:
        """End it, and its children."""
        everyone = self._all() if self._process.poll() is None else []
        for process in everyone:
            # A child may have gone with its parent.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(everyone, timeout=_STOP_S)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def get(port: int, host: str) -> tuple[int, str]:
    """Status and version of one answer. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("x-version", "")
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
