"""Pod templates as Kubernetes judges them for a ReplicaSet, as far as pods are emulated.

What is left out (rarer sources of volumes, Windows, …) counts as right: docs/fidelity.md.
"""

from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import FieldError, Object, Wire, decode
from meshsim.api.meta import LabelSelector
from meshsim.api.validate.containers import Container, check_containers, check_init_containers
from meshsim.api.validate.fields import (
    check_annotations,
    check_labels,
    dns_label_errors,
    dns_subdomain_errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.resolution import DnsConfig, HostAlias, check_dns_config, check_host_aliases
from meshsim.api.validate.scheduling import (
    Affinity,
    SpreadConstraint,
    Toleration,
    check_affinity,
    check_spread_constraints,
    check_tolerations,
)
from meshsim.api.validate.security import PodSecurity, check_pod_security


class _Metadata(Wire, frozen=True):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] = {}


class _HostPath(Wire, frozen=True):
    path: str = ""


class _ConfigMap(Wire, frozen=True):
    name: str = ""


class _Secret(Wire, frozen=True):
    secret_name: str = ""


class _Claim(Wire, frozen=True):
    claim_name: str = ""


class _Volume(Wire, frozen=True):
    name: str = ""
    empty_dir: Object | None = None
    host_path: _HostPath | None = None
    secret: _Secret | None = None
    persistent_volume_claim: _Claim | None = None
    config_map: _ConfigMap | None = None


class _PodSpec(Wire, frozen=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[_Volume, ...] = ()
    restart_policy: str = "Always"
    dns_policy: str = "ClusterFirst"
    node_selector: dict[str, str] = {}
    service_account_name: str = ""
    node_name: str = ""
    hostname: str = ""
    subdomain: str = ""
    priority_class_name: str = ""
    preemption_policy: str | None = None
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    security_context: PodSecurity = PodSecurity()
    affinity: Affinity = Affinity()
    dns_config: DnsConfig | None = None
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    host_aliases: tuple[HostAlias, ...] = ()


class _PodTemplate(Wire, frozen=True):
    metadata: _Metadata = _Metadata()
    spec: _PodSpec = _PodSpec()


def check_pod_template(path: str, template: Object, selector: LabelSelector | None) -> Findings:
    """A template of pods that a selector must select; no selector selects nothing."""
    try:
        pod = decode(_PodTemplate, template)
    except FieldError as error:
        yield Finding(f"{path}.{error.path}" if error.path else path, f"Invalid value: {error.message}")
        return
    given = pod.metadata.labels
    labels = given or {}
    if selector is None or not selector.matches(labels):
        at = f"{path}.metadata.labels"
        yield invalid(at, given and dict(sorted(given.items())), "`selector` does not match template `labels`")
    yield from check_labels(f"{path}.labels", labels)
    yield from check_annotations(f"{path}.annotations", pod.metadata.annotations)
    yield from _check_spec(f"{path}.spec", pod.spec)
    if pod.spec.restart_policy != "Always":
        yield not_supported(f"{path}.spec.restartPolicy", pod.spec.restart_policy, ["Always"])
    if pod.spec.active_deadline_seconds is not None:
        text = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", text)


_RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
_DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
_MOST_SECONDS: Final = 2**31 - 1


def _check_spec(path: str, spec: _PodSpec) -> Findings:
    volumes: set[str] = set()
    yield from _check_volumes(f"{path}.volumes", spec.volumes, volumes)
    grace_s = spec.termination_grace_period_seconds
    yield from check_containers(f"{path}.containers", spec.containers, volumes, grace_s)
    yield from check_init_containers(f"{path}.initContainers", spec.init_containers, spec.containers, volumes, grace_s)
    if spec.restart_policy not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", spec.restart_policy, _RESTART_POLICIES, in_order=True)
    if spec.dns_policy not in _DNS_POLICIES:
        yield not_supported(f"{path}.dnsPolicy", spec.dns_policy, _DNS_POLICIES, in_order=True)
    yield from check_labels(f"{path}.nodeSelector", spec.node_selector)
    yield from check_pod_security(f"{path}.securityContext", spec.security_context)
    yield from check_affinity(f"{path}.affinity", spec.affinity)
    yield from check_dns_config(f"{path}.dnsConfig", spec.dns_config, spec.dns_policy)
    yield from check_spread_constraints(f"{path}.topologySpreadConstraints", spec.topology_spread_constraints)
    for name, value in (("serviceAccountName", spec.service_account_name), ("nodeName", spec.node_name)):
        yield from _check_subdomain(f"{path}.{name}", value)
    deadline_s = spec.active_deadline_seconds
    if deadline_s is not None and not 1 <= deadline_s <= _MOST_SECONDS:
        text = f"must be between 1 and {_MOST_SECONDS}, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", deadline_s, text)
    for name, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        for error in dns_label_errors(value) if value else ():
            yield invalid(f"{path}.{name}", value, error)
    yield from check_tolerations(f"{path}.tolerations", spec.tolerations)
    yield from check_host_aliases(f"{path}.hostAliases", spec.host_aliases)
    yield from _check_subdomain(f"{path}.priorityClassName", spec.priority_class_name)
    if spec.preemption_policy is not None and spec.preemption_policy not in _PREEMPTION_POLICIES:
        yield not_supported(f"{path}.preemptionPolicy", spec.preemption_policy, _PREEMPTION_POLICIES, in_order=True)


def _check_subdomain(path: str, name: str) -> Findings:
    return (invalid(path, name, error) for error in (dns_subdomain_errors(name) if name else ()))


def _check_volumes(path: str, volumes: Sequence[_Volume], known: set[str]) -> Findings:
    """Each has a name and a source; the names of those that are right are noted in `known`."""
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        faults = [*_check_source(at, volume)]
        if not volume.name:
            faults.append(required(f"{at}.name"))
        faults += [invalid(f"{at}.name", volume.name, error) for error in dns_label_errors(volume.name) if volume.name]
        if volume.name in known:
            faults.append(duplicate(f"{at}.name", volume.name))
        if not faults:
            known.add(volume.name)
        yield from faults


def _check_source(path: str, volume: _Volume) -> Findings:
    named = (
        ("hostPath.path", volume.host_path and volume.host_path.path),
        ("secret.secretName", volume.secret and volume.secret.secret_name),
        (
            "persistentVolumeClaim.claimName",
            volume.persistent_volume_claim and volume.persistent_volume_claim.claim_name,
        ),
        ("configMap.name", volume.config_map and volume.config_map.name),
    )
    is_given = volume.empty_dir is not None
    for field, name in named:
        if name is None:
            continue
        if is_given:
            yield forbidden(f"{path}.{field.partition('.')[0]}", "may not specify more than 1 volume type")
        elif not name:
            yield required(f"{path}.{field}")
        is_given = True
