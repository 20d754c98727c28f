"""`/clusters` and `/listeners`: who is there and how they do, as text and as Envoy's messages in JSON."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from meshsim.api.decode import Object
from meshsim.proxy.own_pages.pages import Ask, Page

if TYPE_CHECKING:
    from meshsim.proxy.engine import Engine

_FAILED: Final = "/failed_outlier_check"
_COUNTERS: Final = frozenset(("rq_total", "rq_success", "rq_error"))
_SUMMED: Final = frozenset(("cx_active", "rq_active")) | _COUNTERS


def wants_json(ask: Ask) -> bool:
    """Whether a page is asked for in JSON."""
    return ask.query.get("format") == "json"


def clusters_text(engine: "Engine") -> str:
    """`/clusters`."""
    lines: list[str] = []
    for cluster in engine.clusters.values():
        lines.append(f"{cluster.name}::added_via_api::true")
        for host in cluster:
            health = _FAILED if host.record.is_ejected else "healthy"
            lines += [
                f"{cluster.name}::{host.address}::{name}::{value}"
                for name, value in (
                    ("cx_active", host.connections),
                    ("rq_active", host.active),
                    ("rq_total", host.rq_total),
                    ("rq_success", host.rq_success),
                    ("rq_error", host.rq_error),
                    ("health_flags", health),
                    ("hostname", host.endpoint.pod),
                    ("version", host.endpoint.workload.version),
                )
            ]
    return "\n".join(lines) + "\n"


def merged_clusters(texts: Iterable[str]) -> str:
    """`/clusters` of several processes as one: counts are summed, the rest is as the first says."""
    values: dict[str, str] = {}
    for text in texts:
        for line in text.splitlines():
            name, _, value = line.rpartition("::")
            if name in values and name.rpartition("::")[2] in _SUMMED:
                value = str(int(values[name]) + int(value))
            elif name in values:
                continue
            values[name] = value
    return "".join(f"{name}::{value}\n" for name, value in values.items())


def clusters_page(text: str, ask: Ask) -> Page:
    """The page for what its text says."""
    return Page.json(_clusters_data(text)) if wants_json(ask) else Page.text(text)


def _clusters_data(text: str) -> Object:
    """`Clusters` of `envoy.admin.v3`."""
    clusters: dict[str, dict[str, dict[str, str]]] = {}
    for line in text.splitlines():
        cluster, *host, name, value = line.split("::")
        hosts = clusters.setdefault(cluster, {})
        for address in host:
            hosts.setdefault(address, {})[name] = value
    return {
        "cluster_statuses": [
            {
                "name": name,
                "added_via_api": True,
                "host_statuses": [_host_data(address, about) for address, about in hosts.items()],
            }
            for name, hosts in clusters.items()
        ]
    }


def _host_data(address: str, about: Mapping[str, str]) -> Object:
    is_failed = about["health_flags"] == _FAILED
    return {
        "address": _address_data(address),
        "stats": [
            {
                **({} if name in _COUNTERS else {"type": "GAUGE"}),
                **({} if value == "0" else {"value": value}),
                "name": name,
            }
            for name, value in about.items()
            if name in _SUMMED
        ],
        "health_status": {**({"failed_outlier_check": True} if is_failed else {}), "eds_health_status": "HEALTHY"},
        "weight": 1,
        "hostname": about["hostname"],
    }


def listeners_data(listeners: Mapping[str, str]) -> Object:
    """`Listeners` of `envoy.admin.v3`, of each listener's address."""
    statuses = [{"name": name, "local_address": _address_data(address)} for name, address in listeners.items()]
    return {"listener_statuses": statuses}


def _address_data(address: str) -> Object:
    ip, _, port = address.rpartition(":")
    return {"socket_address": {"address": ip, "port_value": int(port)}}
