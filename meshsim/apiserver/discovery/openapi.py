"""OpenAPI v3, as much as clients look at: which kinds can be patched and how, and what fields they have.

kubectl reads these documents before it validates, edits or explains. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.apiserver.discovery.openapi_schemas import component_schemas
from meshsim.apiserver.kinds.schemas import is_custom
from meshsim.apiserver.kinds.served import NOT_EMULATED
from meshsim.apiserver.writing.patch import patch_types

_STRICTNESS: Final = {
    "name": "fieldValidation",
    "in": "query",
    "schema": {"type": "string", "uniqueItems": True},
}


class OpenApi:
    """The documents, one a group and version; made when they are first asked for."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds: dict[str, list[tuple[Kind, str]]] = {}
        self._documents: dict[str, bytes] = {}
        for kind in (each for each in kinds if each not in NOT_EMULATED):
            for version in kind.versions:
                path = f"apis/{kind.group}/{version}" if kind.group else f"api/{version}"
                self._kinds.setdefault(path, []).append((kind, version))

    def index(self) -> Object:
        """The answer at /openapi/v3: where each document is, with a hash by which clients cache it."""
        return {
            "paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={self.hash(path)}"} for path in self._kinds}
        }

    def document(self, path: str) -> bytes | None:
        """The document of a group and version (`apis/apps/v1`), None when that is not served."""
        if path not in self._kinds:
            return None
        document = self._documents.get(path)
        if document is None:
            document = self._documents[path] = write_json(_document(path, self._kinds[path]))
        return document

    def hash(self, path: str) -> str:
        """Changes when the document does."""
        return hashlib.sha256(self.document(path) or b"").hexdigest().upper()


def _document(path: str, kinds: list[tuple[Kind, str]]) -> Object:
    return {
        "openapi": "3.0.0",
        "info": {"title": "meshsim", "version": "v1.32.0"},
        "paths": dict(_operations(path, kinds)),
        "components": {"schemas": component_schemas(kinds)},
    }


def _operations(path: str, kinds: list[tuple[Kind, str]]) -> Iterator[tuple[str, Object]]:
    for kind, version in kinds:
        name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        namespace = {**name, "name": "namespace"}
        scope = "namespaces/{namespace}/" if kind.namespaced else ""
        operation: Object = {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": _group_version_kind(kind, version),
            "parameters": [_STRICTNESS],
        }
        if is_custom(kind):
            # Without a request body kubectl takes the kind for one of Kubernetes' own.
            operation["requestBody"] = {"content": {media_type: {} for media_type in patch_types(kind)}}
        parameters = [name, namespace] if kind.namespaced else [name]
        yield f"/{path}/{scope}{kind.plural}/{{name}}", {"patch": operation, "parameters": parameters}


def _group_version_kind(kind: Kind, version: str) -> Object:
    return {"group": kind.group, "version": version, "kind": kind.kind}
