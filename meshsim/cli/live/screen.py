"""Where scenes are shown: drawn again and again on a terminal, told in lines elsewhere."""

from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.live import Live

from meshsim.cli.live.lines import changes, traffic_line
from meshsim.cli.live.picture import Picture
from meshsim.cli.live.scene import Scene, Stage

_TRAFFIC_EVERY_S: Final = 3.0


class Screen(Protocol):
    """Shows the demo to a person."""

    def show(self, scene: Scene) -> None:
        """This is how it is now."""

    def note(self, elapsed_s: float, text: str) -> None:
        """This happened."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class LiveScreen:
    """A terminal: the scene fills it, and goes when the block ends. What was noted stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._notes: list[str] = []

    def show(self, scene: Scene) -> None:
        """Draw the scene."""
        self._live.update(Picture(scene), refresh=True)

    def note(self, elapsed_s: float, text: str) -> None:
        """Keep the line for the end: there is no room for it now."""
        self._notes.append(_line(elapsed_s, text))

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, traceback)
        for note in self._notes:
            self._console.out(note, highlight=False)


class LineScreen:
    """No terminal: a line for each change, and one for the traffic every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Scene | None = None
        self._traffic_at_s = 0.0

    def show(self, scene: Scene) -> None:
        """Tell what changed since the last scene."""
        for text in changes(self._last, scene):
            self.note(scene.elapsed_s, text)
        if scene.stage is not Stage.STARTING and scene.elapsed_s - self._traffic_at_s >= _TRAFFIC_EVERY_S:
            self._traffic_at_s = scene.elapsed_s
            self.note(scene.elapsed_s, traffic_line(scene))
        self._last = scene

    def note(self, elapsed_s: float, text: str) -> None:
        """Tell it."""
        self._console.out(_line(elapsed_s, text), highlight=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


def _line(elapsed_s: float, text: str) -> str:
    return f"{elapsed_s:6.1f}s  {text}"
