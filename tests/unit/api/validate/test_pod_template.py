"""Pod templates in the parts that say where, as whom and with how much they run."""

import pytest

from meshsim.api.decode import Object
from meshsim.api.meta import LabelSelector
from meshsim.api.validate.pod_template import check_pod_template

_LABELS = {"app": "web"}


def _faults(container: Object | None = None, **spec: object) -> list[str]:
    containers = [{"name": "web", "image": "web:v1", **(container or {})}]
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": containers, **spec}}
    return [str(finding) for finding in check_pod_template("", template, LabelSelector(match_labels=_LABELS))]


def _resources(**resources: object) -> list[str]:
    return [fault.removeprefix(".spec.containers[0].resources") for fault in _faults({"resources": resources})]


def test_a_request_stays_within_its_limit() -> None:
    assert _resources(requests={"cpu": "2"}, limits={"cpu": "1500m"}) == [
        '.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m'
    ]
    assert _resources(requests={"cpu": "1500m"}, limits={"cpu": 1.5}) == []


def test_what_cannot_be_shared_is_requested_as_it_is_limited() -> None:
    assert _resources(requests={"example.com/gpu": 1}, limits={"example.com/gpu": 2}) == [
        '.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'
    ]
    assert _resources(requests={"example.com/gpu": 1}) == [
        ".limits: Required value: Limit must be set for non overcommitable resources"
    ]


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ({"cpu": "-1"}, '.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0'),
        ({"example.com/gpu": "1.5"}, '.limits[example.com/gpu]: Invalid value: "1500m": must be an integer'),
        ({"storage": "1"}, '.limits[storage]: Invalid value: "storage": must be a standard resource for containers'),
        ({"hugepages-2Mi": "2Mi"}, ": Forbidden: HugePages require cpu or memory"),
    ],
)
def test_an_amount_fits_its_resource(limits: Object, fault: str) -> None:
    assert _resources(limits=limits) == [fault]


def test_what_is_no_quantity_limits_nothing() -> None:
    assert _resources(requests={"memory": "1Gi"}, limits={"memory": "lots"}) == []


def test_thousandths_are_the_finest_amount() -> None:
    assert _resources(requests={"memory": "1n"}, limits={"memory": "0"}) == [
        '.requests: Invalid value: "1m": must be less than or equal to memory limit of 0'
    ]


def test_users_and_groups_have_numbers() -> None:
    ids = "must be between 0 and 2147483647, inclusive"

    assert _faults({"securityContext": {"runAsUser": -1}}, securityContext={"supplementalGroups": [0, 2**31]}) == [
        f".spec.containers[0].securityContext.runAsUser: Invalid value: -1: {ids}",
        f".spec.securityContext.supplementalGroups[1]: Invalid value: 2147483648: {ids}",
    ]


def test_a_profile_of_the_node_is_named_within_its_folder() -> None:
    def profile(**given: str) -> list[str]:
        return _faults(securityContext={"seccompProfile": given})

    at = ".spec.securityContext.seccompProfile.localhostProfile"
    assert profile(type="Localhost") == [f"{at}: Required value: must be set when seccomp type is Localhost"]
    assert profile(type="Localhost", localhostProfile="../a") == [
        f"{at}: Invalid value: \"../a\": must not contain '..'"
    ]
    assert profile(type="Localhost", localhostProfile="a/b") == []


def test_a_toleration_without_a_key_tolerates_everything_or_nothing() -> None:
    assert _faults(tolerations=[{"operator": "Equal", "value": "x"}, {"operator": "Exists"}]) == [
        '.spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which '
        'means "match all values and all keys"'
    ]


def test_a_preferred_node_may_have_a_label_that_no_node_can_have() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a b"]}]}
    name = "DuringSchedulingIgnoredDuringExecution"

    preferred = {f"preferred{name}": [{"weight": 1, "preference": term}]}
    assert _faults(affinity={"nodeAffinity": preferred}) == []
    faults = _faults(affinity={"nodeAffinity": {f"required{name}": {"nodeSelectorTerms": [term]}}})
    assert len(faults) == 1
    assert "nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: " in faults[0]


def test_pods_are_spread_once_over_the_same_topology() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}

    assert _faults(topologySpreadConstraints=[constraint, constraint]) == [
        '.spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"'
    ]
    other = constraint | {"whenUnsatisfiable": "ScheduleAnyway"}
    assert _faults(topologySpreadConstraints=[constraint, other]) == []


@pytest.mark.parametrize("address", ["1.2.3.4", "010.2.3.04", "2001:db8::ffff", "::ffff:01.2.3.4"])
def test_an_address_may_have_leading_zeros(address: str) -> None:
    assert _faults(hostAliases=[{"ip": address, "hostnames": ["web"]}]) == []


@pytest.mark.parametrize("address", ["", "1.2.3", "1.2.3.256", "fe80::1%eth0", "web"])
def test_anything_else_is_no_address(address: str) -> None:
    assert _faults(hostAliases=[{"ip": address}]) == [
        f'.spec.hostAliases[0].ip: Invalid value: "{address}": must be a valid IP address, '
        "(e.g. 10.9.8.7 or 2001:db8::ffff)"
    ]


def test_a_pod_without_a_dns_policy_names_its_servers() -> None:
    assert _faults(dnsPolicy="None") == [
        ".spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"
    ]
    assert _faults(dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["svc.local."]}) == []


def test_containers_that_run_together_share_no_port_of_the_host() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80, "protocol": "UDP"}]

    assert _faults({"ports": ports}) == []
    assert _faults({"ports": [*ports, ports[0]]}) == [
        '.spec.containers[0].ports[2].hostPort: Duplicate value: "TCP//80"'
    ]
