"""What every Kubernetes object has: a key, metadata, owners, conditions, labels to select by."""

from typing import NamedTuple, Protocol

from meshsim.api.decode import Object, Wire


class Key(NamedTuple):
    """Names one object of a kind; the namespace of a cluster-wide object is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(Wire, frozen=True):
    """Who an object belongs to; the one with `controller` acts for it."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Wire, frozen=True):
    """`metadata`. Stamps are RFC 3339 text."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    deletion_grace_period_seconds: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The object's key."""
        return Key(self.namespace, self.name)

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that acts for this object."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class HasMeta(Protocol):
    """Any typed object."""

    @property
    def metadata(self) -> ObjectMeta: ...


class Condition(Wire, frozen=True):
    """A condition of any kind; `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    last_update_time: str = ""


class SelectorRequirement(Wire, frozen=True):
    """One line of `matchExpressions`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Operators In, NotIn, Exists, DoesNotExist; NotIn also matches where the label is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case _:
                return False


class LabelSelector(Wire, frozen=True):
    """metav1.LabelSelector: all of it must match; an empty one matches everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[SelectorRequirement, ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return selects(self.match_labels, labels) and all(line.matches(labels) for line in self.match_expressions)

    def __str__(self) -> str:
        """The selector as a query parameter, keys sorted (labels.Selector.String)."""
        lines = [(key, f"{key}={value}") for key, value in self.match_labels.items()]
        for line in self.match_expressions:
            values = f"({','.join(sorted(line.values))})"
            text = {
                "In": f"{line.key} in {values}",
                "NotIn": f"{line.key} notin {values}",
                "Exists": line.key,
                "DoesNotExist": f"!{line.key}",
            }.get(line.operator, line.key)
            lines.append((line.key, text))
        return ",".join(text for _, text in sorted(lines))


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    """Whether a plain map selector (a Service's) is part of the labels."""
    return all(labels.get(key) == value for key, value in selector.items())


def key_of(obj: Object) -> Key:
    """The key of an object on the wire."""
    metadata = obj.get("metadata") or {}
    return Key(metadata.get("namespace") or "", metadata.get("name") or "")
