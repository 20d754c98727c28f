import pytest

from meshsim.api.validate.findings import Finding
from meshsim.api.validate.names import (
    check_export_to,
    check_gateway_names,
    check_labels,
    domain_error,
    gateway_domain_error,
    host_covers,
    hosts_overlap,
    ip_subnet_error,
    wildcard_domain_error,
)


@pytest.mark.parametrize("domain", ["a", "a.b", "a.b.", "A-1.example.com"])
def test_a_domain_is_made_of_labels_and_may_end_with_a_dot(domain: str) -> None:
    assert domain_error(domain) is None


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [
        ("", "empty domain name not allowed"),
        ("a..b", 'domain name "a..b" invalid (label "" invalid)'),
        ("a_b.c", 'domain name "a_b.c" invalid (label "a_b" invalid)'),
        ("1.2.3.4", 'domain name "1.2.3.4" invalid (top level domain "4" cannot be all-numeric)'),
        ("a" * 64, f'domain name "{"a" * 64}" invalid (label "{"a" * 64}" invalid)'),
        ("a." * 128, f'domain name "{"a." * 128}" too long (max 255)'),
    ],
)
def test_a_wrong_domain_is_named_with_its_wrong_label(domain: str, complaint: str) -> None:
    assert domain_error(domain) == complaint


@pytest.mark.parametrize("host", ["*", "*.com", "*-canary.example.com", "*x.com"])
def test_a_wildcard_may_only_begin_a_host(host: str) -> None:
    assert wildcard_domain_error(host) is None
    assert wildcard_domain_error(f"a.{host}") is not None


def test_istios_own_names_are_hosts_only_where_sni_is_matched() -> None:
    own = "outbound_.80_._.e2e.foobar.mesh"

    assert gateway_domain_error(own, is_sni=True) is None
    assert gateway_domain_error(own, is_sni=False) is not None
    assert "should follow" in str(gateway_domain_error("outbound_.80", is_sni=True))
    assert "should follow" in str(gateway_domain_error("outbound_.x_._.host", is_sni=True))


@pytest.mark.parametrize(
    ("one", "other", "overlap", "covers"),
    [
        ("*", "a.com", True, True),
        ("*.com", "*.a.com", True, True),
        ("*.a.com", "*.com", True, False),
        ("a.com", "*.com", True, False),
        ("*.a.com", "a.com", False, False),
        ("a.com", "a.com", True, True),
        ("a.com", "b.com", False, False),
    ],
)
def test_wildcard_hosts_overlap_when_one_name_can_be_both(one: str, other: str, overlap: bool, covers: bool) -> None:
    assert hosts_overlap(one, other) is overlap
    assert host_covers(one, other) is covers


@pytest.mark.parametrize("subnet", ["10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::1", "0.0.0.0/0"])
def test_a_subnet_is_an_address_or_a_block(subnet: str) -> None:
    assert ip_subnet_error(subnet) is None


@pytest.mark.parametrize("subnet", ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "::/129", "a/8", "1.2.3"])
def test_a_block_with_a_wrong_length_is_no_subnet(subnet: str) -> None:
    assert ip_subnet_error(subnet) is not None


def test_labels_are_judged_key_by_key() -> None:
    labels = {"app.kubernetes.io/name": "web", "a b": "x", "k": "not a value", f"{'p' * 254}/k": "", "n" * 64: ""}

    assert [finding.message for finding in check_labels("spec.labels", labels)] == [
        'invalid tag key: "a b"',
        'invalid tag value: "not a value"',
        f'invalid tag key: "{"p" * 254}/k" (DNS prefix is too long)',
        f'invalid tag key: "{"n" * 64}" (name is too long)',
    ]


@pytest.mark.parametrize(
    ("export_to", "complaint"),
    [
        (("*",), None),
        ((".", "other"), None),
        ((".", "default"), "duplicate entries in exportTo for entry default"),
        (("default", "."), "duplicate entries in exportTo: . and current namespace default"),
        (("*", "other"), "cannot have both public (*) and non-public exportTo values for a resource"),
        (("~",), "exportTo ~ (none) is not allowed for Istio configuration objects"),
        (("a.b",), "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"),
    ],
)
def test_an_object_is_exported_to_everybody_or_to_named_namespaces(
    export_to: tuple[str, ...], complaint: str | None
) -> None:
    messages = [finding.message for finding in check_export_to("spec.exportTo", export_to, "default")]

    assert messages == ([] if complaint is None else [complaint])


def test_the_first_gateway_without_a_namespace_ends_the_check() -> None:
    findings = list(check_gateway_names("spec.gateways", ["a/b", "gw.ns.svc.cluster.local", "c/D_"]))

    assert [finding.is_warning for finding in findings] == [True]
    assert findings[0].message.endswith('prefer the <namespace>/<name> format: "ns/gw"')
    assert next(check_gateway_names("g", ["/x"])) == Finding(
        "g[0]", "config namespace and gateway name cannot be empty"
    )
