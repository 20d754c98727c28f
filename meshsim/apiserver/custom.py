"""Kinds that a CustomResourceDefinition brings: what it says of them, beside what every kind has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind


@dataclass(frozen=True, slots=True)
class CustomKind(Kind):
    """A kind that is served because its definition is stored.

    Two with the same names and versions are the same kind, whatever their definitions say of its fields.
    """

    schemas: Mapping[str, Object] = field(default_factory=dict, compare=False)
    """Structural schemas by version."""
    columns: Mapping[str, tuple[Object, ...]] = field(default_factory=dict, compare=False)
    """`additionalPrinterColumns` by version."""
    scale: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The JSON paths of the scale subresource: `specReplicasPath`, `statusReplicasPath`, `labelSelectorPath`."""
    list_kind: str = field(default="", compare=False)
    singular_name: str = field(default="", compare=False)
