from typing import Any

import pytest

from meshsim.api.decode import Object
from meshsim.api.validate.findings import Finding
from meshsim.api.validate.istio import judge_istio


def _errors(kind: str, spec: object, **metadata: object) -> list[tuple[str, str]]:
    verdict = judge_istio(kind, {"metadata": {"name": "x", "namespace": "default", **metadata}, "spec": spec})
    return [(error.path, error.message) for error in verdict.errors]


def _warnings(kind: str, spec: object) -> list[Finding]:
    return list(judge_istio(kind, {"metadata": {"name": "x", "namespace": "default"}, "spec": spec}).warnings)


def _routed(*matches: Object, **route: Any) -> Object:
    return {"match": list(matches), "route": [{"destination": {"host": "a"}}], **route}


def test_every_finding_names_its_field() -> None:
    route = {
        "match": [{"headers": {"x": {"regex": "["}}, "sourceNamespace": "A_b"}],
        "route": [{"destination": {"host": "a"}, "weight": 1}, {"destination": {"host": "b", "subset": "v.1"}}],
        "corsPolicy": {"allowMethods": ["GET", "FOO"]},
        "retries": {"attempts": 1, "retryOn": "5xx,nope"},
    }

    assert [path for path, _ in _errors("VirtualService", {"hosts": ["a"], "http": [route]})] == [
        "spec.http[0].match[0].headers.x.regex",
        "spec.http[0].match[0].sourceNamespace",
        "spec.http[0].corsPolicy.allowMethods[1]",
        "spec.http[0].retries.retryOn",
        "spec.http[0].route[1].destination.subset",
    ]


def test_a_spec_that_cannot_be_decoded_has_one_error() -> None:
    assert _errors("VirtualService", {"hosts": "a", "http": 1}) == [
        ("spec.hosts", "json: cannot unmarshal string into Go value of type []json.RawMessage")
    ]


def test_metadata_that_makes_no_sense_is_not_istios_business() -> None:
    spec = {"hosts": ["a"], "http": [_routed()]}

    assert _errors("VirtualService", spec, labels=1, annotations=[1], name=None) == []


def test_a_dry_run_annotation_is_for_authorization_policies_only() -> None:
    assert _errors("Gateway", {}, annotations={"istio.io/dry-run": "true"}) == [
        (
            "metadata.annotations",
            "default/x has unsupported annotation istio.io/dry-run, please remove the annotation",
        )
    ]


def test_rules_after_a_catch_all_are_never_used() -> None:
    http = [_routed(), _routed({"uri": {"prefix": "/a"}}, name="late"), _routed()]

    assert [
        (warning.path, warning.message) for warning in _warnings("VirtualService", {"hosts": ["a"], "http": http})
    ] == [
        ("spec.http[1]", 'virtualService rule "late" not used (route without matches defined before)'),
        ("spec.http[2]", "virtualService rule #2 not used (only the last rule can have no matches)"),
    ]


def test_a_match_that_stood_before_is_ineffective_whatever_its_name() -> None:
    match = {"uri": {"exact": "/a"}, "headers": {"a": {"exact": "1"}, "b": {}}}
    same = {"name": "again", "headers": {"b": {}, "a": {"exact": "1"}}, "uri": {"exact": "/a"}}

    messages = [
        w.message for w in _warnings("VirtualService", {"hosts": ["a"], "http": [_routed(match), _routed(same)]})
    ]

    assert messages == [
        'virtualService rule #1 match "again" is not used (duplicate/overlapping match in rule #0)',
        "virtualService rule #1 not used (all matches used by prior rules)",
    ]


def test_a_longer_prefix_after_a_shorter_one_is_ineffective() -> None:
    http = [
        _routed({"uri": {"prefix": "/a"}}),
        _routed({"uri": {"prefix": "/a/b"}, "port": 80}),
        _routed({"uri": {"prefix": "/a/c"}}),
    ]

    assert [warning.path for warning in _warnings("VirtualService", {"hosts": ["a"], "http": http})] == [
        "spec.http[2].match[0]"
    ]


@pytest.mark.parametrize(
    "later",
    [
        {"method": {"exact": "POST"}},
        {"authority": {"exact": "b"}},
        {"headers": {"x": {}}},
        {"queryParams": {"x": {}}},
        {"withoutHeaders": {"x": {}}},
    ],
)
def test_a_longer_prefix_that_asks_for_something_else_is_reached(later: Object) -> None:
    http = [_routed({"uri": {"prefix": "/a"}}), _routed({"uri": {"prefix": "/a/b"}, **later})]

    assert _warnings("VirtualService", {"hosts": ["a"], "http": http}) == []


def test_warnings_about_subsets_and_ports_are_dropped_as_istio_drops_them() -> None:
    policy = {"outlierDetection": {"consecutiveErrors": 1}}

    assert len(_warnings("DestinationRule", {"host": "a", "trafficPolicy": policy})) == 1
    assert _warnings("DestinationRule", {"host": "a", "subsets": [{"name": "v", "trafficPolicy": policy}]}) == []
    ports = {"portLevelSettings": [{"port": {"number": 1}, **policy}]}
    assert _warnings("DestinationRule", {"host": "a", "trafficPolicy": ports}) == []


@pytest.mark.parametrize(("size", "is_prime"), [(2, True), (9, False), (65537, True), (4999999, True), (2047, False)])
def test_a_maglev_table_has_a_prime_size(size: int, is_prime: bool) -> None:
    policy = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x", "maglev": {"tableSize": size}}}}

    assert _errors("DestinationRule", {"host": "a", "trafficPolicy": policy}) == (
        []
        if is_prime
        else [
            (
                "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize",
                "tableSize must be a prime number for maglev",
            )
        ]
    )


@pytest.mark.parametrize(
    ("localities", "complaint"),
    [
        (["a", "b/*"], None),
        (["a/x", "a/y"], None),
        (["a", "a/x"], "locality a/x overlap with previous specified ones"),
        (["a/x/1", "a/x"], "locality a/x overlap with previous specified ones"),
        (["*", "b"], "locality b overlap with previous specified ones"),
        (["a*b"], "locality a*b wildcard '*' number can not exceed 1 and must be in the end"),
        (["a//b"], "locality a//b must not contain empty region/zone/subzone info"),
    ],
)
def test_localities_do_not_overlap(localities: list[str], complaint: str | None) -> None:
    distribute = [{"from": locality, "to": {"x": 100}} for locality in localities]
    policy = {"loadBalancer": {"localityLbSetting": {"distribute": distribute}}}

    messages = [message for _, message in _errors("DestinationRule", {"host": "a", "trafficPolicy": policy})]

    assert messages == ([] if complaint is None else [complaint])


@pytest.mark.parametrize(
    ("credential", "complaint"),
    [
        ("configmap://default/ca", None),
        ("configmap://ca", 'invalid resource name "configmap://ca". Expected namespace and name'),
        ("configmap:///ca", 'invalid resource name "configmap:///ca". Expected namespace'),
        ("configmap://default/", 'invalid resource name "configmap://default/". Expected name'),
        ("configmap://other/ca", 'namespace must match the configuration namespace "default"'),
    ],
)
def test_a_config_map_of_certificates_is_in_the_rules_namespace(credential: str, complaint: str | None) -> None:
    policy = {"tls": {"mode": "SIMPLE", "credentialName": credential}}

    messages = [message for _, message in _errors("DestinationRule", {"host": "a", "trafficPolicy": policy})]

    assert messages == ([] if complaint is None else [f"invalid configmap:// credentialName: {complaint}"])


_ENDPOINTS = (
    "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath "
    "or unset"
)


def _sidecar(**spec: Any) -> list[str]:
    return [message for _, message in _errors("Sidecar", spec)]


def test_a_sidecar_says_something() -> None:
    assert _sidecar() == ["sidecar: empty configuration provided"]
    assert _sidecar(egress=[{"hosts": ["./*", "istio-system/*"]}]) == []


def test_a_sidecars_listeners_have_ports_of_their_own() -> None:
    listener = {"port": {"number": 80, "protocol": "HTTP"}, "defaultEndpoint": "127.0.0.1:8080"}

    assert _sidecar(ingress=[listener, listener]) == ["sidecar: ports on IP bound listeners must be unique"]
    assert _sidecar(ingress=[{}]) == ["sidecar: port is required for ingress listeners"]
    assert _sidecar(egress=[{"hosts": ["*/*"]}, {"hosts": ["*/*"], "port": {"number": 1}}]) == [
        "sidecar: the egress listener with empty port should be the last listener in the list"
    ]


@pytest.mark.parametrize(
    ("endpoint", "complaints"),
    [
        (":80", []),
        ("[::1]:80", []),
        ("unix:///var/run/x.sock", []),
        ("unix://x", ["x is not an absolute path to a file"]),
        ("10.0.0.1:80", [_ENDPOINTS]),
        ("127.0.0.1:0", ["port number 0 must be in the range 1..65535"]),
        (":x", ['sidecar: defaultEndpoint port (x) is not a number: strconv.Atoi: parsing "x": invalid syntax']),
    ],
)
def test_an_application_listens_on_this_machine(endpoint: str, complaints: list[str]) -> None:
    assert _sidecar(ingress=[{"port": {"number": 80}, "defaultEndpoint": endpoint}]) == complaints


def test_egress_hosts_name_a_namespace() -> None:
    assert _sidecar(egress=[{"hosts": ["reviews", "/a.b", "N_S/a.b", "a/short"]}]) == [
        "host must be of form namespace/dnsName",
        "config namespace and dnsName in host entry cannot be empty",
        'invalid namespace value "N_S" in sidecar',
        "short names (non FQDN) are not allowed",
    ]
    warnings = _warnings("Sidecar", {"egress": [{"hosts": ["a/x.y", "a/*", "*/*"]}]})
    assert [warning.message for warning in warnings] == [
        "duplicated egress host: a/*",
        "`*/*` host select all resources, no other hosts can be added",
    ]


def test_an_egress_proxy_needs_allow_any_and_a_port() -> None:
    proxy = {"host": "egress.mesh"}

    assert _sidecar(outboundTrafficPolicy={"egressProxy": proxy}) == [
        "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode"
    ]
    assert _sidecar(outboundTrafficPolicy={"mode": "ALLOW_ANY", "egressProxy": proxy}) == [
        "sidecar: egress_proxy port must be non-nil"
    ]


def test_a_workload_entry_has_an_address_or_a_network() -> None:
    assert _errors("WorkloadEntry", {}) == [("spec", "address is required")]
    assert _errors("WorkloadEntry", {"network": "n"}) == []
    assert _errors("WorkloadEntry", {"address": "unix://x", "ports": {"a": 1}}) == [
        ("spec.address", "x is not an absolute path to a file"),
        ("spec.ports", "unix endpoint unix://x must not include ports"),
    ]
