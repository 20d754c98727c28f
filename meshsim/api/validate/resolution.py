"""How a pod finds names, as Kubernetes judges it: host aliases and the settings of its resolver."""

import re
from collections.abc import Sequence
from typing import Final

from meshsim.api.decode import Wire
from meshsim.api.validate.fields import dns_subdomain_errors, invalid, required
from meshsim.api.validate.findings import Findings
from meshsim.api.validate.names import is_ip_address


class HostAlias(Wire, frozen=True):
    """Names that an address has in the pod's hosts file."""

    ip: str = ""
    hostnames: tuple[str, ...] = ()


class _Option(Wire, frozen=True):
    name: str = ""


class DnsConfig(Wire, frozen=True):
    """What goes into the pod's resolv.conf beside what its policy says."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[_Option, ...] = ()


def check_host_aliases(path: str, aliases: Sequence[HostAlias]) -> Findings:
    """`hostAliases` of a pod."""
    for index, alias in enumerate(aliases):
        yield from _check_address(f"{path}[{index}].ip", alias.ip)
        for number, name in enumerate(alias.hostnames):
            yield from _check_subdomain(f"{path}[{index}].hostnames[{number}]", name)


_MOST_NAMESERVERS: Final = 3
_MOST_SEARCHES: Final = 32
_MOST_SEARCH_CHARACTERS: Final = 2048


def check_dns_config(path: str, config: DnsConfig | None, policy: str) -> Findings:
    """`dnsConfig` of a pod, without which the policy None leaves nothing."""
    if policy == "None" and config is None:
        yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
    elif policy == "None" and config is not None and not config.nameservers:
        yield required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
    elif config is not None:
        yield from _check_nameservers(f"{path}.nameservers", config.nameservers)
        yield from _check_searches(f"{path}.searches", config.searches)
        for index, option in enumerate(config.options):
            if not option.name:
                yield required(f"{path}.options[{index}]", "must not be empty")


def _check_nameservers(path: str, nameservers: Sequence[str]) -> Findings:
    if len(nameservers) > _MOST_NAMESERVERS:
        yield invalid(path, nameservers, f"must not have more than {_MOST_NAMESERVERS} nameservers")
    for index, address in enumerate(nameservers):
        yield from _check_address(f"{path}[{index}]", address)


def _check_searches(path: str, searches: Sequence[str]) -> Findings:
    if len(searches) > _MOST_SEARCHES:
        yield invalid(path, searches, f"must not have more than {_MOST_SEARCHES} search paths")
    if len(" ".join(searches).encode()) > _MOST_SEARCH_CHARACTERS:
        text = f"must not have more than {_MOST_SEARCH_CHARACTERS} characters (including spaces) in the search list"
        yield invalid(path, searches, text)
    for index, search in enumerate(searches):
        yield from _check_subdomain(f"{path}[{index}]", search.removesuffix("."))


def _check_subdomain(path: str, name: str) -> Findings:
    return (invalid(path, name, error) for error in dns_subdomain_errors(name))


_LEADING_ZEROS: Final = re.compile(r"(?:(?<=[.:])|^)0+(?=[0-9]+(?:\.|$))")


def _check_address(path: str, address: str) -> Findings:
    # Kubernetes reads 010.2.3.4 as 10.2.3.4, and no zones.
    if "%" in address or not is_ip_address(_LEADING_ZEROS.sub("", address)):
        yield invalid(path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
