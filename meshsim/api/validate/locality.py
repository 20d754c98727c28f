"""Locality-aware load balancing, as Istio judges it."""

from collections.abc import Iterable
from typing import Final

from meshsim.api.networking import LocalityFailover, LocalityLbSetting, ZoneAwareLbSetting
from meshsim.api.validate.findings import Finding, Findings, warning

_TOPOLOGY_LABELS: Final = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)


def check_locality_setting(path: str, setting: LocalityLbSetting | None, has_outlier: bool) -> Findings:
    """`localityLbSetting`; failover needs outlier detection."""
    if setting is None:
        return
    if setting.distribute and setting.failover:
        yield Finding(path, "can not simultaneously specify 'distribute' and 'failover'")
        return
    topology = next((label for label in setting.failover_priority if label in _TOPOLOGY_LABELS), None)
    if setting.failover and topology:
        text = f"can not simultaneously set 'failover' and topology label '{topology}' in 'failover_priority'"
        yield Finding(f"{path}.failoverPriority", text)
        return
    for index, share in enumerate(setting.distribute):
        at = f"{path}.distribute[{index}].to"
        if any(not 1 <= weight <= 100 for weight in share.to.values()):
            yield Finding(at, "locality weight must be in range [1, 100]")
            return
        total = sum(share.to.values())
        if total != 100:
            yield Finding(at, f"total locality weight {total} != 100")
            return
        yield from _check_localities(at, share.to)
    yield from _check_localities(f"{path}.distribute", (share.from_ for share in setting.distribute))
    yield from _check_outlier(path, bool(setting.failover or setting.failover_priority), has_outlier)
    yield from _check_failover(path, setting.failover, "locality lb", "only specify region")


def check_zone_setting(path: str, setting: ZoneAwareLbSetting | None, has_outlier: bool) -> Findings:
    """`zoneAwareLbSetting`; failover needs outlier detection."""
    if setting is None:
        return
    for index, label in enumerate(setting.failover_priority):
        if label in _TOPOLOGY_LABELS:
            text = f"'failover_priority' for zone aware lb must not use topology label '{label}'; "
            hint = "region- and zone-level routing are handled automatically"
            yield Finding(f"{path}.failoverPriority[{index}]", text + hint)
    yield from _check_outlier(path, bool(setting.failover or setting.failover_priority), has_outlier)
    only = "only specifies region; zone and subzone failover are handled automatically"
    yield from _check_failover(path, setting.failover, "zone aware lb", only)


def _check_outlier(path: str, fails_over: bool, has_outlier: bool) -> Findings:
    if fails_over and not has_outlier:
        yield warning(path, "outlier detection policy must be provided for failover")


def _check_failover(path: str, failover: tuple[LocalityFailover, ...], what: str, only: str) -> Findings:
    for index, entry in enumerate(failover):
        at, ends = f"{path}.failover[{index}]", entry.from_ + entry.to
        if entry.from_ == entry.to:
            yield Finding(at, f"{what} failover settings must specify different regions")
        if "/" in ends:
            yield Finding(at, f"{what} failover {only}")
        if "*" in ends:
            yield Finding(at, f"{what} failover region should not contain '*' wildcard")


def _check_localities(path: str, localities: Iterable[str]) -> Findings:
    """The first locality that is malformed or overlaps an earlier one."""
    seen: list[tuple[str, ...]] = []
    for locality in localities:
        parts = tuple(locality.split("/", 2))
        if "*" in locality and (locality.count("*") > 1 or not locality.endswith("*")):
            yield Finding(path, f"locality {locality} wildcard '*' number can not exceed 1 and must be in the end")
            return
        if "" in parts and ("*",) not in seen:
            yield Finding(path, f"locality {locality} must not contain empty region/zone/subzone info")
            return
        if any(_overlap(earlier, parts) for earlier in seen):
            yield Finding(path, f"locality {locality} overlap with previous specified ones")
            return
        seen.append(parts)


def _overlap(earlier: tuple[str, ...], later: tuple[str, ...]) -> bool:
    """Whether both name the same as far as both say, or an earlier `*` takes it; a later `*` is not seen."""
    if earlier == ("*",):
        return True
    for mine, theirs in zip(earlier, later, strict=False):
        if mine == "*":
            return True
        if mine != theirs:
            return False
    return True
