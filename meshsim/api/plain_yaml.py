"""Plain YAML, read in one go: mappings with different words as keys, without tags and anchors.

Nearly every manifest is. Whatever isn't, or is wrong in any way, is left to who reads it carefully.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from meshsim.api.yaml_words import BOOL_TAG, MERGE_TAG, NULL_TAG, STR_TAG, TRUE, BaseLoader, number_of, tag_of

MAX_DEPTH: Final = 100
"""How deep a document may be nested."""
MAX_NODES: Final = 200_000
"""How many nodes a document may have."""


class _NotPlainError(Exception):
    """Something that only a careful reading understands, or refuses in its own words."""


def plain_values(text: str) -> list[dict[str, Any]] | None:
    """What the documents of a text say, empty ones left out; None for a text that has to be read carefully."""
    values: list[dict[str, Any]] = []
    try:
        events = yaml.parse(text, Loader=BaseLoader)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                value = _plain_value(events, next(events), 1)
                if isinstance(value, dict):
                    values.append(value)
                elif value is not None:
                    return None
    except (yaml.YAMLError, _NotPlainError):
        return None
    return values if len(text) <= MAX_NODES else None


def _plain_value(events: Iterator[Any], event: Any, depth: int) -> Any:
    if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag or depth > MAX_DEPTH:
        raise _NotPlainError
    if isinstance(event, yaml.ScalarEvent):
        return _plain_scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_plain_value(events, event, depth + 1))
        return items
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _plain_value(events, event, MAX_DEPTH if isinstance(event, yaml.ScalarEvent) else MAX_DEPTH + 1)
        if not isinstance(key, str) or key in mapping:
            raise _NotPlainError
        mapping[key] = _plain_value(events, next(events), depth + 1)
    return mapping


def _plain_scalar(event: yaml.ScalarEvent) -> Any:
    word: str = event.value
    if not event.implicit[0]:
        return word
    tag = tag_of(word)
    if tag == STR_TAG:
        return word
    if tag == NULL_TAG:
        return None
    if tag == BOOL_TAG:
        return word in TRUE
    number = None if tag == MERGE_TAG else number_of(word)
    if number is None:
        raise _NotPlainError
    return number
