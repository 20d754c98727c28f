"""Discovery: which groups, versions and kinds are served, for clients that ask before they begin. Pure.

Two forms: the aggregated one (kubectl since 1.26, everything in two requests) and the older one, a document a
group and version. Order matters: of a group's versions the first is preferred.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.kinds import POD, Kind

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The content type of the aggregated form; clients compare its parameters."""
AGGREGATED_BETA: Final = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
_VERBS: Final = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


class Discovery:
    """What the API says it serves; `reviews` are resources that can only be created, by group."""

    def __init__(self, kinds: Iterable[Kind], reviews: Mapping[str, tuple[str, ...]]) -> None:
        self._by_group: dict[str, list[Kind]] = {}
        self._reviews = reviews
        for kind in kinds:
            self._by_group.setdefault(kind.group, []).append(kind)

    @property
    def groups(self) -> list[str]:
        """The named groups, in the order in which they are served."""
        return [group for group in [*self._by_group, *self._reviews] if group]

    def versions(self, group: str) -> list[str]:
        """The group's versions, preferred first; empty for a group that is not served."""
        if group in self._reviews:
            return ["v1"]
        return list(dict.fromkeys(version for kind in self._by_group.get(group, ()) for version in kind.versions))

    def aggregated(self, *, core: bool, version: str) -> Object:
        """The APIGroupDiscoveryList of the core group or of all the others, in its own version v2 or v2beta1."""
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": served, "freshness": "Current", "resources": list(self._aggregated(group, served))}
                    for served in self.versions(group)
                ],
            }
            for group in ([""] if core else self.groups)
        ]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }

    def _aggregated(self, group: str, version: str) -> Iterator[Object]:
        for kind in self._kinds(group, version):
            resource: Object = {
                "resource": kind.plural,
                "responseKind": _group_version_kind(kind.group, version, kind.kind),
                "scope": "Namespaced" if kind.namespaced else "Cluster",
                "singularResource": kind.singular,
                "verbs": _VERBS,
            }
            if kind.short_names:
                resource["shortNames"] = list(kind.short_names)
            if kind.categories:
                resource["categories"] = list(kind.categories)
            subresources = [
                {"subresource": each.name, "responseKind": _group_version_kind(*each.response), "verbs": each.verbs}
                for each in _subresources(kind, version)
            ]
            if subresources:
                resource["subresources"] = subresources
            yield resource
        for review in self._reviews.get(group, ()):
            yield {
                "resource": f"{review.lower()}s",
                "responseKind": _group_version_kind(group, version, review),
                "scope": "Cluster",
                "singularResource": review.lower(),
                "verbs": ["create"],
            }

    def core_versions(self) -> Object:
        """The answer at /api."""
        return {"kind": "APIVersions", "versions": self.versions(""), "serverAddressByClientCIDRs": []}

    def group_list(self) -> Object:
        """The answer at /apis."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(group) for group in self.groups]}

    def group(self, group: str) -> Object | None:
        """The answer at /apis/GROUP."""
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)} if group in self.groups else None

    def resource_list(self, group: str, version: str) -> Object | None:
        """The answer at /apis/GROUP/VERSION and /api/v1."""
        if version not in self.versions(group):
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": _group_version(group, version),
            "resources": list(self._resources(group, version)),
        }

    def _resources(self, group: str, version: str) -> Iterator[Object]:
        for kind in self._kinds(group, version):
            resource: Object = {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": _VERBS,
            }
            if kind.short_names:
                resource["shortNames"] = list(kind.short_names)
            if kind.categories:
                resource["categories"] = list(kind.categories)
            yield resource
            for each in _subresources(kind, version):
                response_group, response_version, response_kind = each.response
                yield {
                    "name": f"{kind.plural}/{each.name}",
                    "singularName": "",
                    "namespaced": kind.namespaced,
                    "group": response_group,
                    "version": response_version,
                    "kind": response_kind,
                    "verbs": each.verbs,
                }
        for review in self._reviews.get(group, ()):
            name = f"{review.lower()}s"
            yield {"name": name, "singularName": "", "namespaced": False, "kind": review, "verbs": ["create"]}

    def _kinds(self, group: str, version: str) -> list[Kind]:
        return [kind for kind in self._by_group.get(group, ()) if version in kind.versions]

    def _group(self, group: str) -> Object:
        versions = [
            {"groupVersion": _group_version(group, version), "version": version} for version in self.versions(group)
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}


@dataclass(frozen=True, slots=True)
class _Subresource:
    name: str
    response: tuple[str, str, str]
    verbs: tuple[str, ...] = ("get", "patch", "update")


_SCALE: Final = _Subresource("scale", ("autoscaling", "v1", "Scale"))
_OF_PODS: Final = (
    _Subresource("eviction", ("policy", "v1", "Eviction"), ("create",)),
    _Subresource("log", ("", "v1", "Pod"), ("get",)),
    _Subresource("portforward", ("", "v1", "PodPortForwardOptions"), ("create", "get")),
)


def _subresources(kind: Kind, version: str) -> Iterator[_Subresource]:
    if kind.has_status:
        yield _Subresource("status", (kind.group, version, kind.kind))
    if kind.has_scale:
        yield _SCALE
    if kind == POD:
        yield from _OF_PODS


def _group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _group_version_kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
