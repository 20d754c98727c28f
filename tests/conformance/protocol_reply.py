"""A raw response taken apart, without judging it."""

import re
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back on a connection. `before` are the first lines of 1xx responses that preceded a final one.

    `rest` is everything behind the head, `payload` the body in it; `is_whole` says that its end was told and came.
    """

    line: bytes
    headers: list[tuple[str, str]]
    rest: bytes
    payload: bytes
    is_whole: bool
    is_closed: bool
    before: tuple[bytes, ...] = ()

    @property
    def status(self) -> int:
        """0 when nothing came."""
        return int(self.line.split(b" ")[1]) if self.line else 0

    def values(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for key, value in self.headers if key == name]


def reply_of(raw: bytes, *, is_head: bool, is_closed: bool) -> Reply:
    """Take the bytes of a connection apart."""
    before: list[bytes] = []
    while True:
        head, found, rest = raw.partition(_HEAD_END)
        line, *lines = head.split(b"\r\n")
        if not (re.match(rb"HTTP/1\.1 1(?!01)", line) and rest):
            break
        before.append(line)
        raw = rest
    headers = [_pair(text) for text in lines]
    payload, is_whole = _payload(dict(headers), rest)
    if is_head or line[9:12] in (b"204", b"304"):
        payload, is_whole = rest, not rest
    return Reply(line, headers, rest, payload, is_whole and bool(found), is_closed, tuple(before))


def _pair(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name, value.strip()


def _payload(headers: dict[str, str], rest: bytes) -> tuple[bytes, bool]:
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", "0"))
        return rest[:length], len(rest) >= length
    payload = b""
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return payload, False
        length = int(size, 16)
        if length == 0:
            return payload, rest == b"\r\n"
        payload += rest[:length]
        rest = rest[length + 2 :]
