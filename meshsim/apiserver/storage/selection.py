"""Which objects a list or a watch is about, and what a change means to a watcher who sees only those."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from meshsim.api.decode import FieldError, Object
from meshsim.api.kinds import Kind
from meshsim.api.loose import at
from meshsim.api.meta import LabelSelector
from meshsim.api.selectors import FieldTerm, parse_field_selector, parse_label_selector
from meshsim.apiserver import refusals
from meshsim.apiserver.storage.store import Event

_EVERYWHERE: Final = ("metadata.name", "metadata.namespace")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "Event": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source.component", "type",
    ),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "ReplicaSet": ("status.replicas",),
    "Job": ("status.successful",),
    "Service": ("spec.clusterIP", "spec.type"),
}  # fmt: skip
_ALIASES: Final = {"source": "source.component"}


@dataclass(frozen=True, slots=True)
class Selection:
    """A namespace (None is all of them), labels and fields: what of a kind somebody looks at."""

    namespace: str | None = None
    labels: LabelSelector | None = None
    fields: tuple[FieldTerm, ...] = ()
    everything: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        narrowed = self.namespace is not None or self.labels is not None or bool(self.fields)
        object.__setattr__(self, "everything", not narrowed)

    def matches(self, obj: Object) -> bool:
        """Whether the object is one of those looked at."""
        if self.everything:
            return True
        metadata = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace") != self.namespace:
            return False
        if self.labels is not None and not self.labels.matches(metadata.get("labels") or {}):
            return False
        return all((_text_at(obj, term.path) == term.value) is term.equal for term in self.fields)


def selection_of(kind: Kind, namespace: str | None, labels: str = "", fields: str = "") -> Selection:
    """The selection that query parameters ask for.

    Raises InvalidError for a selector that cannot be read and for a field the kind can't be selected by.
    """
    try:
        wanted = parse_label_selector(labels)
        terms = tuple(
            FieldTerm(_ALIASES.get(term.path, term.path), term.value, term.equal)
            for term in parse_field_selector(fields)
        )
    except FieldError as error:
        raise refusals.bad_request(error.message) from None
    for term in terms:
        if term.path not in _EVERYWHERE and term.path not in _FIELDS.get(kind.kind, ()):
            raise refusals.bad_request(
                f'"{term.path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
    return Selection(namespace, wanted if wanted.match_expressions else None, terms)


class Told(NamedTuple):
    """What a watcher is told: one line of a watch. Listed objects and bookmarks come from no event."""

    type: str
    object: Object
    event: Event | None = None


def seen(selection: Selection, event: Event) -> Told | None:
    """What a watcher of the selection is told of an event, if anything.

    An object that leaves the selection is told as DELETED, with its last content that matched.
    """
    before = event.old is not None and selection.matches(event.old)
    if event.new is not None and selection.matches(event.new):
        return Told("MODIFIED" if before else "ADDED", event.new, event)
    return Told("DELETED", event.last, event) if before else None


def _text_at(obj: Object, path: str) -> str:
    value = at(path)(obj)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
