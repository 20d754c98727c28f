"""The security contexts of pods and containers as Kubernetes judges them, those of Windows left out.

Argo takes `privileged` away before it judges, so what may not go with it is never said.
"""

import re
from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.validate.fields import check_local_path, duplicate, invalid, not_supported, required
from meshsim.api.validate.findings import Finding, Findings


class _Profile(Wire, frozen=True):
    type: str = ""
    localhost_profile: str | None = None


class _Sysctl(Wire, frozen=True):
    name: str = ""


class _Security(Wire, frozen=True):
    run_as_user: int | None = None
    run_as_group: int | None = None
    seccomp_profile: _Profile | None = None
    app_armor_profile: _Profile | None = None


class ContainerSecurity(_Security, frozen=True):
    """`securityContext` of a container."""

    proc_mount: str | None = None


class PodSecurity(_Security, frozen=True):
    """`securityContext` of a pod."""

    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    sysctls: tuple[_Sysctl, ...] = ()
    fs_group_change_policy: str | None = None
    supplemental_groups_policy: str | None = None
    se_linux_change_policy: str | None = None


def check_container_security(path: str, security: ContainerSecurity) -> Findings:
    """Of one container."""
    yield from _check_id(f"{path}.runAsUser", security.run_as_user)
    yield from _check_id(f"{path}.runAsGroup", security.run_as_group)
    yield from _check_choice(f"{path}.procMount", security.proc_mount, ("Default", "Unmasked"))
    if security.proc_mount == "Unmasked":
        yield invalid(f"{path}.procMount", security.proc_mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _check_seccomp(f"{path}.seccompProfile", security.seccomp_profile)
    yield from _check_app_armor(f"{path}.appArmorProfile", security.app_armor_profile)


def check_pod_security(path: str, security: PodSecurity) -> Findings:
    """Of a whole pod."""
    yield from _check_id(f"{path}.fsGroup", security.fs_group)
    yield from _check_id(f"{path}.runAsUser", security.run_as_user)
    yield from _check_id(f"{path}.runAsGroup", security.run_as_group)
    for index, group in enumerate(security.supplemental_groups):
        yield from _check_id(f"{path}.supplementalGroups[{index}]", group)
    yield from _check_sysctls(f"{path}.sysctls", security.sysctls)
    yield from _check_choice(
        f"{path}.fsGroupChangePolicy", security.fs_group_change_policy, ("Always", "OnRootMismatch")
    )
    yield from _check_seccomp(f"{path}.seccompProfile", security.seccomp_profile)
    yield from _check_app_armor(f"{path}.appArmorProfile", security.app_armor_profile)
    yield from _check_choice(
        f"{path}.supplementalGroupsPolicy", security.supplemental_groups_policy, ("Merge", "Strict")
    )
    yield from _check_choice(
        f"{path}.seLinuxChangePolicy", security.se_linux_change_policy, ("MountOption", "Recursive")
    )


_MOST_ID: Final = 2**31 - 1


def _check_id(path: str, number: int | None) -> Findings:
    if number is not None and not 0 <= number <= _MOST_ID:
        yield invalid(path, number, f"must be between 0 and {_MOST_ID}, inclusive")


def _check_choice(path: str, value: str | None, choices: Sequence[str]) -> Findings:
    if value is not None and value not in choices:
        yield not_supported(path, value, choices, in_order=True)


_SEGMENT: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL: Final = re.compile(rf"({_SEGMENT}[\./])*{_SEGMENT}")
_MOST_SYSCTL: Final = 253


def _check_sysctls(path: str, sysctls: Sequence[_Sysctl]) -> Findings:
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at = f"{path}[{index}].name"
        if not sysctl.name:
            yield required(at)
        elif len(sysctl.name) > _MOST_SYSCTL or not _SYSCTL.fullmatch(sysctl.name):
            text = f"must have at most {_MOST_SYSCTL} characters and match regex ^{_SYSCTL.pattern}$"
            yield invalid(at, sysctl.name, text)
        elif sysctl.name in names:
            yield duplicate(at, sysctl.name)
        names.add(sysctl.name)


_PROFILES: Final = ("Localhost", "RuntimeDefault", "Unconfined")


def _check_type(path: str, profile: _Profile, field: str) -> Findings:
    if not profile.type:
        yield required(f"{path}.type", f"type is required when {field} is set")
    elif profile.type not in _PROFILES:
        yield not_supported(f"{path}.type", profile.type, _PROFILES, in_order=True)


def _check_seccomp(path: str, profile: _Profile | None) -> Findings:
    if profile is None:
        return
    yield from _check_type(path, profile, "seccompProfile")
    at, local = f"{path}.localhostProfile", profile.localhost_profile
    if profile.type != "Localhost":
        if local is not None:
            # Kubernetes shows its own Go struct here.
            shown = {"Type": profile.type, "LocalhostProfile": local}
            yield invalid(at, shown, "can only be set when seccomp type is Localhost")
    elif local is None:
        yield required(at, "must be set when seccomp type is Localhost")
    else:
        yield from check_local_path(at, local)


_MOST_PROFILE: Final = 4095


def _check_app_armor(path: str, profile: _Profile | None) -> Findings:
    if profile is None:
        return
    at, local = f"{path}.localhostProfile", profile.localhost_profile
    if profile.type != "Localhost":
        yield from _check_type(path, profile, "appArmorProfile")
        if local is not None and profile.type in _PROFILES:
            yield invalid(at, local, "can only be set when AppArmor type is Localhost")
        return
    if not local:
        yield required(at, "must be set when AppArmor type is Localhost")
    elif local.strip() != local:
        yield invalid(at, local, "must not be padded with whitespace")
    if local and len(local.encode()) > _MOST_PROFILE:
        yield Finding(at, f"Too long: may not be more than {_MOST_PROFILE} bytes")
