"""The Prometheus text format."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One line, or the lines that begin a family."""

    line: str

    @classmethod
    def family(cls, name: str, kind: str, about: str = "") -> "Sample":
        """What says what the following ones are: a counter, a gauge or a histogram, and what it is about."""
        said = f"# HELP {name} {about}\n" if about else ""
        return cls(f"{said}# TYPE {name} {kind}")


def sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> Sample:
    """One value."""
    written = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels)
    return Sample(f"{name}{{{written}}} {value!r}" if written else f"{name} {value!r}")


def exposition(samples: Iterable[Sample]) -> bytes:
    """The text that a scraper reads."""
    return ("\n".join(line.line for line in samples) + "\n").encode()


def merged(texts: Iterable[str]) -> str:
    """The text that several processes' texts add up to: equal series are summed, families keep their order."""
    families: dict[str, dict[str, float]] = {}
    for text in texts:
        values: dict[str, float] = {}
        for line in text.splitlines():
            if line.startswith("#"):
                values = families.setdefault(line, {})
            elif line:
                series, _, value = line.rpartition(" ")
                number = float(value) if "." in value or "e" in value else int(value)
                values[series] = values.get(series, 0) + number
    lines: list[str] = []
    for family, summed in families.items():
        lines.append(family)
        lines += [f"{series} {value!r}" for series, value in summed.items()]
    return "\n".join(lines) + "\n"
