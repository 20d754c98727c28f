"""YAML and JSON ↔ types: the only place where names change case and where wrong input gets its position.

An object as it stands on the wire is an `Object`, a JSON mapping. Planes that decide read it through a `Wire`
type, which names only the fields they use: unknown fields are kept in the Object and never lost.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice, pairwise
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec
import yaml

from meshsim.api.plain_yaml import MAX_DEPTH, MAX_NODES, plain_values
from meshsim.api.yaml_words import (
    BOOL_TAG,
    FALSE,
    FLOAT_TAG,
    INT_TAG,
    MERGE_TAG,
    NULL_TAG,
    STR_TAG,
    TAG,
    TRUE,
    BaseLoader,
    number_of,
    tag_of,
)
from meshsim.kit.errors import InvalidManifestError

Object = dict[str, Any]
"""A Kubernetes object (or a part of one) as JSON. Shared ones are read only: copy before changing."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of an object, typed: snake_case here, camelCase on the wire."""


W = TypeVar("W")

_AT: Final = re.compile(r" - at `\$(.*)`$")


class FieldError(InvalidManifestError):
    """A field holds what it may not; `path` is the field's (`spec.steps[0].setWeight`)."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def decode(kind: type[W], value: object) -> W:
    """Read a JSON value as a Wire type; a null field counts as absent, as in Go.

    Raises FieldError naming the path of the field that doesn't fit.
    """
    try:
        return msgspec.convert(_without_nulls(value), kind)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        message, path = (str(error)[: found.start()], found[1]) if found else (str(error), "")
        raise FieldError(path.removeprefix("."), message.replace("`", "")) from None
    except RecursionError:
        raise FieldError("", "nested too deeply") from None


def encode(value: object) -> Any:
    """The JSON value of a Wire type, absent defaults left out."""
    return msgspec.json.decode(msgspec.json.encode(value))


def read_json(data: bytes | str) -> Any:
    """Parse JSON. Raises FieldError with the position in the text."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FieldError("", f"invalid JSON: {error}") from None
    except RecursionError:
        raise FieldError("", "invalid JSON: nested too deeply") from None


def write_json(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return msgspec.json.encode(value)


_SCALARS: Final = frozenset({str, int, float, bool})


def _without_nulls(value: object) -> object:
    # Every object that is read comes through here: what has no parts is not asked twice what it is.
    if isinstance(value, dict | Mapping):
        return {
            key: item if type(item) in _SCALARS else _without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [item if type(item) in _SCALARS else _without_nulls(item) for item in value]
    return value


class Document:
    """One YAML document and where each of its fields stands in the file."""

    def __init__(self, value: Object, file: str, node: "Callable[[], yaml.MappingNode]", first_line: int = 1) -> None:
        """`node` finds its node, when a position is asked for; its text begins in that line of the file."""
        self.value = value
        self.file = file
        self.node = node
        self._first_line = first_line

    def where(self, path: str = "") -> str:
        """`file:line:column` of a field path, or of its nearest ancestor that the file has."""
        node: yaml.Node = self.node()
        mark = node.start_mark
        for step in _steps_of(path):
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        return f"{self.file}:{mark.line + self._first_line}:{mark.column + 1}"


def read_documents(text: str, file: str, first_line: int = 1) -> Iterator[Document]:
    """The documents of a YAML (or JSON) file, as Kubernetes reads them; empty documents are left out.

    A part of a file begins in its line `first_line`.
    Raises InvalidManifestError naming file:line:column for text that is no YAML, a document that is no
    mapping, a key that stands twice, a value that JSON doesn't have, nesting without end or an alias bomb.
    """
    plain = plain_values(text)
    if plain is None:
        yield from read_carefully(text, file, first_line)
        return
    for index, value in enumerate(plain):
        yield Document(value, file, partial(_node_of, text, file, index), first_line)


def _node_of(text: str, file: str, index: int) -> yaml.MappingNode:
    document = next(islice(read_carefully(text, file), index, None))
    return document.node()


def read_carefully(text: str, file: str, first_line: int = 1) -> Iterator[Document]:
    """As `read_documents` does, whatever the text is."""
    try:
        loader = _loader_for(text)(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == NULL_TAG:
                continue
            if not isinstance(node, yaml.MappingNode):
                raise _fault(node.start_mark, "a manifest is a mapping with apiVersion and kind")
            _check_tree(node, {})
            yield Document(loader.construct_document(node), file, partial(_same, node), first_line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + first_line}:{mark.column + 1}" if mark else ""
        raise InvalidManifestError(f"{file}{at}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        at = _line_and_column(text, text.find(chr(error.character)), first_line)
        raise InvalidManifestError(f"{file}:{at}: not text: {error.reason}") from None


_FLOW_COLON: Final = "found unexpected ':'"


def _fault(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _line_and_column(text: str, position: int, first_line: int) -> str:
    before = text[:position]
    return f"{before.count(chr(10)) + first_line}:{position - before.rfind(chr(10))}"


def _same(node: yaml.MappingNode) -> yaml.MappingNode:
    return node


_MARKER: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)


def parts_of(text: str) -> list[tuple[int, str]]:
    """The text cut before each document's marker, each part with its first line; in parts it reads as it does whole.

    A marker at the start of a line always begins a document. Text with directives, which come before one, isn't cut.
    """
    if text.startswith("%") or "\n%" in text:
        return [(1, text)]
    cuts = [0, *(found.start() for found in _MARKER.finditer(text) if found.start()), len(text)]
    line, parts = 1, []
    for begin, end in pairwise(cuts):
        parts.append((line, text[begin:end]))
        line += text.count("\n", begin, end)
    return parts


def _loader_for(text: str) -> "type[_Loader | _FlowLoader]":
    """Who reads this text: libyaml, or the pure loader where libyaml alone sees no YAML."""
    try:
        _check_depth(text, _Loader)
    except yaml.scanner.ScannerError as error:
        if error.problem != _FLOW_COLON:
            raise
        _check_depth(text, _FlowLoader)
        return _FlowLoader
    return _Loader


def _check_depth(text: str, loader: "type[_Loader | _FlowLoader]") -> None:
    """Refuse deep nesting before a tree is built: libyaml builds it recursively and would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _fault(event.start_mark, "nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Extent(NamedTuple):
    """How large a node is once its aliases are written out, so that no few lines ask for billions."""

    nodes: int
    depth: int


_OPEN: Final = _Extent(0, 0)


def _check_tree(node: yaml.Node, known: dict[int, _Extent]) -> _Extent:
    extent = known.get(id(node))
    if extent is _OPEN:
        raise _fault(node.start_mark, "an alias stands for something that contains it")
    if extent is not None:
        return extent
    known[id(node)] = _OPEN
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        children = [child for pair in node.value for child in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    extents = [_check_tree(child, known) for child in children]
    extent = _Extent(1 + sum(e.nodes for e in extents), 1 + max((e.depth for e in extents), default=0))
    if extent.nodes > MAX_NODES or extent.depth > MAX_DEPTH:
        raise _fault(node.start_mark, "the document is too large once its aliases are written out")
    known[id(node)] = extent
    return extent


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == NULL_TAG:
            raise _fault(key.start_mark, "a key is a word")
        if key.value in seen and key.tag != MERGE_TAG:
            raise _fault(key.start_mark, f'key "{key.value}" already set in map')
        seen.add(key.value)


_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


def _steps_of(path: str) -> list[str | int]:
    return [name or int(index or 0) for name, index in _STEP.findall(path)]


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        # Building the value has put merged keys before a mapping's own, which override them.
        for key, value in reversed(node.value):
            if key.value == str(step):
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    word = loader.construct_scalar(node)
    if word not in TRUE and word not in FALSE:
        raise _fault(node.start_mark, f'"{word}" is neither true nor false')
    return word in TRUE


def _construct_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    word = loader.construct_scalar(node)
    number = number_of(word)
    if number is None:
        raise _fault(node.start_mark, f'"{word}" is no number in JSON')
    return number


class _JsonTypes(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """YAML as Kubernetes' own library (sigs.k8s.io/yaml) reads it: 1.1's words, but JSON types only and no base 60."""

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        **{tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (None, NULL_TAG, STR_TAG, TAG + "seq", TAG + "map")},
        BOOL_TAG: _construct_bool,
        INT_TAG: _construct_number,
        FLOAT_TAG: _construct_number,
    }

    def resolve(self, kind: type[yaml.Node], value: str, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            return tag_of(value)
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        built = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else _json_key(key): value for key, value in built.items()}


class _Loader(_JsonTypes, BaseLoader):
    """What reads nearly everything, in C."""


class _FlowLoader(_JsonTypes, yaml.SafeLoader):
    """For texts with a plain word before `:]`, `:}` or `:,`: a key without a value in YAML, refused by libyaml."""


def _json_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
