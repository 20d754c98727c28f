"""The structural schemas of the CRDs, cut down by tools/crd_schemas.py."""

import json
from functools import cache
from importlib.resources import files
from typing import Final

from meshsim.api.decode import Object

_FILES: Final = {"networking.istio.io": "networking.json", "argoproj.io": "argo.json"}


def schema_of(group: str, kind: str) -> Object | None:
    """The OpenAPI schema of a kind's objects; None for kinds that are no custom resources."""
    name = _FILES.get(group)
    schema: Object | None = _read(name).get(kind) if name else None
    return schema


@cache
def _read(name: str) -> Object:
    schemas: Object = json.loads(files(__package__).joinpath(name).read_bytes())
    return schemas
