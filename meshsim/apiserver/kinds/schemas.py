"""The structural schema of any kind: shipped with meshsim, made of Go types, or of a stored CRD. Pure."""

from collections.abc import Iterable
from functools import cache

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind
from meshsim.api.validate.schemas import schema_of
from meshsim.apiserver.kinds.custom import CustomKind
from meshsim.apiserver.kinds.field_notes import note_of
from meshsim.apiserver.kinds.messages import message_name, messages, schema_of_message


def load_schemas(kinds: Iterable[Kind]) -> None:
    """Read from the disk what is known of these kinds, so that no request has to."""
    for kind in kinds:
        full_schema(kind)
    note_of("kind")


def custom_schema(kind: Kind, version: str = "") -> Object | None:
    """The schema of a custom resource's kind, None for Kubernetes' own."""
    if isinstance(kind, CustomKind):
        return kind.schemas.get(version or kind.version, {})
    return schema_of(kind.group, kind.kind)


def full_schema(kind: Kind) -> Object:
    """The schema of any kind in the version it is stored in; empty when nothing is known of its fields."""
    return _with_metadata(custom_schema(kind) or {}) if isinstance(kind, CustomKind) else _shipped(kind)


@cache
def _shipped(kind: Kind) -> Object:
    schema = custom_schema(kind)
    if schema is not None:
        return _with_metadata(schema)
    name = message_name(kind.api_version, kind.kind)
    return schema_of_message(name) if name in messages() else {}


def _with_metadata(schema: Object) -> Object:
    metadata = schema_of_message("meta.ObjectMeta")
    return {**schema, "properties": {**(schema.get("properties") or {}), "metadata": metadata}} if schema else {}


def is_custom(kind: Kind) -> bool:
    """Whether a CRD stands behind the kind."""
    return custom_schema(kind) is not None
