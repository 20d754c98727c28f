"""Regular expressions as Istio judges them: RE2 syntax, at most 1024 bytes, complaints in the words of Go's parser."""

import re
from typing import Final

import re2

_MAX_BYTES: Final = 1024

_GO_WORDS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
_TOO_LARGE: Final = "pattern too large"
"""RE2 parsed it and gave up compiling; Go has no such limit."""
_TOKENS: Final = re.compile(r"\\Q.*?(?:\\E|\Z)|\\.|.", re.DOTALL)


def regex_error(pattern: str, where: str) -> str | None:
    """What is wrong with a pattern; `where` is Istio's word for the field."""
    if len(pattern.encode()) > _MAX_BYTES:
        return f'"{where}": regex is too large, max length allowed is 1024'
    problem = _syntax_error(pattern)
    if problem is None:
        return None
    hint = "Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
    return f'"{where}": error parsing regexp: {problem}; {hint}'


def _syntax_error(pattern: str) -> str | None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return _in_go_words(error.args[0].decode(errors="replace"), pattern)
    # RE2's "any byte" is the one escape that Go's parser refuses.
    return "invalid escape sequence: `\\C`" if "\\C" in _TOKENS.findall(pattern) else None


def _in_go_words(message: str, pattern: str) -> str | None:
    what, _, argument = message.partition(": ")
    if what.startswith(_TOO_LARGE):
        return None
    if argument in ("(?<=", "(?<!"):
        # Go takes a look-behind for a group's name.
        rest = pattern[pattern.index(argument) :]
        name, closing, _ = rest.partition(">")
        return f"invalid named capture: `{name}{closing}`"
    return f"{_GO_WORDS.get(what, what)}: `{argument}`"
