"""Many drawings as one SVG that plays in a browser, what they have in common written once."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final, NamedTuple

from rich.console import Console, RenderableType

_SHOWN_S: Final = 0.7
_LAST_SHOWN_S: Final = 6.0
_FONTS: Final = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'
_PARTS: Final = "\0"
_STYLE: Final = re.compile(r"\.drawn-(r\d+) \{ (.*?) \}")
_TEXT: Final = re.compile(
    r'<text class="drawn-(r\d+)" x="(.*?)" y="(.*?)" textLength="(.*?)".*?>(.*?)</text>', re.DOTALL
)


class _Drawing(NamedTuple):
    """The parts of one exported SVG, by the names that rich gives them."""

    width: str
    height: str
    terminal_x: str
    terminal_y: str
    char_height: str
    chrome: str
    styles: str
    backgrounds: str
    matrix: str


# What rich fills in, taken apart here and put together for all frames at once.
_FORMAT: Final = _PARTS.join(f"{{{name}}}" for name in _Drawing._fields)


class Film:
    """Frames of one size. A row of text that several frames show is kept once."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self._title = title
        self._width = width
        self._height = height
        self._frames: list[str] = []
        self._styles: dict[str, str] = {}
        self._rows: dict[str, str] = {}
        self._outside: _Drawing | None = None

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, content: RenderableType) -> None:
        """Draw one more frame."""
        console = Console(
            width=self._width,
            height=self._height,
            record=True,
            force_terminal=True,
            color_system="truecolor",
            file=StringIO(),
            legacy_windows=False,
        )
        console.print(content, height=self._height)
        svg = console.export_svg(title=self._title, code_format=_FORMAT, unique_id="drawn")
        drawing = _Drawing(*svg.split(_PARTS))
        if self._outside is None or float(drawing.height) > float(self._outside.height):
            self._outside = drawing
        self._frames.append(self._body(drawing))

    def svg(self, still: int) -> str:
        """The film; frame number `still` is shown where nothing moves. There is at least one frame."""
        outside = self._outside
        if outside is None:
            raise ValueError("a film has frames")
        styles = "".join(f".{name}{{{css}}}\n" for css, name in self._styles.items())
        rows = "".join(f'<g id="{name}">{row}</g>\n' for row, name in self._rows.items())
        frames = "".join(
            f'<g class="frame{" still" if index == still else ""}" style="animation-name:frame-{index}">{frame}</g>\n'
            for index, frame in enumerate(self._frames)
        )
        return f"""\
<svg viewBox="0 0 {outside.width} {outside.height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
text{{font-family:{_FONTS};font-size:{outside.char_height}px;white-space:pre}}
.drawn-title{{font-family:sans-serif;font-size:18px;font-weight:bold}}
.frame{{visibility:hidden;animation:{_total_s(self._frames):.1f}s step-end infinite}}
.still{{visibility:visible}}
rect{{shape-rendering:crispEdges}}
@media (prefers-reduced-motion:reduce){{.frame{{animation:none}}}}
{styles}{"".join(_keyframes(self._frames))}</style>
<defs>
{rows}</defs>
{outside.chrome.strip()}
<g transform="translate({outside.terminal_x},{outside.terminal_y})">
{frames}</g>
</svg>
"""

    def _body(self, drawing: _Drawing) -> str:
        names = {
            name: self._styles.setdefault(css, f"s{len(self._styles)}") for name, css in _STYLE.findall(drawing.styles)
        }
        rows: dict[str, str] = defaultdict(str)
        for style, x, y, length, text in _TEXT.findall(drawing.matrix):
            if text != "\n":
                words = text.replace("&#160;", " ")
                rows[y] += f'<text class="{names[style]}" x="{x}" textLength="{length}">{words}</text>'
        uses = (
            f'<use href="#{self._rows.setdefault(row, f"t{len(self._rows)}")}" y="{y}"/>' for y, row in rows.items()
        )
        return drawing.backgrounds.replace(' shape-rendering="crispEdges"', "") + "".join(uses)


def _total_s(frames: Sequence[str]) -> float:
    return (len(frames) - 1) * _SHOWN_S + _LAST_SHOWN_S


def _keyframes(frames: Sequence[str]) -> Iterator[str]:
    """When each frame is seen, in percent of the whole."""
    total_s = _total_s(frames)
    for index in range(len(frames)):
        begins = index * _SHOWN_S / total_s
        ends = 1.0 if index == len(frames) - 1 else (index + 1) * _SHOWN_S / total_s
        hidden_before = "0%{visibility:hidden}" if begins else ""
        yield (
            f"@keyframes frame-{index}{{{hidden_before}{begins:.3%}{{visibility:visible}}"
            f"{ends:.3%}{{visibility:{'visible' if ends == 1 else 'hidden'}}}}}\n"
        )
