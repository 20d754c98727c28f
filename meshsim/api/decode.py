"""YAML and JSON ↔ types: the only place where names change case and where wrong input gets its position.

An object as it stands on the wire is an `Object`, a JSON mapping. Planes that decide read it through a `Wire`
type, which names only the fields they use: unknown fields are kept in the Object and never lost.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import yaml

from meshsim.kit.errors import InvalidManifestError

Object = dict[str, Any]
"""A Kubernetes object (or a part of one) as JSON. Shared ones are read only: copy before changing."""


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of an object, typed: snake_case here, camelCase on the wire."""


W = TypeVar("W")


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
        message, _, path = str(error).partition(" - at ")
        raise FieldError(path.strip("`").removeprefix("$").removeprefix("."), message.replace("`", "")) from None


def encode(value: object) -> Any:
    """The JSON value of a Wire type, absent defaults left out."""
    return msgspec.json.decode(msgspec.json.encode(value))


def read_json(data: bytes | str) -> Any:
    """Parse JSON. Raises FieldError with the position in the text."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise FieldError("", f"invalid JSON: {error}") from None


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

    def __init__(self, value: Object, file: str, node: yaml.MappingNode) -> None:
        self.value = value
        self.file = file
        self._node = node

    def where(self, path: str = "") -> str:
        """`file:line:column` of a field path, or of its nearest ancestor that the file has."""
        mark = self._node.start_mark
        node: yaml.Node = self._node
        for step in _steps_of(path):
            found = _child(node, step)
            if found is None:
                break
            mark, node = found
        return f"{self.file}:{mark.line + 1}:{mark.column + 1}"


def read_documents(text: str, file: str) -> Iterator[Document]:
    """The documents of a YAML (or JSON) file, as Kubernetes reads them; empty documents are left out.

    Raises InvalidManifestError naming file:line:column for text that is no YAML, a document that is no
    mapping, a key that stands twice or an alias bomb.
    """
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
                continue
            if not isinstance(node, yaml.MappingNode):
                raise _fault(node, "a manifest is a mapping with apiVersion and kind")
            _expanded_size(node, {})
            yield Document(loader.construct_document(node), file, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise InvalidManifestError(f"{file}{at}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        at = _line_and_column(text, error.position)
        raise InvalidManifestError(f"{file}:{at}: not text: {error.reason}") from None


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _line_and_column(text: str, position: int) -> str:
    before = text[:position]
    return f"{before.count(chr(10)) + 1}:{position - before.rfind(chr(10))}"


_MAX_NODES: Final = 1_000_000


def _expanded_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many nodes a node stands for once its aliases are written out, so that no few lines ask for billions."""
    known = sizes.get(id(node))
    if known == 0:
        raise _fault(node, "an alias stands for something that contains it")
    if known is not None:
        return known
    sizes[id(node)] = 0
    size = 1
    if isinstance(node, yaml.MappingNode):
        size += sum(_expanded_size(key, sizes) + _expanded_size(value, sizes) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_expanded_size(item, sizes) for item in node.value)
    if size > _MAX_NODES:
        raise _fault(node, "the document is too large once its aliases are written out")
    sizes[id(node)] = size
    return size


_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


def _steps_of(path: str) -> list[str | int]:
    return [name or int(index or 0) for name, index in _STEP.findall(path)]


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


if TYPE_CHECKING or not yaml.__with_libyaml__:
    from yaml import SafeLoader as _BaseLoader
else:
    from yaml import CSafeLoader as _BaseLoader


class _Loader(_BaseLoader):
    """YAML as sigs.k8s.io/yaml reads it: JSON types only, no dates, no base 60, no key twice."""

    yaml_implicit_resolvers: Final = {  # type: ignore[misc] # narrower than the base class's mutable dict
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                raise _fault(key, "a key is a word, not a list or a mapping")
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key.value}" already set in map', key.start_mark
                )
            seen[key.value] = key.start_mark
        built = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else _json_key(key): value for key, value in built.items()}


def _json_key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = loader.construct_scalar(node)
    # YAML 1.1 reads 1:30 as 90; Kubernetes' YAML library does not.
    return text if ":" in text else int(loader.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
