"""Where pods may run, as Kubernetes judges it: affinity, tolerations, topology spread constraints."""

from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.meta import LabelSelector, SelectorRequirement
from meshsim.api.validate.fields import (
    check_label_name,
    check_label_values,
    check_requirement,
    check_selector,
    dns_label_errors,
    dns_subdomain_errors,
    duplicate,
    forbidden,
    invalid,
    label_value_errors,
    not_supported,
    required,
)
from meshsim.api.validate.findings import Findings

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


class Toleration(Wire, frozen=True):
    """A taint that a pod puts up with."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class _NodeTerm(Wire, frozen=True):
    match_expressions: tuple[SelectorRequirement, ...] = ()
    match_fields: tuple[SelectorRequirement, ...] = ()


class _NodeSelector(Wire, frozen=True):
    node_selector_terms: tuple[_NodeTerm, ...] = ()


class _PreferredNodeTerm(Wire, frozen=True):
    weight: int = 0
    preference: _NodeTerm = _NodeTerm()


class _NodeAffinity(Wire, frozen=True):
    required_during_scheduling_ignored_during_execution: _NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[_PreferredNodeTerm, ...] = ()


class _PodTerm(Wire, frozen=True):
    label_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()
    topology_key: str = ""


class _WeightedPodTerm(Wire, frozen=True):
    weight: int = 0
    pod_affinity_term: _PodTerm = _PodTerm()


class _PodAffinity(Wire, frozen=True):
    required_during_scheduling_ignored_during_execution: tuple[_PodTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[_WeightedPodTerm, ...] = ()


class Affinity(Wire, frozen=True):
    """Nodes and pods that a pod wants to be near to, or far from."""

    node_affinity: _NodeAffinity | None = None
    pod_affinity: _PodAffinity | None = None
    pod_anti_affinity: _PodAffinity | None = None


class SpreadConstraint(Wire, frozen=True):
    """How unevenly pods may be spread."""

    max_skew: int = 0
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    match_label_keys: tuple[str, ...] = ()


_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def check_tolerations(path: str, tolerations: Sequence[Toleration]) -> Findings:
    """`tolerations` of a pod."""
    for index, toleration in enumerate(tolerations):
        at, effect = f"{path}[{index}]", toleration.effect
        if toleration.key:
            yield from check_label_name(f"{at}.key", toleration.key)
        elif toleration.operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{at}.operator", toleration.operator, text)
        if toleration.toleration_seconds is not None and effect != "NoExecute":
            yield invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _check_tolerated(f"{at}.operator", toleration.operator, toleration.value)
        if effect and effect not in _EFFECTS:
            yield not_supported(f"{at}.effect", effect, _EFFECTS, in_order=True)


def _check_tolerated(path: str, operator: str, value: str) -> Findings:
    """Kubernetes says of the operator what is wrong with the value."""
    if operator == "Exists":
        if value:
            yield invalid(path, value, "value must be empty when `operator` is 'Exists'")
    elif operator in ("Equal", ""):
        errors = label_value_errors(value)
        if errors:
            yield invalid(path, value, ";".join(errors))
    else:
        yield not_supported(path, operator, ("Equal", "Exists"))


def check_affinity(path: str, affinity: Affinity) -> Findings:
    """`affinity` of a pod."""
    if affinity.node_affinity is not None:
        yield from _check_node_affinity(f"{path}.nodeAffinity", affinity.node_affinity)
    for name, pods in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if pods is not None:
            yield from _check_pod_affinity(f"{path}.{name}", pods)


def _check_node_affinity(path: str, affinity: _NodeAffinity) -> Findings:
    selector = affinity.required_during_scheduling_ignored_during_execution
    if selector is not None:
        at = f"{path}.{_REQUIRED}.nodeSelectorTerms"
        if not selector.node_selector_terms:
            yield required(at, "must have at least one node selector term")
        for index, term in enumerate(selector.node_selector_terms):
            yield from _check_node_term(f"{at}[{index}]", term)
    for index, preferred in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.{_PREFERRED}[{index}]"
        yield from _check_weight(at, preferred.weight)
        yield from _check_node_term(f"{at}.preference", preferred.preference, with_values=False)


def _check_node_term(path: str, term: _NodeTerm, *, with_values: bool = True) -> Findings:
    for index, line in enumerate(term.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        yield from check_requirement(at, line, compares=True)
        if with_values:
            yield from check_label_values(f"{at}.values", line.values)
    for index, line in enumerate(term.match_fields):
        yield from _check_node_field(f"{path}.matchFields[{index}]", line)


def _check_node_field(path: str, line: SelectorRequirement) -> Findings:
    if line.operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", line.operator, "not a valid selector operator")
    elif len(line.values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", text)
    if line.key != "metadata.name":
        yield invalid(f"{path}.key", line.key, "not a valid field selector key")
        return
    for index, name in enumerate(line.values):
        yield from (invalid(f"{path}.values[{index}]", name, error) for error in dns_subdomain_errors(name))


def _check_pod_affinity(path: str, affinity: _PodAffinity) -> Findings:
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        yield from _check_pod_term(f"{path}.{_REQUIRED}[{index}]", term)
    for index, preferred in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.{_PREFERRED}[{index}]"
        yield from _check_weight(at, preferred.weight)
        yield from _check_pod_term(f"{at}.podAffinityTerm", preferred.pod_affinity_term)


def _check_weight(path: str, weight: int) -> Findings:
    if not 1 <= weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _check_pod_term(path: str, term: _PodTerm) -> Findings:
    for name, selector in (("labelSelector", term.label_selector), ("namespaceSelector", term.namespace_selector)):
        if selector is not None:
            yield from check_selector(f"{path}.{name}", selector)
    for namespace in term.namespaces:
        yield from (invalid(f"{path}.namespace", namespace, error) for error in dns_label_errors(namespace))
    yield from _check_term_label_keys(path, term)
    if not term.topology_key:
        yield required(f"{path}.topologyKey", _NOT_EMPTY)
    yield from check_label_name(f"{path}.topologyKey", term.topology_key)


def _check_term_label_keys(path: str, term: _PodTerm) -> Findings:
    for name, keys in (("matchLabelKeys", term.match_label_keys), ("mismatchLabelKeys", term.mismatch_label_keys)):
        if keys and term.label_selector is None:
            yield forbidden(f"{path}.{name}", _WITHOUT_SELECTOR)
            continue
        for index, key in enumerate(keys):
            yield from check_label_name(f"{path}.{name}[{index}]", key)
    for index, key in enumerate(term.match_label_keys):
        if key in term.mismatch_label_keys:
            yield invalid(f"{path}.matchLabelKeys[{index}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")


_WITHOUT_SELECTOR: Final = "must not be specified when labelSelector is not set"
_NOT_EMPTY: Final = "can not be empty"
_POSITIVE: Final = "must be greater than zero"
_WHEN_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_NODE_POLICIES: Final = ("Honor", "Ignore")


def check_spread_constraints(path: str, constraints: Sequence[SpreadConstraint]) -> Findings:
    """`topologySpreadConstraints` of a pod."""
    kinds = [(constraint.topology_key, constraint.when_unsatisfiable) for constraint in constraints]
    for index, constraint in enumerate(constraints):
        yield from _check_spread_constraint(f"{path}[{index}]", constraint, repeats=kinds[index] in kinds[index + 1 :])


def _check_spread_constraint(path: str, constraint: SpreadConstraint, *, repeats: bool) -> Findings:
    topology, action = constraint.topology_key, constraint.when_unsatisfiable
    if constraint.max_skew <= 0:
        yield invalid(f"{path}.maxSkew", constraint.max_skew, _POSITIVE)
    if not topology:
        yield required(f"{path}.topologyKey", _NOT_EMPTY)
    if action not in _WHEN_UNSATISFIABLE:
        yield not_supported(f"{path}.whenUnsatisfiable", action, _WHEN_UNSATISFIABLE)
    if repeats:
        yield duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}")
    yield from _check_min_domains(f"{path}.minDomains", constraint)
    for name, policy in (
        ("nodeAffinityPolicy", constraint.node_affinity_policy),
        ("nodeTaintsPolicy", constraint.node_taints_policy),
    ):
        if policy is not None and policy not in _NODE_POLICIES:
            yield not_supported(f"{path}.{name}", policy, _NODE_POLICIES)
    yield from _check_match_label_keys(f"{path}.matchLabelKeys", constraint)
    if constraint.label_selector is not None:
        yield from check_selector(f"{path}.labelSelector", constraint.label_selector)


def _check_min_domains(path: str, constraint: SpreadConstraint) -> Findings:
    least, action = constraint.min_domains, constraint.when_unsatisfiable
    if least is None:
        return
    if least <= 0:
        yield invalid(path, least, _POSITIVE)
    if action != "DoNotSchedule":
        yield invalid(path, least, f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}")


def _check_match_label_keys(path: str, constraint: SpreadConstraint) -> Findings:
    selector = constraint.label_selector
    if constraint.match_label_keys and selector is None:
        yield forbidden(path, _WITHOUT_SELECTOR)
    selected = {*selector.match_labels, *(line.key for line in selector.match_expressions)} if selector else set()
    for index, key in enumerate(constraint.match_label_keys):
        yield from check_label_name(f"{path}[{index}]", key)
        if key in selected:
            yield invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector")
