"""Ports taken before anything starts."""

import socket

import pytest

from meshsim.cli.ports import Ports
from meshsim.kit.errors import StartError


def test_zero_takes_free_ports_that_differ() -> None:
    with Ports("127.0.0.1") as ports:
        taken = {ports.take(0, "a", "--a") for _ in range(20)}
    assert len(taken) == 20
    assert 0 not in taken


def test_a_port_that_somebody_listens_on_is_named_with_the_flag_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody, Ports("127.0.0.1") as ports:
        port = somebody.getsockname()[1]
        with pytest.raises(StartError, match=rf"^127\.0\.0\.1:{port}, the API, is taken .* --api-port"):
            ports.take(port, "the API", "--api-port")


def test_a_port_of_a_mesh_is_said_to_be_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with (
            Ports("127.0.0.1", {port: "the mesh that runs already"}) as ports,
            pytest.raises(StartError, match="the API, is taken by the mesh that runs already; choose another"),
        ):
            ports.take(port, "the API", "--api-port")


def test_the_process_it_was_taken_for_can_listen_there() -> None:
    with Ports("127.0.0.1") as ports:
        port = ports.take(0, "the API", "--api-port")
        ports.release()
        with socket.create_server(("127.0.0.1", port)) as listener:
            assert listener.getsockname()[1] == port


def test_a_port_given_twice_is_named_with_both_flags() -> None:
    with Ports("127.0.0.1") as ports:
        port = ports.take(0, "the API", "--api-port")
        with pytest.raises(StartError, match=rf"port {port} is given twice, with --api-port and --port"):
            ports.take(port, "traffic", "--port")


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_this_machine_is_named(host: str) -> None:
    with Ports(host) as ports, pytest.raises(StartError, match=f"^--host {host}: "):
        ports.take(0, "the API", "--api-port")
