"""`/config_dump`: the configuration in force, in the shape of Envoy's."""

from typing import TYPE_CHECKING, Any, Final

from meshsim.mesh.route import Route, RouteTable, VirtualHost

if TYPE_CHECKING:
    from meshsim.proxy.engine import Engine

_TYPE: Final = "type.googleapis.com/envoy.admin.v3."


def config_dump(engine: "Engine", listeners: dict[str, str]) -> dict[str, Any]:
    """Clusters, listeners and routes."""
    snapshot = engine.snapshot
    return {
        "configs": [
            {"@type": f"{_TYPE}BootstrapConfigDump"},
            {
                "@type": f"{_TYPE}ClustersConfigDump",
                "dynamic_active_clusters": [
                    {
                        "cluster": {
                            "name": plan.name,
                            "connect_timeout": f"{plan.limits.connect_timeout_s:g}s",
                            "endpoints": [f"{endpoint.ip}:{endpoint.port}" for endpoint in plan.endpoints],
                        }
                    }
                    for plan in snapshot.clusters.values()
                ],
            },
            {
                "@type": f"{_TYPE}ListenersConfigDump",
                "dynamic_listeners": [{"name": name, "address": address} for name, address in listeners.items()],
            },
            {
                "@type": f"{_TYPE}RoutesConfigDump",
                "dynamic_route_configs": [{"route_config": _table(table)} for table in snapshot.tables],
            },
        ]
    }


def _table(table: RouteTable) -> dict[str, Any]:
    domains: dict[int, tuple[VirtualHost, list[str]]] = {}
    named = [(name.decode(), host) for name, host in table.exact.items()]
    named += [(f"*{suffix.decode()}", host) for suffix, host in table.suffixes.items()]
    named += [("*", table.star)] if table.star else []
    for domain, host in named:
        domains.setdefault(id(host), (host, []))[1].append(domain)
    return {
        "name": f"http.{table.port}",
        "virtual_hosts": [
            {"name": f"{host.name}:{host.port}", "domains": listed, "routes": [_route(route) for route in host.routes]}
            for host, listed in domains.values()
        ],
    }


def _route(route: Route) -> dict[str, Any]:
    if route.weighted is not None:
        action: dict[str, Any] = {
            "weighted_clusters": {
                "clusters": [{"name": destination.cluster, "weight": weight} for destination, weight in route.weighted]
            }
        }
    elif route.destination is not None:
        action = {"cluster": route.destination.cluster}
    else:
        action = {"direct_response": True}
    return {"name": route.name, "route": action}
