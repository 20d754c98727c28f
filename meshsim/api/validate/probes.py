"""Probes and lifecycle hooks of a container, and the ports that they name."""

import re
from collections.abc import Callable
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.validate.fields import check_not_negative, forbidden, invalid, not_supported, required
from meshsim.api.validate.findings import Findings


class _Header(Wire, frozen=True):
    name: str = ""


class _HttpGet(Wire, frozen=True):
    port: int | str = 0
    scheme: str = "HTTP"
    http_headers: tuple[_Header, ...] = ()


class _TcpSocket(Wire, frozen=True):
    port: int | str = 0


class _Exec(Wire, frozen=True):
    command: tuple[str, ...] = ()


class _Grpc(Wire, frozen=True):
    port: int = 0


class _Sleep(Wire, frozen=True):
    seconds: int = 0


class Handler(Wire, frozen=True):
    """How a container is asked or told something."""

    exec: _Exec | None = None
    http_get: _HttpGet | None = None
    tcp_socket: _TcpSocket | None = None
    grpc: _Grpc | None = None
    sleep: _Sleep | None = None


class Probe(Handler, frozen=True):
    """How a container is asked whether it is well."""

    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None


class Lifecycle(Wire, frozen=True):
    """What a container is told when it starts and before it stops."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None


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


_PORT_RANGE: Final = "must be between 1 and 65535, inclusive"


def check_lifecycle(path: str, lifecycle: Lifecycle, grace_s: int) -> Findings:
    """The hooks of a container in a pod that has so many seconds to end."""
    for name, handler in (("postStart", lifecycle.post_start), ("preStop", lifecycle.pre_stop)):
        if handler is not None:
            yield from _check_handler(f"{path}.{name}", handler, grace_s)


def check_probe(path: str, probe: Probe) -> Findings:
    """A probe: one handler, and no count or time below zero."""
    yield from _check_handler(path, probe)
    yield from check_not_negative(f"{path}.initialDelaySeconds", probe.initial_delay_seconds)
    yield from check_not_negative(f"{path}.timeoutSeconds", probe.timeout_seconds)
    yield from check_not_negative(f"{path}.periodSeconds", probe.period_seconds)
    yield from check_not_negative(f"{path}.successThreshold", probe.success_threshold)
    yield from check_not_negative(f"{path}.failureThreshold", probe.failure_threshold)
    grace_s = probe.termination_grace_period_seconds
    if grace_s is not None and grace_s <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace_s, "must be greater than 0")


def _check_handler(path: str, probe: Handler, grace_s: int = 0) -> Findings:
    """Exactly one way of probing, or of being told."""
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
    if probe.sleep is not None:
        seconds = probe.sleep.seconds
        handlers["sleep"] = lambda at: _check_sleep(at, seconds, grace_s)
    if not handlers:
        yield required(path, "must specify a handler type")
    for number, (name, check) in enumerate(handlers.items()):
        if number:
            yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
        else:
            yield from check(f"{path}.{name}")


def _check_sleep(path: str, seconds: int, grace_s: int) -> Findings:
    if not 0 < seconds <= grace_s:
        text = f"must be greater than 0 and less than terminationGracePeriodSeconds ({grace_s})."
        more = "Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
        yield invalid(path, seconds, f"{text} {more}")


_HEADER: Final = re.compile("[-A-Za-z0-9]+")


def _check_http_get(path: str, http: _HttpGet) -> Findings:
    yield from _check_port(f"{path}.port", http.port)
    if http.scheme not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", http.scheme, ["HTTP", "HTTPS"])
    for header in http.http_headers:
        if not _HEADER.fullmatch(header.name):
            text = (
                "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used"
            )
            yield invalid(f"{path}.httpHeaders", header.name, f"{text} for validation is '{_HEADER.pattern}')")


def _check_port(path: str, port: int | str) -> Findings:
    if isinstance(port, int):
        if not 1 <= port <= 65535:
            yield invalid(path, port, _PORT_RANGE)
    else:
        for error in port_name_errors(port):
            yield invalid(path, port, error)
