"""How Go writes values into messages, and reads them: %q, %v and %f, literals, strconv.Atoi, time.ParseDuration."""

import math
import re
import sys
from decimal import Decimal
from typing import Final

_ESCAPES: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def quote(text: str) -> str:
    """The text in double quotes (strconv.Quote)."""
    return '"' + "".join(_ESCAPES.get(char) or _escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class GoEscapeError(ValueError):
    """A text in quotes holds a backslash that Go doesn't know."""


_ESCAPE: Final = re.compile(
    r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL
)
_ESCAPED: Final = {escape[1]: char for char, escape in _ESCAPES.items() if escape != r"\""}


def unescaped(literal: str) -> str:
    r"""What a text in quotes says, of either kind: in it only its own may be escaped. Raises GoEscapeError.

    Also takes expr's `\u{1F600}`.
    """

    def char_of(match: re.Match[str]) -> str:
        octal, *digits, single = match.groups()
        known = _ESCAPED | {literal[0]: literal[0]}
        if single is not None:
            if single not in known:
                raise GoEscapeError(f"unknown escape sequence {match[0]}")
            return known[single]
        code = int(octal, 8) if octal else int(next(filter(None, digits)), 16)
        if code > (0xFF if octal else sys.maxunicode):
            raise GoEscapeError(f"no character has the number in {match[0]}")
        # Go has no half of a surrogate pair either, and writes this for one.
        return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)

    return _ESCAPE.sub(char_of, literal[1:-1])


def float_text(value: float) -> str:
    """A float64 as %v writes it: the shortest digits, with an exponent below 1e-4 and from 1e6 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shortest = Decimal(repr(float(value))).normalize()
    exponent = shortest.adjusted()
    if -4 <= exponent < 6 or not value:
        return f"{shortest:f}"
    return f"{shortest.scaleb(-exponent):f}e{exponent:+03d}"


def float_fixed(value: float) -> str:
    """A float64 as %f writes it: six digits."""
    if math.isfinite(value):
        return f"{value:.6f}"
    return float_text(value)


_INTEGER: Final = re.compile(r"[+-]?[0-9]+")


def parse_int(text: str) -> int | None:
    """A decimal that fits 64 bits (strconv.Atoi), else None."""
    if len(text) > 40 or not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


class GoDurationError(ValueError):
    """The text is no duration; the message is time.ParseDuration's."""


_UNIT_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PLAIN_BYTES: Final = {byte: chr(byte) for byte in range(0x20, 0x80)} | {ord('"'): r"\"", ord("\\"): r"\\"}


def _quote_bytes(text: str) -> str:
    """In double quotes as package time does it for itself: what is not ASCII byte by byte."""
    return '"' + "".join(_PLAIN_BYTES.get(byte) or f"\\x{byte:02x}" for byte in text.encode()) + '"'


_NUMBER: Final = re.compile(r"[0-9]*(?:\.[0-9]*)?")
_UNIT: Final = re.compile(r"[^0-9.]*")
_MAX_NS: Final = 2**63 - 1


def nanoseconds(text: str) -> int:
    """Nanoseconds in a Go duration. Raises GoDurationError with Go's sentence."""
    quoted = _quote_bytes(text)
    invalid = GoDurationError(f"time: invalid duration {quoted}")
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    if not rest or len(text) > 1000:
        raise invalid
    total, at = 0, 0
    while at < len(rest):
        number = _NUMBER.match(rest, at)
        if number is None or not re.search("[0-9]", number[0]):
            raise invalid
        unit = _UNIT.match(rest, number.end())
        name = unit[0] if unit else ""
        if not name:
            raise GoDurationError(f"time: missing unit in duration {quoted}")
        if name not in _UNIT_NS:
            raise GoDurationError(f"time: unknown unit {_quote_bytes(name)} in duration {quoted}")
        total += int(Decimal(number[0]) * _UNIT_NS[name])
        if total > _MAX_NS:
            raise invalid
        at = number.end() + len(name)
    return sign * total
