"""What the kinds have in common: durations, comparisons, destinations, shares."""

from typing import Final

from msgspec.structs import force_setattr

from meshsim.api.decode import Wire
from meshsim.kit.durations import parse_go_duration

MESH_GATEWAY: Final = "mesh"
"""The reserved gateway name that stands for every sidecar."""

Duration = str
"""A duration as written: `1.5s`, `500ms`, `1h`."""


def seconds(duration: Duration | None) -> float | None:
    """Seconds in a duration; None for an absent one. Raises DurationError."""
    return parse_go_duration(duration) if duration else None


def keep_last(message: Wire, *members: str) -> None:
    """Of the members of a oneof, in the order of their declaration, keep the last that is given.

    An API server refuses to have several; files may, and then Istio's decoder lets each overwrite the one before.
    """
    given = [name for name in members if getattr(message, name) is not None]
    for name in given[:-1]:
        force_setattr(message, name, None)


class StringMatch(Wire, frozen=True):
    """How a text is compared. At most one is set; none at all means that the text only has to be there."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None

    def __post_init__(self) -> None:
        keep_last(self, "exact", "prefix", "regex")

    @property
    def is_presence(self) -> bool:
        """`{}`: no way of comparing is named."""
        return self.exact is None and self.prefix is None and self.regex is None


class PortSelector(Wire, frozen=True):
    """A Service's port."""

    number: int = 0


class Destination(Wire, frozen=True):
    """A host of the mesh, one of its subsets, one of its ports."""

    host: str = ""
    subset: str = ""
    port: PortSelector | None = None


NO_DESTINATION: Final = Destination()
"""Stands where a destination was left out; told by identity from one that says nothing (`destination: {}`)."""


class Percent(Wire, frozen=True):
    """0 to 100."""

    value: float = 0.0


class WorkloadSelector(Wire, frozen=True):
    """Workloads by label (`matchLabels` in a DestinationRule)."""

    match_labels: dict[str, str] = {}
    labels: dict[str, str] = {}
