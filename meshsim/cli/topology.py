"""Which processes make up a mesh on one machine, and where each of them is reached. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from meshsim.cli.child import ChildSpec

PORTS: Final[dict[str, tuple[str, int, str]]] = {
    "traffic": ("--port", 8080, "where the proxy takes requests"),
    "api": ("--api-port", 6443, "the Kubernetes API"),
    "dashboard": ("--dashboard-port", 3100, "the dashboard"),
    "controller": ("--controller-port", 8090, "the controller's metrics"),
    "node": ("--node-port", 10250, "the node's metrics"),
    "admin": ("--admin-port", 15000, "the proxy's admin page"),
    "stats": ("--stats-port", 15020, "the proxy's metrics"),
}
"""Every address of a mesh: its flag, its usual port, what it is."""

STATS_PATH: Final = "/stats/prometheus"

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_PROXY_DRAIN: Final = "1500ms"
"""Shorter than what a supervisor waits for."""


@dataclass(frozen=True, slots=True)
class Topology:
    """A mesh on one machine; `ports` holds a port for every name in PORTS, `passed_on` more flags of planes."""

    host: str
    ports: dict[str, int]
    clock: str
    seed: int | None = None
    data_dir: Path | None = None
    """What the mesh is kept in when it ends, None when nothing is."""
    passing_data_dir: Path | None = None
    """Where the API keeps its objects without a `data_dir`, so that one that is started again has them."""
    namespace: str = "default"
    """Whose sidecar the proxy is where it is one."""
    has_controller: bool = True
    """False when somebody else's controller is to run the rollouts."""
    passed_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def url(self, name: str, path: str = "") -> str:
        """Where one of the addresses is reached from this machine."""
        host = _ANY.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.ports[name]}{path}"

    @property
    def is_private(self) -> bool:
        """Only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def processes(self) -> list[ChildSpec]:
        """The processes to start; all at once, for each waits for the API by itself."""
        directory = self.data_dir or self.passing_data_dir
        data = () if directory is None else ("--data-dir", str(directory))
        seed = () if self.seed is None else ("--seed", str(self.seed))
        client = ("--api", self.url("api"))
        stats = ("--stats", self.url("stats", STATS_PATH))
        apiserver = (*self._port("api"), *self._port("dashboard", "--dashboard-port"), *stats, *data, *seed)
        stats_and_admin = (*self._port("admin", "--admin-port"), *self._port("stats", "--stats-port"))
        whose = ("--namespace", self.namespace)
        proxy = (*client, *self._port("traffic"), *stats_and_admin, *seed, *whose, "--drain-timeout", _PROXY_DRAIN)
        measured = ("--prometheus", self.url("stats"))
        controller = [self._process("controller", "controller", (*client, *self._port("controller"), *measured))]
        return [
            self._process("apiserver", "meshsim.apiserver", apiserver),
            *(controller if self.has_controller else ()),
            self._process("node", "meshsim.runtime", (*client, *self._port("node"), *seed)),
            self._process("proxy", "meshsim.proxy", proxy),
        ]

    def _process(self, name: str, module: str, own: tuple[str, ...]) -> ChildSpec:
        passed_on = self.passed_on.get(name, ())
        return ChildSpec(name, module, ("--host", self.host, "--clock", self.clock, *own, *passed_on))

    def _port(self, name: str, flag: str = "--port") -> tuple[str, str]:
        return flag, str(self.ports[name])
