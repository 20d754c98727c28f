"""Unit tests of what a pod may listen on."""

import socket

from meshsim.runtime.listening import listening_port


def test_a_port_that_somebody_has_at_every_address_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        assert listening_port("127.16.0.1", port) not in (port, 0)
    assert listening_port("127.16.0.1", port) == port


def test_a_port_that_cannot_be_is_replaced_by_a_free_one() -> None:
    assert 0 < listening_port("127.0.0.1", 70_000) < 65_536
