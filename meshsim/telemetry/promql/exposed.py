"""Reads lines of the text exposition that we write ourselves."""

import re
from typing import Final

_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def labels_of(line: str) -> dict[str, str]:
    """The labels of `name{label="value"}`, the name among them as `__name__`; an empty label is none."""
    name, _, written = line.partition("{")
    labels = {"__name__": name}
    for label, value in _LABEL.findall(written):
        if value:
            labels[label] = re.sub(r'\\[\\"n]', lambda match: _ESCAPED[match[0]], value) if "\\" in value else value
    return labels
