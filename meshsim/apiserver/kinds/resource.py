"""A resource as discovery tells of it: a path of the API, and what can be done there. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from meshsim.api.kinds import POD, Kind

GroupVersionKind = tuple[str, str, str]
_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object with a path of its own, and the kind that is read and written there."""

    name: str
    response: GroupVersionKind
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    verbs: tuple[str, ...] = _VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()


_SCALE: Final = Subresource("scale", ("autoscaling", "v1", "Scale"))
_OF_PODS: Final = (
    Subresource("attach", ("", "v1", "PodAttachOptions"), ("create", "get")),
    Subresource("eviction", ("policy", "v1", "Eviction"), ("create",)),
    Subresource("exec", ("", "v1", "PodExecOptions"), ("create", "get")),
    Subresource("log", ("", "v1", "Pod"), ("get",)),
    Subresource("portforward", ("", "v1", "PodPortForwardOptions"), ("create", "get")),
)


def resources_of(kinds: Iterable[Kind]) -> Iterator[Resource]:
    """The resources of stored kinds, each in all its versions."""
    for kind in kinds:
        for version in kind.versions:
            yield Resource(
                kind.group,
                version,
                kind.plural,
                kind.kind,
                kind.namespaced,
                short_names=kind.short_names,
                categories=kind.categories,
                subresources=tuple(_subresources(kind, version)),
            )


def _subresources(kind: Kind, version: str) -> Iterator[Subresource]:
    if kind.has_status:
        yield Subresource("status", (kind.group, version, kind.kind))
    if kind.has_scale:
        yield _SCALE
    if kind == POD:
        yield from _OF_PODS
