"""Names as Istio checks them: DNS labels, domains, wildcard hosts, label keys and values, addresses, exportTo."""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

from meshsim.api.validate.findings import Finding, Findings, error_if, listed
from meshsim.api.validate.gotext import parse_int, quote

_LABEL: Final = "[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_LABEL_MAX: Final = 63
_NAME_MAX: Final = 255
_PREFIX_MAX: Final = 253
_DNS_LABEL: Final = re.compile(_LABEL)
_WILDCARD_LABEL: Final = re.compile(rf"\*|(?:\*|\*-)?{_LABEL}")
_QUALIFIED: Final = "(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_KEY: Final = re.compile(rf"({_LABEL}(?:\.{_LABEL})*/)?({_QUALIFIED})")
_LABEL_VALUE: Final = re.compile(rf"(?:{_QUALIFIED})?")


def is_dns_label(text: str) -> bool:
    """A DNS label (RFC 1123); Istio allows upper case."""
    return len(text) <= _LABEL_MAX and _DNS_LABEL.fullmatch(text) is not None


def is_ip_address(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def domain_error(domain: str) -> str | None:
    """What is wrong with a fully qualified domain name."""
    return _length_error(domain) or _labels_error(domain)


def wildcard_domain_error(domain: str) -> str | None:
    """What is wrong with a domain whose first label may be or begin with `*`."""
    error = _length_error(domain)
    if error:
        return error
    first, dot, rest = domain.partition(".")
    if len(first) > _LABEL_MAX or not _WILDCARD_LABEL.fullmatch(first):
        return f"domain name {quote(domain)} invalid (label {quote(first)} invalid)"
    return _labels_error(rest) if dot else None


_SNI_FORMAT: Final = "outbound_.<PORT>_._.<HOSTNAME>"


def gateway_domain_error(domain: str, *, is_sni: bool) -> str | None:
    """What is wrong with a host bound to a gateway; with SNI matches Istio's own `outbound_.80_._.host` is allowed."""
    error = _length_error(domain)
    if error or not (is_sni and domain.startswith("outbound_")):
        return error or wildcard_domain_error(domain)
    parts = domain.split("_")
    if len(parts) < 4:
        return f"domain name {domain} invalid, should follow '{_SNI_FORMAT}' format"
    port, host = parts[1].strip("."), parts[3].strip(".")
    for part, pattern in ((port, "[0-9]"), (host, "[a-zA-Z]")):
        if not re.search(pattern, part):
            return (
                f"domain name {quote(domain)} invalid (label {quote(part)} invalid). should follow {_SNI_FORMAT} format"
            )
    return None


def _length_error(domain: str) -> str | None:
    if len(domain.encode()) > _NAME_MAX:
        return f"domain name {quote(domain)} too long (max 255)"
    return None if domain else "empty domain name not allowed"


def _labels_error(domain: str) -> str | None:
    labels = domain.split(".")
    if parse_int(labels[-1]) is not None:
        return f"domain name {quote(domain)} invalid (top level domain {quote(labels[-1])} cannot be all-numeric)"
    if labels[-1] == "":
        labels.pop()
    bad = next((label for label in labels if not is_dns_label(label)), None)
    return None if bad is None else f"domain name {quote(domain)} invalid (label {quote(bad)} invalid)"


def partial_wildcard_error(host: str) -> str | None:
    """A `*` may only stand for a whole first label."""
    if "*" in host and len(host) != 1 and not host.startswith("*."):
        return f"partial wildcard {quote(host)} not allowed"
    return None


def port_error(port: int) -> str | None:
    """A TCP port."""
    return None if 1 <= port <= 65535 else f"port number {port} must be in the range 1..65535"


def ip_address_error(address: str) -> str | None:
    """An IP address."""
    return None if is_ip_address(address) else f"{address} is not a valid IP"


def ip_subnet_error(subnet: str) -> str | None:
    """An IP address or a CIDR block."""
    if subnet.count("/") != 1:
        return ip_address_error(subnet)
    address, _, bits = subnet.partition("/")
    longest = 128 if ":" in address else 32
    is_length = bits.isascii() and bits.isdigit() and (bits == "0" or not bits.startswith("0"))
    if is_ip_address(address) and "%" not in address and is_length and len(bits) <= 3 and int(bits) <= longest:
        return None
    return f"{subnet} is not a valid CIDR block"


def unix_address_error(path: str) -> str | None:
    """The path of a Unix domain socket, or an abstract one beginning with `@`."""
    if not path:
        return "unix address must not be empty"
    if path.startswith("@") or (path.startswith("/") and not path.endswith("/")):
        return None
    return f"{path} is not an absolute path to a file"


def port_name_error(name: str) -> str | None:
    """The name of a port."""
    return None if is_dns_label(name) else f"invalid port name: {name}"


def subset_name_error(name: str) -> str | None:
    """The name of a subset: a DNS label, so no dots."""
    if not name:
        return "subset name cannot be empty"
    return None if is_dns_label(name) else f"subset name is invalid: {name}"


def check_labels(path: str, labels: Mapping[str, str]) -> Findings:
    """Label keys and values."""
    for key, value in labels.items():
        error = _label_key_error(key)
        if error:
            yield listed(path, error)
        if not _LABEL_VALUE.fullmatch(value):
            yield listed(path, f"invalid tag value: {quote(value)}")


def _label_key_error(key: str) -> str | None:
    found = _LABEL_KEY.fullmatch(key)
    if found is None:
        return f"invalid tag key: {quote(key)}"
    if found[1] and len(found[1]) - 1 > _PREFIX_MAX:
        return f"invalid tag key: {quote(key)} (DNS prefix is too long)"
    return f"invalid tag key: {quote(key)} (name is too long)" if len(found[2]) > _LABEL_MAX else None


def check_export_to(
    path: str, export_to: tuple[str, ...], namespace: str, *, may_be_hidden: bool = False, has_selector: bool = False
) -> Findings:
    """`exportTo`: no entry twice, `*` and `~` only alone; with a workload selector only the own namespace.

    `may_be_hidden` allows `~`, as a ServiceEntry does.
    """
    seen: set[str] = set()
    for index, entry in enumerate(export_to):
        at = f"{path}[{index}]"
        key = namespace if entry == "." else entry
        if key in seen:
            which = f": . and current namespace {namespace}" if key != entry else f" for entry {entry}"
            yield Finding(at, f"duplicate entries in exportTo{which}")
            continue
        error = None if may_be_hidden and entry == "~" else _visibility_error(key)
        if error:
            yield Finding(at, error)
        else:
            seen.add(key)
    yield from _check_visibilities_together(path, len(export_to), seen, namespace if has_selector else None)


def _check_visibilities_together(path: str, count: int, seen: set[str], only: str | None) -> Findings:
    if only is not None and seen:
        if only not in seen:
            yield Finding(path, "destination rule with workload selector cannot have exportTo beyond current namespace")
        elif len(seen) > 1:
            yield Finding(path, "destination rule with workload selector cannot have multiple entries in exportTo")
    if count > 1 and "*" in seen:
        yield Finding(path, "cannot have both public (*) and non-public exportTo values for a resource")
    if count > 1 and "~" in seen:
        yield Finding(path, "cannot export service entry to no one (~) and someone")


def _visibility_error(entry: str) -> str | None:
    if entry in (".", "*") or is_dns_label(entry):
        return None
    if entry == "~":
        return "exportTo ~ (none) is not allowed for Istio configuration objects"
    return "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"


def check_selector_labels(path: str, labels: Mapping[str, str]) -> Findings:
    """Labels of a workload selector: no empty key, no wildcard."""
    for key, value in labels.items():
        pair = quote(f"{key}={value}")
        if not key:
            yield Finding(path, f"empty key is not supported in selector: {pair}")
        if "*" in key or "*" in value:
            yield Finding(path, f"wildcard is not supported in selector: {pair}")


def hosts_overlap(one: str, other: str) -> bool:
    """Whether two hosts, each perhaps a wildcard, can name the same host."""
    if one.startswith("*") and other.startswith("*"):
        short, long = sorted((one, other), key=len)
        return long[1:].endswith(short[1:])
    return host_covers(one, other) or host_covers(other, one)


def host_covers(pattern: str, host: str) -> bool:
    """Whether every host that `host` stands for is one that `pattern` stands for."""
    if not pattern.startswith("*"):
        return pattern == host
    if host.startswith("*"):
        return len(host) >= len(pattern) and host[1:].endswith(pattern[1:])
    return host.endswith(pattern[1:])


def check_gateway_names(path: str, names: Iterable[str]) -> Findings:
    """References to gateways: `name` or `namespace/name`. The first name without a namespace ends the check."""
    for index, name in enumerate(names):
        at = f"{path}[{index}]"
        namespace, slash, gateway = name.partition("/")
        if not slash:
            if "." in name:
                owner = name.split(".")
                better = quote(f"{owner[1]}/{owner[0]}")
                text = f"using legacy gatewayName format {quote(name)}; prefer the <namespace>/<name> format: {better}"
                yield Finding(at, text, is_warning=True)
            yield from error_if(at, domain_error(name))
            return
        if not namespace or not gateway:
            yield Finding(at, "config namespace and gateway name cannot be empty")
        if not is_dns_label(namespace):
            yield Finding(at, f"invalid value for namespace: {quote(namespace)}")
        if not is_dns_label(gateway):
            yield Finding(at, f"invalid value for gateway name: {quote(gateway)}")
