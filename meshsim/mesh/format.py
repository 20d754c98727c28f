"""Envoy's format strings (`a%REQ(x-user)%b`), parsed once: in header values and in access logs."""

import re
from collections.abc import Callable
from typing import Final, Protocol

_COMMAND: Final = re.compile(r"%%|%([A-Z_0-9]+)(?:\(([^)]*)\))?(?::(\d+))?%")


class FormatContext(Protocol):
    """What an exchange can say of itself."""

    def command(self, name: str, argument: str) -> str | None:
        """The value of a command operator, None when it has none."""


Formatter = Callable[[FormatContext], str]
_Part = str | tuple[str, str, int | None]


def compile_format(text: str, absent: str = "") -> Formatter:
    """A function that fills the text in; `absent` stands for what an exchange doesn't have.

    `%REQ(a?b)%` falls back to the second header; `:12` cuts to that many characters; `%%` is a percent sign.
    """
    parts = _parse(text)
    if all(isinstance(part, str) for part in parts):
        literal = "".join(part for part in parts if isinstance(part, str))
        return lambda context: literal  # noqa: ARG005 - the signature is Formatter's
    return lambda context: "".join(
        part if isinstance(part, str) else _evaluate(part, context, absent) for part in parts
    )


def is_literal(text: str) -> bool:
    """Whether nothing in the text depends on the exchange."""
    return all(isinstance(part, str) for part in _parse(text))


def _parse(text: str) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    for found in _COMMAND.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        at = found.end()
        if found[1] is None:
            parts.append("%")
        else:
            parts.append((found[1], found[2] or "", int(found[3]) if found[3] else None))
    if at < len(text):
        parts.append(text[at:])
    return parts


def _evaluate(part: tuple[str, str, int | None], context: FormatContext, absent: str) -> str:
    name, argument, limit = part
    value = None
    for choice in argument.split("?"):
        value = context.command(name, choice)
        if value is not None:
            break
    return absent if value is None else value[:limit]
