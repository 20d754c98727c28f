"""Lists in pages: `limit` and `continue`. Pure.

A token holds the version of the first page and the last key it told. Later pages are of the newest state but
keep the first page's version, so that a watch from there brings what happened in between.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.api.meta import Key, key_of
from meshsim.apiserver import refusals


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, as of a version; `token` continues it, and then `left` more objects follow."""

    items: Sequence[Object]
    version: int
    token: str = ""
    left: int = 0

    @property
    def metadata(self) -> Object:
        """The list's metadata."""
        metadata: Object = {"resourceVersion": str(self.version)}
        if self.token:
            metadata["continue"] = self.token
            metadata["remainingItemCount"] = self.left
        return metadata


def page_of(items: Sequence[Object], version: int, limit: int, token: str) -> Page:
    """The page that a request asks for of a sorted list; without a limit it is all of it. Raises InvalidError."""
    if token:
        version, after = _read(token)
        items = [obj for obj in items if key_of(obj) > after]
    if not limit or len(items) <= limit:
        return Page(items, version)
    return Page(items[:limit], version, _token(version, key_of(items[limit - 1])), len(items) - limit)


def _token(version: int, last: Key) -> str:
    return binascii.b2a_base64(write_json([version, *last]), newline=False).decode().replace("+", "-").replace("/", "_")


def _read(token: str) -> tuple[int, Key]:
    try:
        version, namespace, name = read_json(binascii.a2b_base64(token.replace("-", "+").replace("_", "/")))
        if isinstance(version, int) and isinstance(namespace, str) and isinstance(name, str):
            return version, Key(namespace, name)
    except (ValueError, TypeError, FieldError):
        pass
    raise refusals.bad_request("continue key is not valid")
