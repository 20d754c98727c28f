"""The Prometheus text format."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One line."""

    line: str

    @classmethod
    def family(cls, name: str, kind: str) -> "Sample":
        """The line that says what the following ones are: a counter, a gauge or a histogram."""
        return cls(f"# TYPE {name} {kind}")


def sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> Sample:
    """One value."""
    written = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels)
    return Sample(f"{name}{{{written}}} {value!r}" if written else f"{name} {value!r}")


def exposition(samples: Iterable[Sample]) -> bytes:
    """The text that a scraper reads."""
    return ("\n".join(line.line for line in samples) + "\n").encode()
