"""Kinds that a CustomResourceDefinition brings: what it says of them, beside what every kind has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshsim.api.decode import Object
from meshsim.api.kinds import Kind


@dataclass(frozen=True, slots=True, eq=False)
class CustomKind(Kind):
    """A kind that is served because its definition is stored.

    It is the same kind whatever its definition comes to say of it: only the resource's name counts.
    """

    schemas: Mapping[str, Object] = field(default_factory=dict)
    """Structural schemas by version."""
    columns: tuple[Object, ...] = ()
    """`additionalPrinterColumns` of the preferred version."""
    scale: Mapping[str, str] = field(default_factory=dict)
    """The JSON paths of the scale: `specReplicasPath`, `statusReplicasPath`, `labelSelectorPath`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CustomKind) and other.resource == self.resource

    def __hash__(self) -> int:
        return hash(self.resource)
