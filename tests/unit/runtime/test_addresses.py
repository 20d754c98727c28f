"""Unit tests of pod addresses."""

import ipaddress

from meshsim.runtime.addresses import POD_NETWORK, pod_ip


def test_a_pod_has_the_same_address_whenever_it_is_asked_for() -> None:
    assert pod_ip("uid-1", frozenset()) == pod_ip("uid-1", frozenset())


def test_a_taken_address_is_passed_over() -> None:
    first = pod_ip("uid-1", frozenset())
    second = pod_ip("uid-1", {first})
    assert first != second
    assert ipaddress.ip_address(second) in POD_NETWORK


def test_addresses_stay_in_their_network_and_end_in_neither_0_nor_255() -> None:
    addresses = [ipaddress.ip_address(pod_ip(f"uid-{number}", frozenset())) for number in range(2000)]
    assert all(address in POD_NETWORK and address.packed[-1] not in (0, 255) for address in addresses)
