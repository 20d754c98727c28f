"""Unit tests of the annotation that says where container ports listen."""

from meshsim.api.listening_ports import ports_of, ports_to_text


def test_the_ports_of_a_pod_without_an_address_of_its_own_survive_the_annotation() -> None:
    ports = {8080: 41233, 9090: 41234}
    assert ports_of({"meshsim.dev/ports": ports_to_text(ports)}) == ports


def test_an_annotation_that_names_no_ports_is_no_port() -> None:
    assert ports_of({"meshsim.dev/ports": "http=x,8080,=5"}) == {}
    assert ports_of({}) == {}
