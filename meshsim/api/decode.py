"""YAML and JSON ↔ types: the only place where names change case and where wrong input gets its position.

An object as it stands on the wire is an `Object`, a JSON mapping. Planes that decide read it through a `Wire`
type, which names only the fields they use: unknown fields are kept in the Object and never lost.
"""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec
import yaml

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


def _without_nulls(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


class Document:
    """One YAML document and where each of its fields stands in the file."""

    def __init__(self, value: Object, file: str, node: yaml.MappingNode, first_line: int = 1) -> None:
        """The node's text begins in that line of the file."""
        self.value = value
        self.file = file
        self._node = node
        self._first_line = first_line

    def where(self, path: str = "") -> str:
        """`file:line:column` of a field path, or of its nearest ancestor that the file has."""
        mark = self._node.start_mark
        node: yaml.Node = self._node
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
    try:
        loader = _loader_for(text)(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == _NULL_TAG:
                continue
            if not isinstance(node, yaml.MappingNode):
                raise _fault(node.start_mark, "a manifest is a mapping with apiVersion and kind")
            _check_tree(node, {})
            yield Document(loader.construct_document(node), file, node, first_line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + first_line}:{mark.column + 1}" if mark else ""
        raise InvalidManifestError(f"{file}{at}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        at = _line_and_column(text, text.find(chr(error.character)), first_line)
        raise InvalidManifestError(f"{file}:{at}: not text: {error.reason}") from None


_MAX_DEPTH: Final = 100
_MAX_NODES: Final = 200_000
_FLOW_COLON: Final = "found unexpected ':'"


def _fault(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _line_and_column(text: str, position: int, first_line: int) -> str:
    before = text[:position]
    return f"{before.count(chr(10)) + first_line}:{position - before.rfind(chr(10))}"


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
            if depth > _MAX_DEPTH:
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
    if extent.nodes > _MAX_NODES or extent.depth > _MAX_DEPTH:
        raise _fault(node.start_mark, "the document is too large once its aliases are written out")
    known[id(node)] = extent
    return extent


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _NULL_TAG:
            raise _fault(key.start_mark, "a key is a word")
        if key.value in seen and key.tag != _MERGE_TAG:
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


if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader as _BaseLoader
else:
    from yaml import CSafeLoader as _BaseLoader

_TAG: Final = "tag:yaml.org,2002:"
_NULL_TAG: Final = _TAG + "null"
_BOOL_TAG: Final = _TAG + "bool"
_INT_TAG: Final = _TAG + "int"
_FLOAT_TAG: Final = _TAG + "float"
_MERGE_TAG: Final = _TAG + "merge"
_STR_TAG: Final = _TAG + "str"

_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_INT: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    word = loader.construct_scalar(node)
    if word not in _TRUE and word not in _FALSE:
        raise _fault(node.start_mark, f'"{word}" is neither true nor false')
    return word in _TRUE


def _construct_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    word = loader.construct_scalar(node)
    number = _number(word)
    if number is None:
        raise _fault(node.start_mark, f'"{word}" is no number in JSON')
    return number


class _JsonTypes(yaml.constructor.SafeConstructor, yaml.resolver.Resolver):
    """YAML as Kubernetes' own library (sigs.k8s.io/yaml) reads it: 1.1's words, but JSON types only and no base 60."""

    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        **{
            tag: yaml.SafeLoader.yaml_constructors[tag]
            for tag in (None, _NULL_TAG, _STR_TAG, _TAG + "seq", _TAG + "map")
        },
        _BOOL_TAG: _construct_bool,
        _INT_TAG: _construct_number,
        _FLOAT_TAG: _construct_number,
    }

    def resolve(self, kind: type[yaml.Node], value: str, implicit: Any) -> Any:
        if kind is yaml.ScalarNode and implicit[0]:
            return _tag_of(value)
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        built = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else _json_key(key): value for key, value in built.items()}


class _Loader(_JsonTypes, _BaseLoader):
    """What reads nearly everything, in C."""


class _FlowLoader(_JsonTypes, yaml.SafeLoader):
    """For texts with a plain word before `:]`, `:}` or `:,`: a key without a value in YAML, refused by libyaml."""


def _tag_of(word: str) -> str:
    if word in _NULL:
        return _NULL_TAG
    if word in _TRUE or word in _FALSE:
        return _BOOL_TAG
    if word[0] in "+-.0123456789" and (_number(word) is not None or _NO_NUMBER.fullmatch(word)):
        return _FLOAT_TAG
    return _MERGE_TAG if word == "<<" else _STR_TAG


def _number(word: str) -> int | float | None:
    """As Go reads it: 012 and 0o12 are octal, what is too large for 64 bits is a float, and 1.0 is 1."""
    word = word.replace("_", "")
    whole = _INT.fullmatch(word)
    if whole and len(word) < 70:
        sign, *digits = whole.groups()
        value = next(int(sign + text, base) for text, base in zip(digits, (16, 2, 8, 10), strict=True) if text)
        if -(2**63) <= value < 2**64:
            return value
    if not _FLOAT.fullmatch(word) or not math.isfinite(number := float(word)):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _json_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
