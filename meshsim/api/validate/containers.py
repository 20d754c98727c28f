"""Containers of a pod as Kubernetes judges them: regular ones, and those that run before them."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from meshsim.api.decode import Wire
from meshsim.api.validate.environment import Variable, Variables, check_sources, check_variables
from meshsim.api.validate.fields import (
    check_local_path,
    dns_label_errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from meshsim.api.validate.findings import Finding, Findings
from meshsim.api.validate.probes import Lifecycle, Probe, check_lifecycle, check_probe, port_name_errors
from meshsim.api.validate.resources import Resources, check_resources
from meshsim.api.validate.security import ContainerSecurity, check_container_security


class _Port(Wire, frozen=True):
    name: str = ""
    container_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")
    host_port: int = 0
    protocol: str = "TCP"


class _Mount(Wire, frozen=True):
    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""
    mount_propagation: str | None = None


class Container(Wire, frozen=True):
    """One container."""

    name: str = ""
    image: str = ""
    image_pull_policy: str = ""
    termination_message_policy: str = "File"
    restart_policy: str | None = None
    ports: tuple[_Port, ...] = ()
    env: tuple[Variable, ...] = ()
    env_from: tuple[Variables, ...] = ()
    volume_mounts: tuple[_Mount, ...] = ()
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    resources: Resources = Resources()
    security_context: ContainerSecurity = ContainerSecurity()


def check_containers(path: str, containers: Sequence[Container], volumes: Collection[str], grace_s: int) -> Findings:
    """The containers of a pod that has these volumes and so many seconds to end."""
    if not containers:
        yield required(path)
    names: set[str] = set()
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        yield from _check_container(at, container, volumes)
        if container.name in names:
            yield duplicate(f"{at}.name", container.name)
        names.add(container.name)
        yield from _check_hooks(at, container, grace_s)
        if container.restart_policy is not None:
            yield forbidden(f"{at}.restartPolicy", "may not be set for non-init containers")
    yield from _check_host_ports(path, containers)


def check_init_containers(
    path: str,
    containers: Sequence[Container],
    others: Sequence[Container],
    volumes: Collection[str],
    grace_s: int,
) -> Findings:
    """Those that run before the others."""
    names = {container.name for container in others}
    for index, container in enumerate(containers):
        at = f"{path}[{index}]"
        yield from _check_container(at, container, volumes)
        if container.restart_policy not in (None, "Always"):
            yield not_supported(f"{at}.restartPolicy", container.restart_policy or "", ["Always"])
        if container.name in names:
            yield duplicate(f"{at}.name", container.name)
        elif container.name:
            names.add(container.name)
        # They run one by one, and Kubernetes names each the first.
        yield from _check_host_ports(path, [container])
        if container.restart_policy == "Always":
            yield from _check_hooks(at, container, grace_s)
            continue
        for name, given in (
            ("lifecycle", container.lifecycle),
            ("livenessProbe", container.liveness_probe),
            ("readinessProbe", container.readiness_probe),
            ("startupProbe", container.startup_probe),
        ):
            if given is not None:
                yield forbidden(f"{at}.{name}", "may not be set for init containers without restartPolicy=Always")


_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")


def _check_container(path: str, container: Container, volumes: Collection[str]) -> Findings:
    if not container.name:
        yield required(f"{path}.name")
    else:
        for error in dns_label_errors(container.name):
            yield invalid(f"{path}.name", container.name, error)
    if not container.image:
        yield required(f"{path}.image")
    policy = container.termination_message_policy
    if policy and policy not in _MESSAGE_POLICIES:
        yield not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES, in_order=True)
    yield from _check_ports(f"{path}.ports", container.ports)
    yield from check_variables(f"{path}.env", container.env)
    yield from check_sources(f"{path}.envFrom", container.env_from)
    yield from _check_mounts(f"{path}.volumeMounts", container.volume_mounts, volumes)
    if container.image_pull_policy and container.image_pull_policy not in _PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", container.image_pull_policy, _PULL_POLICIES)
    yield from check_resources(f"{path}.resources", container.resources)
    yield from check_container_security(f"{path}.securityContext", container.security_context)


def _check_hooks(path: str, container: Container, grace_s: int) -> Findings:
    if container.lifecycle is not None:
        yield from check_lifecycle(f"{path}.lifecycle", container.lifecycle, grace_s)
    for name, probe, once in (
        ("livenessProbe", container.liveness_probe, True),
        ("readinessProbe", container.readiness_probe, False),
        ("startupProbe", container.startup_probe, True),
    ):
        if probe is None:
            continue
        yield from check_probe(f"{path}.{name}", probe)
        if once and probe.success_threshold not in (0, 1):
            yield invalid(f"{path}.{name}.successThreshold", probe.success_threshold, "must be 1")
        probe_grace_s = probe.termination_grace_period_seconds
        if probe is container.readiness_probe and probe_grace_s is not None:
            at = f"{path}.{name}.terminationGracePeriodSeconds"
            yield invalid(at, probe_grace_s, "must not be set for readinessProbes")


_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PORT_RANGE: Final = "must be between 1 and 65535, inclusive"


def _check_ports(path: str, ports: Sequence[_Port]) -> Findings:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        errors = port_name_errors(port.name) if port.name else []
        yield from (invalid(f"{at}.name", port.name, error) for error in errors)
        if port.name in names:
            yield duplicate(f"{at}.name", port.name)
        if port.name and not errors:
            names.add(port.name)
        if port.container_port == 0:
            yield required(f"{at}.containerPort")
        elif not 1 <= port.container_port <= 65535:
            yield invalid(f"{at}.containerPort", port.container_port, _PORT_RANGE)
        if port.host_port and not 1 <= port.host_port <= 65535:
            yield invalid(f"{at}.hostPort", port.host_port, _PORT_RANGE)
        if port.protocol and port.protocol not in _PROTOCOLS:
            yield not_supported(f"{at}.protocol", port.protocol, _PROTOCOLS)


def _check_host_ports(path: str, containers: Sequence[Container]) -> Findings:
    """No two containers that run together take the same port of the host."""
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.ports):
            address = f"{port.protocol or 'TCP'}/{port.host_ip}/{port.host_port}"
            if port.host_port and address in taken:
                yield duplicate(f"{path}[{index}].ports[{number}].hostPort", address)
            taken.add(address)


_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")


def _check_mounts(path: str, mounts: Sequence[_Mount], volumes: Collection[str]) -> Findings:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{at}.name")
        if mount.name not in volumes:
            yield Finding(f"{at}.name", f'Not found: "{mount.name}"')
        if not mount.mount_path:
            yield required(f"{at}.mountPath")
        if mount.mount_path in paths:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
        yield from check_local_path(f"{path}.subPath", mount.sub_path)
        if mount.sub_path_expr and mount.sub_path:
            yield invalid(f"{at}.subPathExpr", mount.sub_path_expr, "subPathExpr and subPath are mutually exclusive")
        yield from check_local_path(f"{path}.subPathExpr", mount.sub_path_expr)
        if mount.mount_propagation is not None and mount.mount_propagation not in _PROPAGATIONS:
            yield not_supported(f"{path}.mountPropagation", mount.mount_propagation, _PROPAGATIONS)
