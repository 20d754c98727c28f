"""DestinationRules as Istio's webhook judges them."""

from meshsim.api.networking import DestinationRule, Subset, WorkloadSelector
from meshsim.api.validate.findings import Finding, Findings, error_if, errors_only, warning
from meshsim.api.validate.names import (
    check_export_to,
    check_labels,
    check_selector_labels,
    subset_name_error,
    wildcard_domain_error,
)
from meshsim.api.validate.traffic_policy import check_traffic_policy


def check_destination_rule(rule: DestinationRule) -> Findings:
    """All of a DestinationRule, errors and warnings in Istio's order."""
    spec, namespace = rule.spec, rule.metadata.namespace
    yield from error_if("spec.host", wildcard_domain_error(spec.host))
    yield from check_traffic_policy("spec.trafficPolicy", spec.traffic_policy, namespace)
    seen: set[str] = set()
    for index, subset in enumerate(spec.subsets):
        at = f"spec.subsets[{index}]"
        if subset.name in seen:
            yield Finding(f"{at}.name", f"duplicate subset names: {subset.name}")
        seen.add(subset.name)
        yield from errors_only(_check_subset(at, subset, namespace))
    has_selector = spec.workload_selector is not None
    yield from check_export_to("spec.exportTo", spec.export_to, namespace, has_selector=has_selector)
    yield from _check_selector("spec.workloadSelector", spec.workload_selector)


def _check_subset(path: str, subset: Subset, namespace: str) -> Findings:
    yield from error_if(f"{path}.name", subset_name_error(subset.name))
    yield from check_labels(f"{path}.labels", subset.labels)
    yield from check_traffic_policy(f"{path}.trafficPolicy", subset.traffic_policy, namespace)


def _check_selector(path: str, selector: WorkloadSelector | None) -> Findings:
    if selector is None:
        return
    yield from check_selector_labels(f"{path}.matchLabels", selector.match_labels)
    if not selector.match_labels:
        yield warning(path, "workload selector specified without labels")
