"""The admin and metrics pages of a proxy of one process, and of one with workers."""

import json
import socket
from pathlib import Path

import pytest

from tests.kits.dataplane import app
from tests.kits.proxy_process import ask_over, get_page, hello_upstream, proxy_process, rule_for, write_documents

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_the_pages_of_admin_and_metrics(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port, version="v3"), rule_for("/"))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar") as served:
            admin = served.addresses["admin"]
            for _ in range(3):
                assert get_page(served.addresses["traffic"]) == (200, "hello")
            assert get_page(admin, "/ready") == (200, "LIVE\n")
            assert f"outbound|80||app.test::127.0.0.1:{port}::rq_total::3" in get_page(admin, "/clusters")[1]
            dump = json.loads(get_page(admin, "/config_dump")[1])
            kinds = [config["@type"].rpartition(".")[2] for config in dump["configs"]]
            assert kinds == ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump"]
            assert "app.test" in json.dumps(dump["configs"][3])
            assert json.loads(get_page(admin, "/server_info")[1])["state"] == "LIVE"
            assert get_page(admin, "/help")[1].startswith("admin commands are:\n")
            assert get_page(admin, "/listeners")[1] == "{}::{}\n".format(
                served.addresses["traffic"].replace(":", "_"), served.addresses["traffic"]
            )
            assert get_page(admin, "/drain_listeners")[0] == 405
            assert get_page(admin, "/nosuch")[0] == 404
            metrics = get_page(served.addresses["stats"], "/stats/prometheus")[1]
            assert get_page(admin, "/stats/prometheus")[1].count("istio_requests_total{") == 2
            (counted,) = [
                line for line in metrics.splitlines() if line.startswith('istio_requests_total{reporter="source"')
            ]
            for label in ('destination_version="v3"', 'response_code="200"', 'response_flags="-"',
                          'destination_service="app.test"', 'request_protocol="http"'):  # fmt: skip
                assert label in counted
            assert counted.endswith("} 3")
            assert 'envoy_cluster_upstream_rq_total{cluster_name="outbound|80||app.test"} 3' in metrics
            assert "_created" not in metrics


@pytest.mark.parametrize("workers", ["1", "2"])
def test_hosts_and_listeners_are_also_told_in_json(tmp_path: Path, workers: str) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar", "--workers", workers) as served:
            admin, traffic = served.addresses["admin"], served.addresses["traffic"]
            for _ in range(3):
                assert get_page(traffic) == (200, "hello")
            (cluster,) = json.loads(get_page(admin, "/clusters?format=json")[1])["cluster_statuses"]
            (host,) = cluster["host_statuses"]
            assert cluster["name"] == "outbound|80||app.test"
            assert host["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": port}}
            assert {"name": "rq_success", "value": "3"} in host["stats"]
            assert {"name": "rq_active", "type": "GAUGE"} in host["stats"]
            assert host["health_status"] == {"eds_health_status": "HEALTHY"}
            (listener,) = json.loads(get_page(admin, "/listeners?format=json")[1])["listener_statuses"]
            assert listener["local_address"]["socket_address"]["port_value"] == int(traffic.rpartition(":")[2])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_proxy_whose_health_is_failed_is_not_ready_and_lets_its_clients_go(tmp_path: Path, workers: str) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar", "--workers", workers) as served:
            admin, (host, _, number) = served.addresses["admin"], served.addresses["traffic"].partition(":")

            def is_let_go() -> bool:
                with socket.create_connection((host, int(number)), timeout=10) as client:
                    return b"connection: close" in ask_over(client)

            assert not is_let_go()
            assert get_page(admin, "/healthcheck/fail")[0] == 405
            assert get_page(admin, "/healthcheck/fail", method="POST") == (200, "OK\n")
            assert get_page(admin, "/ready") == (503, "DRAINING\n")
            assert is_let_go()
            assert get_page(admin, "/healthcheck/ok", method="POST") == (200, "OK\n")
            assert get_page(admin, "/ready") == (200, "LIVE\n")
            assert not is_let_go()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_counters_are_reset_and_histograms_are_not(tmp_path: Path, workers: str) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar", "--workers", workers) as served:
            admin = served.addresses["admin"]

            def counted(name: str) -> str:
                lines = get_page(admin, "/stats/prometheus")[1].splitlines()
                return next(line for line in lines if line.startswith(name)).rpartition(" ")[2]

            names = ("istio_requests_total{", "envoy_cluster_upstream_rq_total{", "istio_request_bytes_count{")
            assert get_page(served.addresses["traffic"]) == (200, "hello")
            assert [counted(name) for name in names] == ["1", "1", "1"]
            assert get_page(admin, "/reset_counters", method="POST") == (200, "OK\n")
            assert [counted(name) for name in names] == ["0", "0", "1"]
            assert get_page(served.addresses["traffic"]) == (200, "hello")
            assert counted(names[1]) == "1"
