from socket import gaierror

import pytest

from meshsim.runtime.pods.own_address import address_towards


@pytest.mark.parametrize("url", ["https://127.0.0.1:6443/a/path", "http://127.0.0.1", "http://127.8.8.8:80"])
def test_who_is_on_this_machine_sees_it_by_loopback(url: str) -> None:
    assert address_towards(url) == "127.0.0.1"


def test_a_host_that_is_not_known_is_an_os_error() -> None:
    with pytest.raises(gaierror):
        address_towards("http://256.256.256.256")
