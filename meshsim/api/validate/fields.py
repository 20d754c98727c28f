"""Kubernetes' field errors (`spec.x: Invalid value: …`) and its checks of names, labels and selectors."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from meshsim.api.decode import Wire, encode, write_json
from meshsim.api.meta import LabelSelector, SelectorRequirement
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.gotext import quote

NOT_NEGATIVE: Final = "must be greater than or equal to 0"


def required(path: str, detail: str = "") -> Finding:
    """A field is missing."""
    return Finding(path, f"Required value: {detail}" if detail else "Required value")


def invalid(path: str, value: object, detail: str) -> Finding:
    """A field holds what it may not; the value is shown as JSON."""
    return Finding(path, f"Invalid value: {shown(value)}: {detail}")


def duplicate(path: str, value: object) -> Finding:
    """A value stands twice."""
    return Finding(path, f"Duplicate value: {shown(value)}")


def not_supported(path: str, value: str, supported: Iterable[str], *, in_order: bool = False) -> Finding:
    """A value is none of a few, which Kubernetes names sorted, or in their own order."""
    choices = ", ".join(map(quote, supported if in_order else sorted(supported)))
    return Finding(path, f"Unsupported value: {quote(value)}: supported values: {choices}")


def forbidden(path: str, detail: str) -> Finding:
    """A field may not be there."""
    return Finding(path, f"Forbidden: {detail}")


def internal_error(path: str, detail: str) -> Finding:
    """What Argo calls an internal error although a person made it."""
    return Finding(path, f"Internal error: {detail}")


def shown(value: object) -> str:
    """A value inside a message: text in quotes, everything else as JSON."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Wire):
        value = encode(value)
    return write_json(msgspec.to_builtins(value)).decode()


def check_not_negative(path: str, value: int) -> Findings:
    """A count or a number of seconds."""
    if value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def check_local_path(path: str, inner: str) -> Findings:
    """A path that may not lead out of where it begins."""
    if inner.startswith("/"):
        yield invalid(path, inner, "must be a relative path")
    if ".." in inner.split("/"):
        yield invalid(path, inner, "must not contain '..'")


_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_NAME: Final = re.compile(_QUALIFIED)
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL: Final = re.compile(_LABEL)
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_DNS_SUBDOMAIN: Final = re.compile(_SUBDOMAIN)
_WORDS: Final = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"


def _used(pattern: str, *examples: str) -> str:
    quoted = ",  or ".join(f"'{example}'" for example in examples)
    return f"(e.g. {quoted}, regex used for validation is '{pattern}')"


def dns_label_errors(text: str) -> list[str]:
    """What is wrong with a lower-case DNS label, such as a container's name."""
    errors = ["must be no more than 63 characters"] if len(text) > 63 else []
    if "." in text and _DNS_SUBDOMAIN.fullmatch(text):
        errors.append("must not contain dots")
    elif not _DNS_LABEL.fullmatch(text):
        what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start"
        errors.append(f"{what} and end with an alphanumeric character {_used(_LABEL, 'my-name', '123-abc')}")
    return errors


def dns_subdomain_errors(text: str) -> list[str]:
    """What is wrong with the name of an object."""
    errors = ["must be no more than 253 characters"] if len(text) > 253 else []
    if not _DNS_SUBDOMAIN.fullmatch(text):
        errors.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            f"start and end with an alphanumeric character {_used(_SUBDOMAIN, 'example.com')}"
        )
    return errors


_DNS_1035: Final = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")


def service_name_errors(text: str) -> list[str]:
    """What is wrong with the name of a Service, which may not begin with a digit."""
    errors = ["must be no more than 63 characters"] if len(text) > 63 else []
    if not _DNS_1035.fullmatch(text):
        errors.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            f"character, and end with an alphanumeric character {_used(_DNS_1035.pattern, 'my-name', 'abc-123')}"
        )
    return errors


def check_name(group: str, kind: str, name: str) -> Findings:
    """The name of an object of that kind, as the API takes it."""
    errors = {("", "Service"): service_name_errors, ("", "Namespace"): dns_label_errors}.get(
        (group, kind), dns_subdomain_errors
    )
    return (invalid("metadata.name", name, error) for error in errors(name))


def qualified_name_errors(text: str) -> list[str]:
    """What is wrong with the key of a label or an annotation: `prefix/name` or `name`."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        used = _used(_QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"a qualified name {_WORDS} character {used} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"]  # fmt: skip
    errors = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif slash and (len(prefix) > 253 or not _DNS_SUBDOMAIN.fullmatch(prefix)):
        what = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
        used = _used(_SUBDOMAIN, "example.com")
        errors.append(f"{what} '.', and must start and end with an alphanumeric character {used}")
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 characters")
    if not _QUALIFIED_NAME.fullmatch(name):
        errors.append(f"name part {_WORDS} character {_used(_QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return errors


def label_value_errors(text: str) -> list[str]:
    """What is wrong with the value of a label."""
    errors = ["must be no more than 63 characters"] if len(text) > 63 else []
    if text and not _QUALIFIED_NAME.fullmatch(text):
        used = _used(f"({_QUALIFIED})?", "MyValue", "my_value", "12345")
        errors.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            f"start and end with an alphanumeric character {used}"
        )
    return errors


def check_labels(path: str, labels: Mapping[str, str]) -> Findings:
    """The labels of an object."""
    for key, value in labels.items():
        yield from check_label_name(path, key)
        for error in label_value_errors(value):
            yield invalid(path, value, error)


def check_annotations(path: str, annotations: Mapping[str, str]) -> Findings:
    """The annotations of an object; upper case is allowed in their keys' prefix."""
    for key in annotations:
        for error in qualified_name_errors(key.lower()):
            yield invalid(path, key, error)
    if sum(len(key) + len(value) for key, value in annotations.items()) > 256 * 1024:
        yield Finding(path, "Too long: may not be more than 262144 bytes")


def check_selector(path: str, selector: LabelSelector) -> Findings:
    """The syntax of a label selector."""
    yield from check_labels(f"{path}.matchLabels", selector.match_labels)
    for index, line in enumerate(selector.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        yield from check_requirement(at, line)
        yield from check_label_values(f"{at}.values", line.values)


def check_requirement(path: str, line: SelectorRequirement, *, compares: bool = False) -> Findings:
    """Operator and key of one line of a selector; one of nodes also compares numbers."""
    if line.operator in ("In", "NotIn"):
        if not line.values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif line.operator in ("Exists", "DoesNotExist"):
        if line.values:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif compares and line.operator in ("Gt", "Lt"):
        if len(line.values) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", line.operator, "not a valid selector operator")
    yield from check_label_name(f"{path}.key", line.key)


def check_label_name(path: str, name: str) -> Findings:
    """The key of a label."""
    return (invalid(path, name, error) for error in qualified_name_errors(name))


def check_label_values(path: str, values: Sequence[str]) -> Findings:
    """Values that a label may have."""
    for index, value in enumerate(values):
        for error in label_value_errors(value):
            yield invalid(f"{path}[{index}]", value, error)


def is_usable(selector: LabelSelector) -> bool:
    """Whether the selector can select anything at all: its operators, keys and values are well formed."""
    return next(check_selector("", selector), None) is None
