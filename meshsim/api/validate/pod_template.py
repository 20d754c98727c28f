"""Pod templates as Kubernetes judges them for a ReplicaSet, as far as pods are emulated.

Names, images, ports, probes, environment, mounts, quantities of containers; labels, volumes, restart policy of the
pod. What is left out (security contexts, affinity, sources of volumes, …) counts as right: docs/fidelity.md.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from meshsim.api.decode import FieldError, Object, Wire, decode
from meshsim.api.meta import LabelSelector
from meshsim.api.validate.fields import (
    check_annotations,
    check_labels,
    check_not_negative,
    dns_label_errors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from meshsim.api.validate.findings import Finding, Findings


class _Metadata(Wire, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Port(Wire, frozen=True):
    name: str = ""
    container_port: int = 0
    host_port: int = 0
    protocol: str = "TCP"


class _HttpGet(Wire, frozen=True):
    port: int | str = 0
    scheme: str = "HTTP"


class _TcpSocket(Wire, frozen=True):
    port: int | str = 0


class _Exec(Wire, frozen=True):
    command: tuple[str, ...] = ()


class _Grpc(Wire, frozen=True):
    port: int = 0


class _Probe(Wire, frozen=True):
    exec: _Exec | None = None
    http_get: _HttpGet | None = None
    tcp_socket: _TcpSocket | None = None
    grpc: _Grpc | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None


class _EnvVar(Wire, frozen=True):
    name: str = ""
    value: str = ""
    value_from: Object | None = None


class _Mount(Wire, frozen=True):
    name: str = ""
    mount_path: str = ""


class _Container(Wire, frozen=True):
    name: str = ""
    image: str = ""
    image_pull_policy: str = ""
    ports: tuple[_Port, ...] = ()
    env: tuple[_EnvVar, ...] = ()
    volume_mounts: tuple[_Mount, ...] = ()
    liveness_probe: _Probe | None = None
    readiness_probe: _Probe | None = None
    startup_probe: _Probe | None = None


class _Volume(Wire, frozen=True):
    name: str = ""


class _PodSpec(Wire, frozen=True):
    containers: tuple[_Container, ...] = ()
    init_containers: tuple[_Container, ...] = ()
    volumes: tuple[_Volume, ...] = ()
    restart_policy: str = "Always"
    dns_policy: str = "ClusterFirst"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None


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
    labels = pod.metadata.labels
    if selector is None or not selector.matches(labels):
        at = f"{path}.metadata.labels"
        yield invalid(at, labels or None, "`selector` does not match template `labels`")
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


def _check_spec(path: str, spec: _PodSpec) -> Findings:
    volumes: set[str] = set()
    for index, volume in enumerate(spec.volumes):
        yield from _check_name(f"{path}.volumes[{index}].name", volume.name, volumes)
    names: set[str] = set()
    if not spec.containers:
        yield required(f"{path}.containers")
    for index, container in enumerate(spec.containers):
        yield from _check_container(f"{path}.containers[{index}]", container, names, volumes)
        yield from _check_probes(f"{path}.containers[{index}]", container)
    for index, container in enumerate(spec.init_containers):
        yield from _check_container(f"{path}.initContainers[{index}]", container, names, volumes)
    if spec.restart_policy not in _RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", spec.restart_policy, _RESTART_POLICIES)
    if spec.dns_policy not in _DNS_POLICIES:
        yield not_supported(f"{path}.dnsPolicy", spec.dns_policy, _DNS_POLICIES)
    yield from check_not_negative(f"{path}.terminationGracePeriodSeconds", spec.termination_grace_period_seconds)


def _check_name(path: str, name: str, seen: set[str]) -> Findings:
    """A DNS label that is not there yet; it is noted in `seen`."""
    if not name:
        yield required(path)
    else:
        for error in dns_label_errors(name):
            yield invalid(path, name, error)
    if name and name in seen:
        yield duplicate(path, name)
    seen.add(name)


_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")


def _check_container(path: str, container: _Container, names: set[str], volumes: set[str]) -> Findings:
    yield from _check_name(f"{path}.name", container.name, names)
    if not container.image:
        yield required(f"{path}.image")
    elif container.image != container.image.strip():
        yield invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace")
    yield from _check_ports(f"{path}.ports", container.ports)
    for index, variable in enumerate(container.env):
        yield from _check_env(f"{path}.env[{index}]", variable)
    yield from _check_mounts(f"{path}.volumeMounts", container.volume_mounts, volumes)
    if container.image_pull_policy and container.image_pull_policy not in _PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", container.image_pull_policy, _PULL_POLICIES)


_PORT_NAME: Final = re.compile("[-a-z0-9]+")


def port_name_errors(name: str) -> list[str]:
    """What is wrong with the name of a container's port (IANA_SVC_NAME)."""
    errors = []
    if len(name) > 15:
        errors.append("must be no more than 15 characters")
    if not _PORT_NAME.fullmatch(name):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        errors.append("must contain at least one letter (a-z)")
    if "--" in name:
        errors.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PORT_RANGE: Final = "must be between 1 and 65535, inclusive"


def _check_ports(path: str, ports: Sequence[_Port]) -> Findings:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        for error in port_name_errors(port.name) if port.name else ():
            yield invalid(f"{at}.name", port.name, error)
        if port.name and port.name in names:
            yield duplicate(f"{at}.name", port.name)
        names.add(port.name)
        if port.container_port == 0:
            yield required(f"{at}.containerPort")
        elif not 1 <= port.container_port <= 65535:
            yield invalid(f"{at}.containerPort", port.container_port, _PORT_RANGE)
        if port.host_port and not 1 <= port.host_port <= 65535:
            yield invalid(f"{at}.hostPort", port.host_port, _PORT_RANGE)
        if port.protocol not in _PROTOCOLS:
            yield not_supported(f"{at}.protocol", port.protocol, _PROTOCOLS)


_ENV_NAME: Final = re.compile("[ -<>-~]+")


def _check_env(path: str, variable: _EnvVar) -> Findings:
    if not variable.name:
        yield required(f"{path}.name")
    elif not _ENV_NAME.fullmatch(variable.name):
        text = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        yield invalid(f"{path}.name", variable.name, text)
    if variable.value_from is not None and variable.value:
        yield invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _check_mounts(path: str, mounts: Sequence[_Mount], volumes: set[str]) -> Findings:
    paths: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{at}.name")
        elif mount.name not in volumes:
            yield Finding(f"{at}.name", f'Not found: "{mount.name}"')
        if not mount.mount_path:
            yield required(f"{at}.mountPath")
        elif mount.mount_path in paths:
            yield invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)


def _check_probes(path: str, container: _Container) -> Findings:
    for name, probe, once in (
        ("livenessProbe", container.liveness_probe, True),
        ("readinessProbe", container.readiness_probe, False),
        ("startupProbe", container.startup_probe, True),
    ):
        if probe is None:
            continue
        yield from _check_probe(f"{path}.{name}", probe)
        if once and probe.success_threshold not in (0, 1):
            yield invalid(f"{path}.{name}.successThreshold", probe.success_threshold, "must be 1")


def _check_probe(path: str, probe: _Probe) -> Findings:
    yield from _check_handler(path, probe)
    yield from check_not_negative(f"{path}.initialDelaySeconds", probe.initial_delay_seconds)
    yield from check_not_negative(f"{path}.timeoutSeconds", probe.timeout_seconds)
    yield from check_not_negative(f"{path}.periodSeconds", probe.period_seconds)
    yield from check_not_negative(f"{path}.successThreshold", probe.success_threshold)
    yield from check_not_negative(f"{path}.failureThreshold", probe.failure_threshold)
    grace_s = probe.termination_grace_period_seconds
    if grace_s is not None and grace_s <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace_s, "must be greater than 0")


def _check_handler(path: str, probe: _Probe) -> Findings:
    """Exactly one way of probing."""
    handlers: dict[str, Callable[[str], Findings]] = {}
    if probe.exec is not None:
        command = probe.exec.command
        handlers["exec"] = lambda at: iter(() if command else (required(f"{at}.command"),))
    if probe.http_get is not None:
        http = probe.http_get
        handlers["httpGet"] = lambda at: _check_http_get(at, http)
    if probe.tcp_socket is not None:
        socket = probe.tcp_socket
        handlers["tcpSocket"] = lambda at: _check_port(f"{at}.port", socket.port)
    if probe.grpc is not None:
        grpc = probe.grpc
        handlers["grpc"] = lambda at: _check_port(f"{at}.port", grpc.port)
    if not handlers:
        yield required(path, "must specify a handler type")
    for number, (name, check) in enumerate(handlers.items()):
        if number:
            yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
        else:
            yield from check(f"{path}.{name}")


def _check_http_get(path: str, http: _HttpGet) -> Findings:
    yield from _check_port(f"{path}.port", http.port)
    if http.scheme not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", http.scheme, ["HTTP", "HTTPS"])


def _check_port(path: str, port: int | str) -> Findings:
    if isinstance(port, int):
        if not 1 <= port <= 65535:
            yield invalid(path, port, _PORT_RANGE)
    else:
        for error in port_name_errors(port):
            yield invalid(path, port, error)
