"""A demo recorded as one SVG that plays in a browser: the scenes as rich draws them, one shown after the other."""

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from rich.console import Console, RenderableType

from meshsim.cli.live.picture import Picture
from meshsim.cli.live.scene import Scene, Stage
from meshsim.cli.live.screen import Screen
from meshsim.kit.errors import MeshsimError

_WIDTH: Final = 104
_HEIGHT: Final = 39
_EVERY_S: Final = 1.0
_SHOWN_S: Final = 0.7
_CLOSING_SHOWN_S: Final = 6.0

_PARTS: Final = "\0"
_CLIP: Final = re.compile(r' clip-path="[^"]*"')
_RULE: Final = re.compile(r"\.(frame-r\d+) \{ (.*?) \}")
_CLASS: Final = re.compile(r'class="(frame-r\d+)"')
_FONTS: Final = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'


class _Frame(NamedTuple):
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


# What rich fills in, taken apart here and put together once for all frames.
_FORMAT: Final = _PARTS.join(f"{{{name}}}" for name in _Frame._fields)


class Recorder:
    """Shows the demo on another screen and keeps a frame of it every second."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._frames: list[_Frame] = []
        self._still = 0
        self._last_s = -_EVERY_S

    def show(self, scene: Scene) -> None:
        """Show it, and keep it when it is time."""
        self._screen.show(scene)
        if scene.elapsed_s - self._last_s < _EVERY_S and scene.stage is not Stage.ENDED:
            return
        self._last_s = scene.elapsed_s
        if scene.stage is Stage.RELEASING and 0 < scene.share_of_new < 1:
            self._still = len(self._frames)
        self._frames.append(_drawn(Picture(scene)))

    def note(self, elapsed_s: float, text: str) -> None:
        """Tell it on the screen."""
        self._screen.note(elapsed_s, text)

    def save(self, path: Path, closing: RenderableType) -> None:
        """Write the recording, the closing report as its last frame. Raises MeshsimError."""
        frames = [*self._frames, _drawn(closing)]
        try:
            path.write_text(_svg(frames, self._still), encoding="utf-8")
        except OSError as error:
            raise MeshsimError(f"{path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._screen.__exit__(kind, error, traceback)


def _drawn(content: RenderableType) -> _Frame:
    console = Console(
        width=_WIDTH, height=_HEIGHT, record=True, force_terminal=True, color_system="truecolor", file=StringIO(),
        legacy_windows=False,
    )  # fmt: skip
    console.print(content, height=_HEIGHT)
    return _Frame(*console.export_svg(title="meshsim demo", code_format=_FORMAT, unique_id="frame").split(_PARTS))


def _svg(frames: Sequence[_Frame], still: int) -> str:
    tallest = max(frames, key=lambda frame: float(frame.height))
    styles: dict[str, str] = {}
    bodies = [_body(frame, styles) for frame in frames]
    rules = "".join(f".{name}{{{css}}}" for css, name in styles.items())
    groups = "".join(
        f'<g class="frame{" still" if index == still else ""}" style="animation-name:frame-{index}">{body}</g>\n'
        for index, body in enumerate(bodies)
    )
    return f"""\
<svg viewBox="0 0 {tallest.width} {tallest.height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>
text{{font-family:{_FONTS};font-size:{tallest.char_height}px;white-space:pre}}
.frame-title{{font-family:sans-serif;font-size:18px;font-weight:bold}}
.frame{{visibility:hidden;animation:{_total_s(frames):.1f}s step-end infinite}}
.still{{visibility:visible}}
@media (prefers-reduced-motion:reduce){{.frame{{animation:none}}}}
{rules}
{"".join(_keyframes(frames))}
</style>
{tallest.chrome.strip()}
<g transform="translate({tallest.terminal_x},{tallest.terminal_y})">
{groups}</g>
</svg>
"""


def _body(frame: _Frame, styles: dict[str, str]) -> str:
    """The frame's drawing, its style names replaced by those that all frames share."""
    names = {name: styles.setdefault(css, f"s{len(styles)}") for name, css in _RULE.findall(frame.styles)}
    matrix = _CLASS.sub(lambda found: f'class="{names[found[1]]}"', frame.matrix)
    return frame.backgrounds + _CLIP.sub("", matrix).replace("&#160;", " ")


def _total_s(frames: Sequence[_Frame]) -> float:
    return (len(frames) - 1) * _SHOWN_S + _CLOSING_SHOWN_S


def _keyframes(frames: Sequence[_Frame]) -> Iterator[str]:
    """When each frame is seen, in percent of the whole."""
    total_s = _total_s(frames)
    for index in range(len(frames)):
        begins = index * _SHOWN_S / total_s
        ends = 1.0 if index == len(frames) - 1 else (index + 1) * _SHOWN_S / total_s
        hidden_before = "0%{visibility:hidden}" if begins else ""
        yield (
            f"@keyframes frame-{index}{{{hidden_before}{begins:.3%}{{visibility:visible}}"
            f"{ends:.3%}{{visibility:{'visible' if ends == 1 else 'hidden'}}}}}"
        )
