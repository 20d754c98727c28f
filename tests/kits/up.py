"""`meshsim up` for tests: a whole mesh on free ports, commands against it, and callers that count what fails."""

import http.client
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import psutil
from prometheus_client.parser import text_string_to_metric_families

from meshsim.api.decode import Object
from meshsim.api.kinds import ROLLOUT, Kind
from meshsim.cli.topology import PORTS
from meshsim.client.connection import Connection, tls_of
from meshsim.client.kubeconfig import Kubeconfig
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY, Ran, meshsim, serving

BLOG: Final = str(REPOSITORY / "examples" / "blog-canary")
FREE_PORTS: Final = tuple(part for flag, _, _ in PORTS.values() for part in (flag, "0"))
_MODULES: Final = {
    "apiserver": "meshsim.apiserver",
    "controller": "controller",
    "node": "meshsim.runtime",
    "proxy": "meshsim.proxy",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the mesh answered to one request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Mesh:
    """A running mesh."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", addresses: dict[str, str], environment: dict[str, str]
    ) -> None:
        self.process = process
        self.addresses = addresses
        self._environment = environment

    def cli(self, *arguments: str, code: int = 0) -> str:
        """What one of our commands prints; held to its exit code."""
        ran = self.run(*arguments)
        assert ran.code == code, f"{' '.join(arguments)} ended with {ran.code}: {ran.err}{ran.out}"
        return ran.out

    def run(self, *arguments: str) -> Ran:
        """Run one of our commands as the user who started the mesh."""
        return meshsim(*arguments, environment=self._environment)

    def get(self, kind: Kind, name: str) -> Object:
        """An object as it stands in the API."""
        return self._ask_api(kind, f"/{name}")

    def listed(self, kind: Kind) -> list[Object]:
        """All objects of a kind."""
        return [_object(one) for one in self._ask_api(kind, "")["items"]]

    def ask_api(self, path: str) -> Answer:
        """Ask the API, as its owner."""
        connection = Kubeconfig(Path(self.addresses["kubeconfig"])).read()
        with _Caller(connection.url, "api.localhost", connection) as caller:
            return caller.ask(path)

    def _ask_api(self, kind: Kind, rest: str) -> Object:
        group = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
        answer = self.ask_api(f"{group}/namespaces/default/{kind.plural}{rest}")
        assert answer.status == 200, answer
        return _object(json.loads(answer.body))

    def request(self, path: str = "/", host: str = "my-app") -> Answer:
        """Ask the mesh, as a caller of that host."""
        with _Caller(self.addresses["traffic"], host) as caller:
            return caller.ask(path)

    def serves(self) -> bool:
        """The example answers."""
        try:
            return self.request().status == 200
        except OSError:
            return False

    def is_at(self, phase: str, step: int | None = None) -> bool:
        """Whether the example is in this phase, at this step."""
        try:
            status = self.get(ROLLOUT, "my-app").get("status") or {}
        except OSError:
            return False
        return status.get("phase") == phase and step in (None, status.get("currentStepIndex"))

    def counted(self, metric: str, **labels: str) -> int:
        """A counter of the proxy, summed over the series that have these labels."""
        with _Caller(self.addresses["stats"], "proxy") as caller:
            text = caller.ask("/stats/prometheus").body.decode()
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        wanted = labels.items()
        return int(sum(one.value for one in samples if one.name == metric and wanted <= one.labels.items()))

    def children(self) -> dict[str, psutil.Process]:
        """The processes of the planes."""
        found: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                found |= {name: child for name, module in _MODULES.items() if command[1:3] == ["-m", module]}
        return found

    def everything(self) -> list[psutil.Process]:
        """The supervisor and all that it started, however deep."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]


@contextmanager
def mesh(
    state: Path,
    *flags: str,
    manifests: Sequence[str] = (BLOG,),
    stdout: IO[bytes] | None = None,
    stderr: int | None = None,
) -> Iterator[Mesh]:
    """Given `meshsim up` with these manifests on free ports; it is ended when the block ends."""
    environment = {"XDG_STATE_HOME": str(state), "MESHSIM_KUBECONFIG": ""}
    files = [part for manifest in manifests for part in ("-f", manifest)]
    up = ("up", *files, *FREE_PORTS, *flags)
    with serving("meshsim", *up, stdout=stdout, stderr=stderr, environment=environment) as served:
        yield Mesh(served.process, served.addresses, environment)


@contextmanager
def released(state: Path, *flags: str, manifests: Sequence[str] = (BLOG,)) -> Iterator[Mesh]:
    """Given a mesh whose example is Healthy on its first version."""
    with mesh(state, *flags, manifests=manifests) as running:
        eventually_blocking(lambda: running.is_at("Healthy"), within_s=30)
        eventually_blocking(running.serves, within_s=30)
        yield running


def gone(processes: Sequence[psutil.Process]) -> bool:
    """None of them runs any more."""
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)


@dataclass
class Calls:
    """What callers saw so far."""

    by_version: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All requests, failed ones too."""
        return self.by_version.total() + len(self.failures)


@contextmanager
def callers(running: Mesh, *, count: int = 2, every_s: float = 0.01, host: str = "my-app") -> Iterator[Calls]:
    """Callers that ask over kept connections until the block ends, and note every request that fails."""
    calls, stop, lock = Calls(), threading.Event(), threading.Lock()

    def call() -> None:
        with _Caller(running.addresses["traffic"], host) as caller:
            while not stop.is_set():
                try:
                    answer = caller.ask("/")
                    problem = "" if answer.status == 200 else f"{answer.status} {answer.body[:200]!r}"
                    version = answer.headers.get("x-version", "?")
                except (OSError, http.client.HTTPException) as error:
                    problem, version = repr(error), ""
                with lock:
                    if problem:
                        calls.failures.append(problem)
                    else:
                        calls.by_version[version] += 1
                stop.wait(every_s)

    threads = [threading.Thread(target=call, name=f"caller {index}") for index in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield calls
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class _Caller:
    """One kept connection."""

    def __init__(self, url: str, host: str, api: Connection | None = None) -> None:
        address = urlsplit(url).netloc
        self._headers = {"Host": host}
        if api is None:
            self._connection = http.client.HTTPConnection(address, timeout=10)
        else:
            self._connection = http.client.HTTPSConnection(address, timeout=10, context=tls_of(api))
            self._headers["Authorization"] = f"Bearer {api.token}"

    def ask(self, path: str) -> Answer:
        try:
            self._connection.request("GET", path, headers=self._headers)
            reply = self._connection.getresponse()
            headers = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, headers, reply.read())
        except Exception:
            self._connection.close()
            raise

    def __enter__(self) -> "_Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _object(value: Any) -> Object:
    assert isinstance(value, dict)
    return value
