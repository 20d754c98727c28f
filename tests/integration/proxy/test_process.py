"""`python -m meshsim.proxy` as a process: its files, flags, pages, log and end."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from meshsim.kit.errors import ExitCode
from meshsim.proxy.sockets import KERNEL_SHARES_OUT
from tests.kits.dataplane import app
from tests.kits.eventually import eventually_blocking
from tests.kits.processes import REPOSITORY, Served, serving
from tests.kits.proxy_process import (
    FREE_PORTS,
    ask_over,
    get_page,
    hello_upstream,
    proxy_process,
    rule_for,
    write_documents,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_files_are_followed_and_a_broken_edit_is_said_and_changes_nothing(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "a-services.yaml", app(port))
        write_documents(tmp_path / "b-routes.yaml", rule_for("/one"))
        with proxy_process(tmp_path, "--role", "sidecar", stderr=subprocess.PIPE) as served:
            traffic = served.addresses["traffic"]
            assert get_page(traffic, "/one")[0] == 200
            assert get_page(traffic, "/two")[0] == 404
            write_documents(tmp_path / "b-routes.yaml", rule_for("/two"))
            eventually_blocking(lambda: get_page(traffic, "/two")[0] == 200)
            assert get_page(traffic, "/one")[0] == 404
            (tmp_path / "b-routes.yaml").write_text("spec: {http: [{\n")
            assert served.process.stderr is not None
            said = served.process.stderr.readline().decode()
            assert f"{tmp_path / 'b-routes.yaml'}:2:1" in said
            assert get_page(traffic, "/two")[0] == 200
            write_documents(tmp_path / "b-routes.yaml", rule_for("/three"))
            eventually_blocking(lambda: get_page(traffic, "/three")[0] == 200)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_admin_pages_stay_on_this_machine_when_traffic_is_taken_from_all(tmp_path: Path, workers: str) -> None:
    with proxy_process(tmp_path, "--host", "0.0.0.0", "--workers", workers) as served:
        assert served.addresses["traffic"].startswith("0.0.0.0:")
        assert served.addresses["stats"].startswith("0.0.0.0:")
        assert served.addresses["admin"].startswith("127.0.0.1:")
        proxy = psutil.Process(served.process.pid)
        listening = [
            connection.laddr.port
            for process in (proxy, *proxy.children())
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.ip == "0.0.0.0"
        ]
        for port in set(listening):
            code, _ = get_page(f"127.0.0.1:{port}", "/server_info")
            assert code in (404, 503), "no admin page at an address that others reach"
    with proxy_process(tmp_path, "--host", "127.0.0.1", "--admin-host", "0.0.0.0", "--workers", workers) as served:
        assert served.addresses["admin"].startswith("0.0.0.0:")


def test_what_istio_would_refuse_is_said_and_what_cannot_work_changes_nothing(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "a.yaml", app(port))
        write_documents(tmp_path / "b.yaml", rule_for("/one"))
        with proxy_process(tmp_path, "--role", "sidecar", stderr=subprocess.PIPE) as served:
            assert served.process.stderr is not None
            write_documents(tmp_path / "b.yaml", rule_for("/one").replace("prefix: /one", "regex: '('"))
            said = [served.process.stderr.readline().decode() for _ in range(2)]
            assert f"{tmp_path / 'b.yaml'}:8:" in said[0]
            assert "(Istio would refuse this)" in said[0]
            assert '"(" is no RE2 expression: missing ): ( (the configuration before this change' in said[1]
            assert get_page(served.addresses["traffic"], "/one")[0] == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_drain_listeners_refuses_new_connections_and_leaves_the_old_ones(tmp_path: Path, workers: str) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar", "--workers", workers) as served:
            host, _, number = served.addresses["traffic"].rpartition(":")
            with socket.create_connection((host, int(number)), timeout=10) as client:
                assert b"connection: close" not in ask_over(client)
                assert get_page(served.addresses["admin"], "/drain_listeners", method="POST") == (200, "OK\n")
                with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(number))):
                    pass
                assert b"connection: close" not in ask_over(client)
            assert get_page(served.addresses["admin"], "/ready") == (200, "LIVE\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_graceful_drain_lets_clients_go_with_their_next_response_and_then_closes(
    tmp_path: Path, workers: str
) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        flags = ("--role", "sidecar", "--workers", workers, "--drain-timeout", "1s")
        with proxy_process(tmp_path / "mesh.yaml", *flags) as served:
            host, _, number = served.addresses["traffic"].rpartition(":")
            with socket.create_connection((host, int(number)), timeout=10) as client:
                assert b"connection: close" not in ask_over(client)
                assert get_page(served.addresses["admin"], "/drain_listeners?graceful", method="POST") == (200, "OK\n")
                assert b"connection: close" in ask_over(client)
                assert client.recv(1) == b""
            assert get_page(served.addresses["traffic"])[0] == 200

            def refuses() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex((host, int(number))) != 0

            eventually_blocking(refuses)


def test_sigterm_lets_a_request_in_flight_finish_and_then_ends(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml") as served:
            host, _, number = served.addresses["traffic"].rpartition(":")
            with socket.create_connection((host, int(number)), timeout=10) as client:
                client.sendall(b"GET /slow HTTP/1.1\r\nhost: app.test\r\n\r\n")
                time.sleep(0.1)
                served.process.send_signal(signal.SIGTERM)
                reply = b""
                while data := client.recv(4096):
                    reply += data
            assert reply.endswith(b"hello")
            assert b"connection: close" in reply
            assert served.process.wait(5) == 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_line_of_the_access_log_for_each_exchange(tmp_path: Path, form: str) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port, version="v3"), rule_for("/"))
        free = str(_free_port())
        with subprocess.Popen(
            [sys.executable, "-m", "meshsim.proxy", "-f", str(tmp_path), *FREE_PORTS[2:],
             "--port", free, "--role", "sidecar", "--access-log", form],
            stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
        ) as process:  # fmt: skip
            try:
                eventually_blocking(lambda: get_page(f"127.0.0.1:{free}")[0] == 200, within_s=15, ignoring=(OSError,))
                assert process.stdout is not None
                line = process.stdout.readline()
            finally:
                process.terminate()
    if form == "json":
        logged = json.loads(line)
        assert (logged["response_code"], logged["response_flags"], logged["route_name"]) == (200, "-", "only")
        assert (logged["upstream_cluster"], logged["upstream_version"]) == ("outbound|80||app.test", "v3")
        assert logged["upstream_host"] == f"127.0.0.1:{port}"
        assert logged["requested_server_name"] is None
    else:
        assert '"GET / HTTP/1.1" 200 - via_upstream - "-" 0 5' in line
        assert line.endswith(" - only v3\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _fails(*arguments: str) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "meshsim.proxy", *arguments],
        capture_output=True, text=True, timeout=30, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    return ran.returncode, ran.stderr


def test_a_proxy_that_follows_files_loads_no_web_framework() -> None:
    asked = "import meshsim.proxy.__main__, sys; print([name for name in ('aiohttp', 'lark') if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=30, check=True, cwd=REPOSITORY
    )
    assert ran.stdout == "[]\n"


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text("")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        code, said = _fails("-f", str(tmp_path), *FREE_PORTS[2:], "--port", str(port))
    assert code == ExitCode.CANNOT_START
    assert said == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (
            ("-f", "/nosuch.yaml"),
            ExitCode.CANNOT_START,
            "Error: /nosuch.yaml cannot be read: No such file or directory\n",
        ),
        (("-f", ".", "--listen", "x"), ExitCode.USAGE, 'Error: --listen "x" is not NUMBER=ADDR:PORT'),
        (("-f", ".", "--proxy-labels", "x"), ExitCode.USAGE, 'Error: --proxy-labels "x" is not K=V,K=V\n'),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    found, said = _fails(*arguments, *FREE_PORTS)
    assert (found, said[: len(sentence)]) == (code, sentence)


def _listening(served: Served) -> list[psutil.Process]:
    """The workers that take connections."""
    port = int(served.addresses["traffic"].rpartition(":")[2])

    def listens(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            return any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in process.net_connections("tcp")
            )
        return False

    return [child for child in psutil.Process(served.process.pid).children() if listens(child)]


def test_workers_share_the_ports_speak_with_one_voice_and_are_replaced_when_they_die(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path, "--workers", "2", "--role", "sidecar", stderr=subprocess.PIPE) as served:
            traffic, admin = served.addresses["traffic"], served.addresses["admin"]
            for _ in range(20):
                assert get_page(traffic) == (200, "hello")
            assert f"127.0.0.1:{port}::rq_total::20" in get_page(admin, "/clusters")[1]
            metrics = get_page(served.addresses["stats"], "/stats/prometheus")[1]
            counted = [
                line for line in metrics.splitlines() if line.startswith('istio_requests_total{reporter="source"')
            ]
            assert [line.rpartition(" ")[2] for line in counted] == ["20"]
            workers = _listening(served)
            assert len(workers) == 2
            workers[0].kill()
            # Its connections end with it, and only those.
            workers[0].wait(5)
            for _ in range(10):
                assert get_page(traffic) == (200, "hello")
            eventually_blocking(lambda: len(_listening(served)) == 2)
            eventually_blocking(lambda: get_page(admin, "/ready") == (200, "LIVE\n"))
            children = psutil.Process(served.process.pid).children()
            served.process.terminate()
            assert served.process.wait(10) == 0
        assert not any(child.is_running() for child in children)


def test_connections_are_shared_out_among_the_workers_and_their_port_is_taken(tmp_path: Path) -> None:
    with hello_upstream() as port, contextlib.ExitStack() as stack:
        write_documents(tmp_path / "mesh.yaml", app(port))
        served = stack.enter_context(proxy_process(tmp_path, "--workers", "2", "--role", "sidecar"))
        host, _, number = served.addresses["traffic"].rpartition(":")
        for _ in range(64):
            stack.enter_context(socket.create_connection((host, int(number)), timeout=10))

        def shares() -> list[int]:
            return [
                sum(
                    one.status == psutil.CONN_ESTABLISHED and one.laddr.port == int(number)
                    for one in child.net_connections("tcp")
                )
                for child in _listening(served)
            ]

        eventually_blocking(lambda: sum(shares()) == 64)
        # Each connection draws its worker: fewer than 10 of 64 come once in a hundred million times.
        assert min(shares()) >= (10 if KERNEL_SHARES_OUT else 0)
        code, said = _fails("-f", str(tmp_path), *FREE_PORTS[2:], "--workers", "2", "--port", number)
        assert code == ExitCode.CANNOT_START
        assert said == f"Error: cannot listen on {host}:{number}: Address already in use\n"


def test_workers_take_no_connections_before_they_know_where_to_send_them() -> None:
    with serving("meshsim.proxy", "--api", f"http://127.0.0.1:{_free_port()}", *FREE_PORTS, "--workers", "2") as served:
        host, _, number = served.addresses["traffic"].rpartition(":")
        assert get_page(served.addresses["admin"], "/ready") == (503, "PRE_INITIALIZING\n")
        with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(number))):
            pass


def test_a_worker_that_dies_after_the_listeners_were_drained_does_not_come_back_listening(tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text("")
    with proxy_process(tmp_path, "--workers", "2", stderr=subprocess.PIPE) as served:
        host, _, number = served.addresses["traffic"].rpartition(":")
        workers = _listening(served)
        assert get_page(served.addresses["admin"], "/drain_listeners", method="POST") == (200, "OK\n")
        workers[0].kill()
        assert served.process.stderr is not None
        assert b"nobody takes its place" in served.process.stderr.readline()
        assert not _listening(served)
        with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(number))):
            pass
        assert get_page(served.addresses["admin"], "/ready") == (200, "LIVE\n")


def test_a_worker_that_comes_during_a_graceful_drain_lets_its_clients_go_too(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path, "--workers", "2", "--role", "sidecar", stderr=subprocess.PIPE) as served:
            host, _, number = served.addresses["traffic"].rpartition(":")
            target = "/drain_listeners?graceful&skip_exit"
            assert get_page(served.addresses["admin"], target, method="POST") == (200, "OK\n")
            workers = _listening(served)
            for worker in workers:
                worker.kill()
            assert served.process.stderr is not None
            assert all(b"another takes its place" in served.process.stderr.readline() for _ in workers)

            def lets_go() -> bool:
                with socket.create_connection((host, int(number)), timeout=10) as client:
                    return b"connection: close" in ask_over(client)

            eventually_blocking(lets_go, within_s=15, ignoring=(OSError,))


def test_a_second_sigterm_ends_a_drain_at_once(tmp_path: Path) -> None:
    with hello_upstream() as port:
        write_documents(tmp_path / "mesh.yaml", app(port))
        with proxy_process(tmp_path / "mesh.yaml", "--role", "sidecar") as served:
            host, _, number = served.addresses["traffic"].rpartition(":")
            with socket.create_connection((host, int(number)), timeout=10) as client:
                client.sendall(b"GET /never HTTP/1.1\r\nhost: app.test\r\n\r\n")
                admin = served.addresses["admin"]
                eventually_blocking(lambda: "::rq_active::1" in get_page(admin, "/clusters")[1])
                served.process.send_signal(signal.SIGTERM)
                eventually_blocking(lambda: get_page(admin, "/ready") == (503, "DRAINING\n"))
                assert served.process.poll() is None
                served.process.send_signal(signal.SIGTERM)
                assert served.process.wait(5) == 0
