"""Kubernetes' URL paths: which kind, version, object and subresource a path names. Pure."""

from dataclasses import dataclass

from meshsim.api.kinds import NAMESPACE, Kind
from meshsim.api.meta import Key
from meshsim.apiserver import refusals


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. A collection has no name; `namespace` is None across all and for cluster-wide kinds."""

    kind: Kind
    version: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """The key of the named object."""
        return Key(self.namespace or "", self.name)


class Paths:
    """The paths of a set of kinds, each under every version it is served in."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        self.kinds = kinds
        self._kinds = {(kind.group, version, kind.plural): kind for kind in kinds for version in kind.versions}

    def target(self, path: str) -> Target:
        """What the path names. Raises NotFoundError when it names nothing served here."""
        target = self._find(path)
        if target is None:
            raise refusals.no_such_path()
        return target

    def _find(self, path: str) -> Target | None:
        match path.strip("/").split("/"):
            case ["api", version, *rest]:
                return self._below("", version, rest)
            case ["apis", group, version, *rest] if group:
                return self._below(group, version, rest)
            case _:
                return None

    def _below(self, group: str, version: str, steps: list[str]) -> Target | None:
        match steps:
            case ["namespaces", name, ("status" | "finalize") as subresource] if not group:
                return Target(NAMESPACE, version, None, name, subresource)
            case ["namespaces", namespace, plural, *rest] if len(rest) <= 2:
                kind = self._kinds.get((group, version, plural))
                return Target(kind, version, namespace, *rest) if kind is not None and kind.namespaced else None
            case [plural, *rest] if len(rest) <= 2:
                kind = self._kinds.get((group, version, plural))
                if kind is None or (kind.namespaced and rest):
                    return None
                return Target(kind, version, None, *rest)
            case _:
                return None
