"""Discovery: which groups, versions and kinds are served, for clients that ask before they begin. Pure.

Two forms: the aggregated one (kubectl since 1.26, everything in two requests) and the older one, a document a
group and version. Order matters: of a group's versions the first is preferred.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from meshsim.api.decode import Object
from meshsim.apiserver.kinds.resource import Resource

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The content type of the aggregated form; clients compare its parameters."""
AGGREGATED_BETA: Final = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


class Discovery:
    """What the API says it serves."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._served: dict[str, dict[str, list[Resource]]] = {}
        for resource in resources:
            self._served.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)

    def aggregated(self, *, core: bool, version: str) -> Object:
        """The APIGroupDiscoveryList of the core group or of all the others, in its own version v2 or v2beta1."""
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": served, "freshness": "Current", "resources": [_aggregated(one) for one in resources]}
                    for served, resources in self._served[group].items()
                ],
            }
            for group in ([""] if core else self._groups)
        ]
        api_version = f"apidiscovery.k8s.io/{version}"
        return {"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items}

    def core_versions(self) -> Object:
        """The answer at /api."""
        return {"kind": "APIVersions", "versions": list(self._served[""]), "serverAddressByClientCIDRs": []}

    def group_list(self) -> Object:
        """The answer at /apis."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(group) for group in self._groups]}

    def group(self, group: str) -> Object | None:
        """The answer at /apis/GROUP."""
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)} if group in self._groups else None

    def resource_list(self, group: str, version: str) -> Object | None:
        """The answer at /apis/GROUP/VERSION and /api/v1."""
        resources = self._served.get(group, {}).get(version)
        if resources is None:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": _group_version(group, version),
            "resources": [told for resource in resources for told in _listed(resource)],
        }

    @property
    def _groups(self) -> list[str]:
        return [group for group in self._served if group]

    def _group(self, group: str) -> Object:
        versions = [
            {"groupVersion": _group_version(group, version), "version": version} for version in self._served[group]
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _aggregated(resource: Resource) -> Object:
    told: Object = {
        "resource": resource.plural,
        "responseKind": _group_version_kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.kind.lower(),
        "verbs": resource.verbs,
        **_names(resource),
    }
    if resource.subresources:
        told["subresources"] = [
            {"subresource": part.name, "responseKind": _group_version_kind(*part.response), "verbs": part.verbs}
            for part in resource.subresources
        ]
    return told


def _listed(resource: Resource) -> Iterator[Object]:
    yield {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
        **_names(resource),
    }
    for part in resource.subresources:
        yield {
            "name": f"{resource.plural}/{part.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **_group_version_kind(*part.response),
            "verbs": part.verbs,
        }


def _names(resource: Resource) -> Object:
    names = {"shortNames": resource.short_names, "categories": resource.categories}
    return {field: known for field, known in names.items() if known}


def _group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _group_version_kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
