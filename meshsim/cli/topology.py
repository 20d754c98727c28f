"""Which processes make up a mesh on one machine, and where each of them is reached. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meshsim.cli.child import ChildSpec
from meshsim.kit.hosts import in_url, is_loopback, kept_private, reached_at

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

_PROXY_DRAIN: Final = "1500ms"
"""Shorter than what a supervisor waits for."""


@dataclass(frozen=True, slots=True)
class Topology:
    """A mesh on one machine; `ports` holds a port for every name in PORTS, `passed_on` more flags of planes."""

    host: str
    ports: dict[str, int]
    clock: str
    directory: Path
    """Where the API keeps its objects and credentials, so that one that is started again has them."""
    is_kept: bool = False
    """Whether the directory is there when the mesh has ended."""
    seed: int | None = None
    namespace: str = "default"
    """Whose sidecar the proxy is where it is one."""
    runs_rollouts: bool = True
    """False when somebody else's controller is to: then ours does what a cluster's own controllers do, and no more."""
    passed_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def url(self, name: str, path: str = "") -> str:
        """Where one of the addresses is reached from this machine."""
        is_secure = name == "api" or (name == "dashboard" and not self.has_open_dashboard)
        host = self.admin_host if name == "admin" else self.host
        return f"{'https' if is_secure else 'http'}://{in_url(reached_at(host))}:{self.ports[name]}{path}"

    @property
    def admin_host(self) -> str:
        """The address of the proxy's admin page: this machine's alone, unless somebody wants it otherwise."""
        flag = "--admin-host="
        given = [each.removeprefix(flag) for each in self.passed_on.get("proxy", ()) if each.startswith(flag)]
        return given[-1] if given else kept_private(self.host)

    @property
    def kubeconfig(self) -> Path:
        """Where the API server leaves word of how to reach it and how to sign in."""
        return self.directory.absolute() / "kubeconfig"

    @property
    def is_private(self) -> bool:
        """Only this machine reaches it."""
        return is_loopback(self.host)

    @property
    def has_open_dashboard(self) -> bool:
        """Whether whoever reaches the dashboard may see it."""
        return self.is_private or "--insecure-bind" in self.passed_on.get("apiserver", ())

    def processes(self) -> list[ChildSpec]:
        """The processes to start; all at once, for each waits for the API by itself."""
        data = ("--data-dir", str(self.directory))
        seed = () if self.seed is None else ("--seed", str(self.seed))
        client = ("--kubeconfig", str(self.kubeconfig))
        stats = ("--stats", self.url("stats", STATS_PATH))
        apiserver = (*self._port("api"), *self._port("dashboard", "--dashboard-port"), *stats, *data, *seed)
        stats_and_admin = (*self._port("admin", "--admin-port"), *self._port("stats", "--stats-port"))
        whose = ("--namespace", self.namespace)
        proxy = (*client, *self._port("traffic"), *stats_and_admin, *seed, *whose, "--drain-timeout", _PROXY_DRAIN)
        measured = ("--prometheus", self.url("stats"))
        rollouts = () if self.runs_rollouts else ("--without-rollouts",)
        controller = (*client, *self._port("controller"), *measured, *rollouts)
        return [
            self._process("apiserver", "meshsim.apiserver", apiserver),
            self._process("controller", "controller", controller),
            self._process("node", "meshsim.runtime", (*client, *self._port("node"), *seed)),
            self._process("proxy", "meshsim.proxy", proxy),
        ]

    def _process(self, name: str, module: str, own: tuple[str, ...]) -> ChildSpec:
        passed_on = self.passed_on.get(name, ())
        return ChildSpec(name, module, ("--host", self.host, "--clock", self.clock, *own, *passed_on))

    def _port(self, name: str, flag: str = "--port") -> tuple[str, str]:
        return flag, str(self.ports[name])
