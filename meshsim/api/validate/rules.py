"""The CEL rules of the shipped CRDs, each as the function that it is: rule text → whether a value keeps it.

A CEL interpreter would be a program of its own for some twenty fixed rules; a test holds this table to the schemas.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from meshsim.api.validate.durations import MILLISECOND_NS
from meshsim.api.validate.gotext import GoDurationError, nanoseconds

Rule = Callable[[Any], bool]


def _is_long_enough(value: str) -> bool:
    try:
        return nanoseconds(value) >= MILLISECOND_NS
    except GoDurationError:
        return False


def _at_most_one(*fields: str) -> tuple[str, Rule]:
    counts = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return f"{counts} <= 1", lambda value: sum(_has(value, field) for field in fields) <= 1


def _has(value: Mapping[str, Any], field: str) -> bool:
    return value.get(field) is not None


_UNIX: Final = "unix://"
_PORT_NAME: Final = re.compile("[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")


def _is_socket_path(address: str) -> bool:
    return not address.startswith(_UNIX) or address[len(_UNIX) :][:1] in ("/", "@")


def _has_no_ports_on_a_socket(endpoint: Mapping[str, Any]) -> bool:
    return not str(endpoint.get("address") or "").startswith(_UNIX) or not _has(endpoint, "ports")


def _has_cidrs_only_where_allowed(spec: Mapping[str, Any]) -> bool:
    has_cidr = any("/" in address for address in spec.get("addresses") or ())
    return not has_cidr or (spec.get("resolution") or "NONE") in ("STATIC", "NONE")


def _has_one_endpoint_for_round_robin(spec: Mapping[str, Any]) -> bool:
    return spec.get("resolution") != "DNS_ROUND_ROBIN" or len(spec.get("endpoints") or ()) <= 1


def _has_unique_numbers(ports: list[Mapping[str, Any]]) -> bool:
    numbers = [port.get("number") for port in ports]
    return len(set(numbers)) == len(numbers)


RULES: Final[Mapping[str, Rule]] = dict((
    _at_most_one("tlsCertificates", "credentialNames"),
    _at_most_one("credentialName", "credentialNames"),
    _at_most_one("credentialNames", "tlsCertificates"),
    _at_most_one("workloadSelector", "endpoints"),
    ("duration(self) >= duration('1ms')", _is_long_enough),
    ('!self.contains("*")', lambda text: "*" not in text),
    ('self.all(key, !key.contains("*"))', lambda labels: not any("*" in key for key in labels)),
    ("self.all(key, key.size() != 0)", lambda labels: "" not in labels),
    (
        'self.startsWith("unix://") ? (self.substring(7, 8) == "/" || self.substring(7, 8) == "@") : true',
        _is_socket_path,
    ),
    (
        'self.startsWith("unix://") ? !self.endsWith("/") : true',
        lambda address: not (address.startswith(_UNIX) and address.endswith("/")),
    ),
    ("0 < self && self <= 65535", lambda port: 0 < port <= 65535),
    (
        'self.all(key, size(key) < 63 && key.matches("^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$"))',
        lambda ports: all(len(name) < 63 and _PORT_NAME.fullmatch(name) for name in ports),
    ),
    (
        "has(self.address) || has(self.network)",
        lambda endpoint: _has(endpoint, "address") or _has(endpoint, "network"),
    ),
    (
        '(has(self.address) ? self.address : "").startsWith("unix://") ? !has(self.ports) : true',
        _has_no_ports_on_a_socket,
    ),
    # About changes: a new object can't break it.
    ("self == oldSelf", lambda _: True),
    ('self != "*"', lambda host: host != "*"),
    ("self.all(l1, self.exists_one(l2, l1.number == l2.number))", _has_unique_numbers),
    (
        '!((has(self.addresses) ? self.addresses : []).exists(k, k.contains("/")) && '
        '!((has(self.resolution) ? self.resolution : "NONE") in ["STATIC", "NONE"]))',
        _has_cidrs_only_where_allowed,
    ),
    (
        '((has(self.resolution) ? self.resolution : "NONE") == "NONE") ? !has(self.endpoints) : true',
        lambda spec: (spec.get("resolution") or "NONE") != "NONE" or not _has(spec, "endpoints"),
    ),
    (
        '((has(self.resolution) ? self.resolution : "") == "DNS_ROUND_ROBIN") ? '
        "((has(self.endpoints) ? self.endpoints : []).size() <= 1) : true",
        _has_one_endpoint_for_round_robin,
    ),
))  # fmt: skip


def keeps(rule: str, value: Any) -> bool:
    """Whether a value of the right type keeps a rule; parts of it may still have wrong types."""
    try:
        return RULES[rule](value)
    except (TypeError, AttributeError):
        # The schema has already named the part that is of a wrong type.
        return True
