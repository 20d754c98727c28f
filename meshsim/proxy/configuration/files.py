"""Configuration from YAML files, which are followed: what stands there as before is not read again."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from meshsim.api.decode import Document, FieldError, Object, decode, parts_of, read_documents
from meshsim.api.kinds import Kind, kind_named
from meshsim.api.meta import HasMeta
from meshsim.api.validate.findings import Finding, verdict_of
from meshsim.api.validate.istio import check_istio, is_judged, read_istio
from meshsim.api.validate.protojson import MessageError
from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import InvalidManifestError, MeshsimError, StartError
from meshsim.kit.timestamps import to_rfc3339
from meshsim.mesh.compile import MeshObjects
from meshsim.mesh.steps import Steps, finished
from meshsim.proxy.configuration.objects import MESH_TYPES, mesh_objects

OnChange = Callable[[], None]
Warn = Callable[[str], None]

_POLL_S: Final = 0.015
_POLL_EACH_S: Final = 30e-6
"""Many files are looked at less often: a look at one takes some three microseconds."""
_FEW_FILES: Final = 200
"""So many are looked at at once; more of them in a thread, which leaves the loop to its traffic."""
_BRIEF_CHARACTERS: Final = 2000
"""So much text is read between the turns of the traffic, and more of it in such a thread."""
_SWITCH_S: Final = 0.0005
"""How long reading files in a thread may keep the loop from its traffic."""
_SUFFIXES: Final = (".yaml", ".yml", ".json")

R = TypeVar("R")

_Stamp = tuple[int, int, int]
_Text = tuple[str, str]
"""A text and the file it is from."""


class FileSource:
    """Reads YAML files and follows their changes. A broken edit is said and the old objects stay."""

    def __init__(self, path: Path, on_change: OnChange, warn: Warn) -> None:
        """Raises InvalidManifestError or StartError when the files cannot be read at first."""
        self._path = path
        self._on_change = on_change
        self._warn = warn
        self._reader = MeshReader(warn)
        self._texts: dict[str, tuple[_Stamp | None, str]] = {}
        self._stamps = self._look()
        self._objects = finished(self._reader.read(self._changed_texts()[0]))

    def objects(self) -> MeshObjects:
        """What the files said when they were last right."""
        return self._objects

    async def synced(self) -> None:
        """They were read when this was made."""

    async def follow(self) -> None:
        """Look for changes, for ever."""
        sys.setswitchinterval(_SWITCH_S)
        clock, complaint = LoopClock(), ""
        while True:
            count = len(self._stamps)
            await clock.sleep(max(_POLL_S, count * _POLL_EACH_S))
            stamps = self._look() if count <= _FEW_FILES else await asyncio.to_thread(self._look)
            if stamps == self._stamps:
                if complaint:
                    # Said only now: a file that was still being written looks different by this time.
                    self._warn(complaint)
                    complaint = ""
                continue
            self._stamps, complaint = stamps, ""
            try:
                texts, size = self._changed_texts()
                reading = self._reader.read(texts)
                brief = size <= _BRIEF_CHARACTERS
                self._objects = await _between(reading) if brief else await asyncio.to_thread(finished, reading)
            except MeshsimError as error:
                complaint = f"{error} (the configuration before this change stays in force)"
            else:
                self._on_change()

    def _look(self) -> dict[str, _Stamp]:
        """Which files there are, and how each stands."""
        stamps: dict[str, _Stamp] = {}
        for file in sorted(_files_of(self._path)) if self._path.is_dir() else [str(self._path)]:
            try:
                status = os.stat(file)
            except OSError:
                continue
            stamps[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return stamps

    def _changed_texts(self) -> tuple[list[_Text], int]:
        """What the files say, and the size of those that are not as they were. Raises StartError."""
        size, texts = 0, dict[str, tuple[_Stamp | None, str]]()
        for file in self._stamps if self._path.is_dir() else [str(self._path)]:
            stamp = self._stamps.get(file)
            known = self._texts.get(file)
            if known is None or known[0] != stamp or stamp is None:
                known = (stamp, _text_of(file))
                size += len(known[1])
            texts[file] = known
        self._texts = texts
        return [(text, file) for file, (_, text) in texts.items()], size


async def _between(steps: Steps[R]) -> R:
    """The result of work that is done between others' turns."""
    clock = LoopClock()
    while True:
        await clock.sleep(0)
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result


def _files_of(directory: Path) -> Iterator[str]:
    """The manifests in a directory and below; what is hidden is not meant to be read."""
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            os.path.join(folder, name) for name in files if name.endswith(_SUFFIXES) and not name.startswith(".")
        )


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


@dataclass(slots=True)
class _Read:
    """An object as it was read, and as old as it then stood in the files."""

    kind: Kind
    typed: Any
    order: int = -1
    aged: HasMeta | None = None

    def at(self, order: int) -> HasMeta:
        """The object, as old as its order: the same one as long as it stands there."""
        if self.aged is None or self.order != order:
            self.order, self.aged = order, _aged(self.typed, order)
        return self.aged


class MeshReader:
    """Reads the mesh's objects in texts, again and again; other kinds are left out.

    A part of a text that was read before gives the same objects.
    """

    def __init__(self, warn: Warn) -> None:
        """What Istio would refuse is said by `warn` and taken for what it says; so are kinds that nobody knows."""
        self._warn = warn
        self._texts: dict[str, tuple[str, list[_Read]]] = {}
        self._parts: dict[str, dict[str, list[_Read]]] = {}
        """What was read of each part of each file's text."""

    def read(self, texts: Iterable[_Text]) -> Steps[MeshObjects]:
        """The objects in their order: the first is the oldest.

        Raises InvalidManifestError naming file:line:column.
        """
        by_kind: dict[Kind, list[HasMeta]] = {}
        order, found = 0, dict[str, tuple[str, list[_Read]]]()
        for text, file in texts:
            known = self._texts.get(file)
            if known is None or known[0] is not text:
                known = (text, (yield from self._of_text(text, file)))
            found[file] = known
            for read in known[1]:
                by_kind.setdefault(read.kind, []).append(read.at(order))
                order += 1
        self._texts = found
        self._parts = {file: self._parts[file] for file in found}
        return mesh_objects(by_kind)

    def _of_text(self, text: str, file: str) -> Steps[list[_Read]]:
        known = self._parts.setdefault(file, {})
        parts = parts_of(text)
        for line, part in parts:
            if part not in known:
                # At once: of a text that is broken further on, this is not read and warned of twice.
                known[part] = yield from self._of_part(part, file, line)
        self._parts[file] = {part: known[part] for _, part in parts}
        return [read for _, part in parts for read in known[part]]

    def _of_part(self, part: str, file: str, line: int) -> Steps[list[_Read]]:
        reads: list[_Read] = []
        for document in read_documents(part, file, line):
            yield
            version, name = str(document.value.get("apiVersion")), str(document.value.get("kind"))
            kind = kind_named(version, name)
            if kind is None:
                self._warn(f"{document.where('kind')}: {name} ({version}) is no kind that is known here: left out")
            elif kind in MESH_TYPES:
                try:
                    reads.append(_Read(kind, decode(MESH_TYPES[kind], document.value)))
                except FieldError as error:
                    raise InvalidManifestError(f"{document.where(error.path)}: {error}") from None
                self._say_objections(kind, document)
                yield
        return reads

    def _say_objections(self, kind: Kind, document: Document) -> None:
        for finding in _istios_objections(kind, document.value):
            self._warn(f"{document.where(finding.path)}: {finding} (Istio would refuse this)")


def read_mesh_texts(texts: Iterable[_Text], warn: Warn) -> MeshObjects:
    """The mesh's objects in texts, each with the name of its file. Raises InvalidManifestError."""
    return finished(MeshReader(warn).read(texts))


def _istios_objections(kind: Kind, obj: Object) -> tuple[Finding, ...]:
    if not is_judged(kind.kind):
        return ()
    try:
        return verdict_of(check_istio(kind.kind, read_istio(kind.kind, obj))).errors
    except MessageError as error:
        return (Finding("spec", str(error)),)


def _aged(obj: Any, order: int) -> HasMeta:
    """Objects without a creation stamp are as old as their order in the files, in the namespace `default`."""
    metadata = obj.metadata
    aged = msgspec.structs.replace(
        metadata,
        namespace=metadata.namespace or "default",
        creation_timestamp=metadata.creation_timestamp or to_rfc3339(float(order)),
    )
    result: HasMeta = msgspec.structs.replace(obj, metadata=aged)
    return result
