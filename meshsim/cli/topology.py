"""Which processes make up a mesh on one machine, and where each of them is reached. Pure."""

from dataclasses import dataclass
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

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Topology:
    """A mesh on one machine; `ports` holds a port for every name in PORTS."""

    host: str
    ports: dict[str, int]
    clock: str
    seed: int | None = None
    data_dir: Path | None = None

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
        shared = ("--host", self.host, "--clock", self.clock)
        client = (*shared, "--api", self.url("api"))
        seed = () if self.seed is None else ("--seed", str(self.seed))
        data = () if self.data_dir is None else ("--data-dir", str(self.data_dir))
        return [
            ChildSpec(
                "apiserver",
                "meshsim.apiserver",
                (*shared, *self._flag("--port", "api"), *self._flag("--dashboard-port", "dashboard"), *data),
            ),
            ChildSpec("controller", "controller", (*client, *self._flag("--port", "controller"))),
            ChildSpec("node", "meshsim.runtime", (*client, *self._flag("--port", "node"), *seed)),
            ChildSpec(
                "proxy",
                "meshsim.proxy",
                (
                    *client,
                    *self._flag("--port", "traffic"),
                    *self._flag("--admin-port", "admin"),
                    *self._flag("--stats-port", "stats"),
                    *seed,
                ),
            ),
        ]

    def _flag(self, flag: str, name: str) -> tuple[str, str]:
        return flag, str(self.ports[name])
