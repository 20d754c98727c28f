"""What the fields of the served kinds mean, in a sentence each: the descriptions that `kubectl explain` prints. Pure.

The sentences are in field_notes.txt, one a line after its key: a type (`PodSpec`), a field of a type or of a parent
field (`DeploymentSpec.replicas`, `canary.steps`), a whole path (`Rollout.spec.strategy`), or a name wherever it stands.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from meshsim.api.decode import Object


def note_of(key: str) -> str:
    """The sentence of a key, empty when there is none."""
    return _notes().get(key, "")


def noted(kind: str, schema: Object) -> Object:
    """A kind's schema with the sentences of its fields."""
    return {**_noted(schema, (kind,)), "description": note_of(kind)}


def _noted(schema: Object, path: tuple[str, ...]) -> Object:
    described: Object = dict(schema)
    note = _note_at(path)
    if note:
        described["description"] = note
    if "properties" in schema:
        described["properties"] = {name: _noted(part, (*path, name)) for name, part in schema["properties"].items()}
    for holder in ("items", "additionalProperties"):
        part: Any = schema.get(holder)
        if isinstance(part, dict):
            described[holder] = _noted(part, (*path, "")) | {"description": ""}
    return described


def _note_at(path: tuple[str, ...]) -> str:
    named = [name for name in path if name]
    if not path[-1]:
        return ""
    return note_of(".".join(named)) or note_of(".".join(named[-2:])) or note_of(named[-1])


@cache
def _notes() -> dict[str, str]:
    text = files(__package__).joinpath("field_notes.txt").read_text()
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return {key: note for key, _, note in (line.partition(": ") for line in lines)}
