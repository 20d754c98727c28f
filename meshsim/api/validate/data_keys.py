"""The keys of ConfigMaps and Secrets, which become the names of files, as Kubernetes takes them."""

import re
from collections.abc import Iterator
from typing import Final

from meshsim.api.decode import Object
from meshsim.api.loose import mapping
from meshsim.api.validate.fields import invalid
from meshsim.api.validate.findings import Findings

_KEY: Final = re.compile("[-._a-zA-Z0-9]+")
_LONGEST: Final = 253


def check_data_keys(obj: Object) -> Findings:
    """The keys of `data` and, in a ConfigMap, of `binaryData`; none may stand in both."""
    text, binary = mapping(obj.get("data")), mapping(obj.get("binaryData"))
    for path, entries in (("data", text), ("binaryData", binary)):
        for key in entries:
            for error in _errors(key):
                yield invalid(f"{path}[{key}]", key, error)
            if path == "data" and key in binary:
                yield invalid(f"{path}[{key}]", key, "duplicate of key present in binaryData")


def _errors(key: str) -> Iterator[str]:
    if len(key) > _LONGEST:
        yield f"must be no more than {_LONGEST} characters"
    if not _KEY.fullmatch(key):
        yield (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            f"(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY.pattern}')"
        )
    if key in (".", ".."):
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"
