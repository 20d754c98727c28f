"""Manifests as people give them, `-f` files, directories and stdin, read and checked before anything starts."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from meshsim.api.decode import Document, Object, read_documents
from meshsim.api.kinds import KINDS, Kind, kind_named
from meshsim.api.meta import Key
from meshsim.kit.errors import InvalidManifestError, StartError

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_STDIN: Final = "-"
_NEAR: Final = 0.8


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object that a person wrote, of a kind the API serves, and where it stands."""

    kind: Kind
    object: Object
    document: Document
    path_prefix: str = ""
    """Where the object stands inside its document, for the items of a List."""

    @property
    def key(self) -> Key:
        """Its key; the namespace has been filled in."""
        metadata = self.object["metadata"]
        return Key(metadata.get("namespace", ""), metadata["name"])

    @property
    def title(self) -> str:
        """`rollout.argoproj.io/my-app`, as kubectl names objects."""
        group = f".{self.kind.group}" if self.kind.group else ""
        return f"{self.kind.singular}{group}/{self.key.name}"

    def where(self, field: str = "") -> str:
        """`file:line:column` of a field, or of the object."""
        return self.document.where(".".join(part for part in (self.path_prefix, field) if part))


def add_file_flag(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`-f`, repeatable: files, directories, `-` for stdin."""
    parser.add_argument(
        "-f",
        "--filename",
        dest="files",
        metavar="PATH",
        action="append",
        default=[],
        required=required,
        help="a manifest, a directory of manifests (*.yaml, *.yml, *.json) or - for stdin; may be repeated",
    )


def read_manifests(paths: Sequence[str], namespace: str, stdin: TextIO | None = None) -> list[Manifest]:
    """Every manifest of the files, in order, objects without a namespace in the given one.

    A set of manifests often holds kinds that have no meaning here: they are left out, and stderr says which. Raises
    StartError for a file that cannot be read, InvalidManifestError for text that is no manifest, an object without a
    name, a kind that looks like a slip, or when nothing is left. All slips are named at once.
    """
    left_out: list[str] = []
    manifests = manifests_in(_texts(paths, stdin or sys.stdin), namespace, left_out)
    if left_out and not manifests:
        raise InvalidManifestError(f"meshsim serves none of these kinds: {', '.join(left_out)}")
    if left_out:
        sys.stderr.write(f"Warning: left out, as meshsim doesn't serve these kinds: {', '.join(left_out)}\n")
    return manifests


def manifests_in(texts: Iterable[tuple[str, str]], namespace: str, left_out: list[str] | None = None) -> list[Manifest]:
    """Every manifest of texts that each come with the name of their file. Raises InvalidManifestError.

    Objects of kinds that aren't served are added to `left_out`, as `Kind (file:line:column)`.
    """
    manifests: list[Manifest] = []
    slips: list[str] = []
    for file, text in texts:
        for document in read_documents(text, file):
            for prefix, obj in _objects(document):
                kind = _kind_of(obj, document, prefix)
                if kind is not None:
                    manifests.append(_manifest(kind, obj, document, prefix, namespace))
                    continue
                where, slip = document.where(prefix), slip_in(obj["apiVersion"], obj["kind"])
                if slip is None and left_out is not None:
                    left_out.append(f"{obj['kind']} ({where})")
                else:
                    slips.append(f"{where}: {slip or _unserved(obj['apiVersion'], obj['kind'])}")
    if slips:
        raise InvalidManifestError("\nError: ".join(slips))
    return manifests


def slip_in(api_version: str, kind: str) -> str | None:
    """What is wrong with an apiVersion and a kind that look like served ones; None when they are somebody else's."""
    group, _, version = api_version.rpartition("/")
    near = {one.kind: one for one in KINDS if _is_near(one.group, group) and _is_near(one.kind, kind)}
    if not near or kind_named(api_version, kind) is not None:
        return None
    (best,) = difflib.get_close_matches(kind, near, n=1, cutoff=0)
    meant = near[best]
    usual = version if version in meant.versions else meant.version
    meant_version = f"{meant.group}/{usual}" if meant.group else usual
    return f'{_unserved(api_version, kind)}, did you mean "{meant.kind}" of "{meant_version}"?'


def _unserved(api_version: str, kind: str) -> str:
    return f"{kind} of {api_version} is not a kind that meshsim serves"


def _is_near(served: str, named: str) -> bool:
    # ServiceMonitor and StatefulSet, near to nothing, stay below; VirtualSevice and virtualservice are above.
    ratio = difflib.SequenceMatcher(None, served.lower(), named.lower()).ratio()
    return ratio >= _NEAR


def check_admission(manifests: Sequence[Manifest]) -> None:
    """Hold manifests to what the API will hold them to, before there is an API.

    Raises InvalidManifestError naming every field that is refused, with its place.
    """
    # A tenth of a second of imports, which only those need that start an API.
    from meshsim.api.validate.admission import admit  # noqa: PLC0415

    refusals: list[str] = []
    for manifest in manifests:
        admission = admit(manifest.kind, manifest.object)
        refusals += [f"{manifest.where(one.path)}: {one.path}: {one.message}" for one in admission.misfits]
        if admission.denial:
            refusals.append(f"{manifest.where()}: {admission.denial}")
    if refusals:
        raise InvalidManifestError("\nError: ".join(refusals))


def _texts(paths: Iterable[str], stdin: TextIO) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == _STDIN:
            yield "stdin", stdin.read()
            continue
        for file in _files(Path(path)):
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except OSError as error:
                raise StartError(f"{file}: {error.strerror}") from None
            except UnicodeDecodeError as error:
                line = error.object[: error.start].count(b"\n") + 1
                raise InvalidManifestError(f"{file}:{line}: not text in UTF-8") from None


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise StartError(f"{path}: no manifests there (*.yaml, *.yml or *.json)")
    return files


def _objects(document: Document) -> Iterator[tuple[str, Object]]:
    if document.value.get("kind") != "List":
        yield "", document.value
        return
    items = document.value.get("items") or []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidManifestError(f"{document.where(f'items[{index}]')}: an object was expected")
        yield f"items[{index}]", item


def _kind_of(obj: Object, document: Document, prefix: str) -> Kind | None:
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str):
            raise InvalidManifestError(f"{document.where(prefix)}: a manifest names its {field}")
    return kind_named(obj["apiVersion"], obj["kind"])


def _manifest(kind: Kind, obj: Object, document: Document, prefix: str, namespace: str) -> Manifest:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise InvalidManifestError(f"{document.where(prefix)}: {kind} without a metadata.name")
    if kind.namespaced:
        metadata = {**metadata, "namespace": metadata.get("namespace") or namespace}
    return Manifest(kind, {**obj, "metadata": metadata}, document, prefix)
