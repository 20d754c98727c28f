"""How objects, lists and watch events are written for a client: in which API version, whole or as a table."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from meshsim.api.decode import Object, write_json
from meshsim.api.kinds import Kind
from meshsim.apiserver.answers.columns import Column, columns_of
from meshsim.apiserver.kinds.conversion import to_version
from meshsim.apiserver.requests.pages import Page
from meshsim.apiserver.storage.selection import Told

JSON: Final = "application/json"
_META: Final = "meta.k8s.io/v1"


class Representation(Protocol):
    """One way of writing; those that are equal write the same bytes."""

    def object(self, obj: Object) -> bytes:
        """One object."""

    def list(self, page: Page) -> bytes:
        """A list."""

    def event(self, told: Told, *, first: bool) -> bytes:
        """One line of a watch; `first` is that watch's first."""


@dataclass(frozen=True, slots=True)
class PlainJson:
    """The object as it is, in one of its kind's served versions."""

    kind: Kind
    version: str

    def object(self, obj: Object) -> bytes:
        return write_json(self._converted(obj))

    def list(self, page: Page) -> bytes:
        return write_json(
            {
                "kind": f"{self.kind.kind}List",
                "apiVersion": _api_version(self.kind, self.version),
                "metadata": page.metadata,
                "items": [self._converted(obj) for obj in page.items],
            }
        )

    def event(self, told: Told, *, first: bool) -> bytes:
        del first
        return _shared_line(self, told, lambda: self.object(told.object))

    def _converted(self, obj: Object) -> Object:
        return to_version(self.kind, self.version, obj)


@dataclass(frozen=True, slots=True)
class MetadataOnly:
    """Objects without anything but their metadata: PartialObjectMetadata."""

    def object(self, obj: Object) -> bytes:
        return write_json(_partial(obj))

    def list(self, page: Page) -> bytes:
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": _META}
        return write_json({**kind, "metadata": page.metadata, "items": [_partial(obj) for obj in page.items]})

    def event(self, told: Told, *, first: bool) -> bytes:
        del first
        return _shared_line(self, told, lambda: self.object(told.object))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, for people. `include` says how much of the object goes with its row: None, Metadata or Object."""

    kind: Kind
    include: str
    now: Callable[[], float] = field(compare=False)

    def object(self, obj: Object) -> bytes:
        return write_json(self._table([obj], _versioned(obj)))

    def list(self, page: Page) -> bytes:
        return write_json(self._table(page.items, page.metadata))

    def event(self, told: Told, *, first: bool) -> bytes:
        if told.type == "BOOKMARK":
            table = self._table([], _versioned(told.object))
            return _line(told.type, write_json({**table, "rows": [{"cells": [], "object": told.object}]}))
        # The header goes with a watch's first event only, and ages differ from one moment to the next.
        table = self._table([told.object], _versioned(told.object))
        return _line(told.type, write_json(table if first else {**table, "columnDefinitions": None}))

    def _table(self, items: Sequence[Object], metadata: Object) -> Object:
        columns, now = columns_of(self.kind), self.now()
        return {
            "kind": "Table",
            "apiVersion": _META,
            "metadata": metadata,
            "columnDefinitions": [_definition(column) for column in columns],
            "rows": [self._row(obj, columns, now) for obj in items],
        }

    def _row(self, obj: Object, columns: Sequence[Column], now: float) -> Object:
        row: Object = {"cells": [column.fill(obj, now) for column in columns]}
        if self.include == "Object":
            row["object"] = obj
        elif self.include == "Metadata":
            row["object"] = _partial(obj)
        return row


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": int(column.wide),
    }


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def _versioned(obj: Object) -> Object:
    return {"resourceVersion": obj["metadata"].get("resourceVersion", "")}


def _api_version(kind: Kind, version: str) -> str:
    return f"{kind.group}/{version}".removeprefix("/")


def _shared_line(representation: Hashable, told: Told, encode: Callable[[], bytes]) -> bytes:
    """The line of an event, encoded once for all who want it in this form."""
    if told.event is None:
        return _line(told.type, encode())
    key = (representation, told.type)
    line = told.event.frames.get(key)
    if line is None:
        line = told.event.frames[key] = _line(told.type, encode())
    return line


def _line(event_type: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (event_type.encode(), body)


def negotiate(accept: str, kind: Kind, version: str, include: str, now: Callable[[], float]) -> Representation | None:
    """The first form of an Accept header that this API can write, None when there is none."""
    for wanted in accept.split(",") if accept else [JSON]:
        media_type, *parameters = (part.strip() for part in wanted.split(";"))
        if media_type not in (JSON, "*/*", "application/*"):
            continue
        asked = dict(parameter.partition("=")[::2] for parameter in parameters)
        match asked.get("as"):
            case None:
                return PlainJson(kind, version)
            case "Table" if asked.get("v") == "v1":
                return Table(kind, include or "Metadata", now)
            case "PartialObjectMetadata" | "PartialObjectMetadataList" if asked.get("v") == "v1":
                return MetadataOnly()
    return None
