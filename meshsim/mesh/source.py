"""What route tables are made of, and the virtual hosts that come of it by their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshsim.api.networking import Gateway
from meshsim.mesh.identity import Identity, MeshConfig, Role
from meshsim.mesh.kept import Kept
from meshsim.mesh.policy import Ruled
from meshsim.mesh.reachable import Reachable
from meshsim.mesh.route import VirtualHost
from meshsim.mesh.rules import RouteContext
from meshsim.mesh.steps import STRIDE, Steps
from meshsim.mesh.virtualservices import Ready


@dataclass(frozen=True, slots=True)
class TableSource:
    """Everything that tables are made of. VirtualServices and gateways are oldest first, services by host."""

    virtual_services: tuple[Ready, ...]
    gateways: tuple[Gateway, ...]
    services: Mapping[str, Ruled]
    reachable: Reachable
    proxy: Identity
    mesh: MeshConfig
    timeout_s: float | None = None
    kept: Kept = field(default_factory=Kept)

    def context(self, role: Role, port: int, gateway: str) -> RouteContext:
        """What rules mean on a listener."""
        return RouteContext(
            role=role,
            port=port,
            gateways=frozenset((gateway,)),
            proxy=self.proxy,
            services=self.services,
            timeout_s=self.timeout_s,
            retries=self.mesh.default_http_retry_policy,
        )

    def parts_of(self, ready: Ready) -> tuple[object, ...]:
        """What the meaning of a VirtualService's rules depends on: the services that they lead to, and no others."""
        return (ready, *map(self.services.get, ready.leads_to))


@dataclass(frozen=True, slots=True)
class Names:
    """Virtual hosts by the names that lead to them; wildcards with their asterisk."""

    exact: Mapping[bytes, VirtualHost]
    wild: Mapping[bytes, VirtualHost]


def names_of(hosts: Mapping[str, VirtualHost]) -> Names:
    """The names, as they stand on the wire."""
    return Names(
        {name.encode(): host for name, host in hosts.items() if not name.startswith("*")},
        {name.encode(): host for name, host in hosts.items() if name.startswith("*")},
    )


def first_wins(listed: Iterable[Names]) -> Steps[Names]:
    """All of them in one; a name that several have belongs to the first."""
    exact: dict[bytes, VirtualHost] = {}
    wild: dict[bytes, VirtualHost] = {}
    for number, names in enumerate(reversed(tuple(listed))):
        if not number % STRIDE:
            yield
        exact.update(names.exact)
        wild.update(names.wild)
    return Names(exact, wild)
