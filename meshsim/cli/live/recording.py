"""The demo recorded while it is shown."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import RenderableType

from meshsim.cli.live.film import Film
from meshsim.cli.live.picture import Picture
from meshsim.cli.live.scene import Scene, Stage
from meshsim.cli.live.screen import Screen
from meshsim.kit.errors import MeshsimError

_WIDTH: Final = 104
_HEIGHT: Final = 39
_EVERY_S: Final = 1.0


class Recorder:
    """Shows the demo on another screen and keeps a frame of it every second."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._film = Film("meshsim demo", _WIDTH, _HEIGHT)
        self._still = 0
        self._last_s = -_EVERY_S

    def show(self, scene: Scene) -> None:
        """Show it, and keep it when it is time."""
        self._screen.show(scene)
        if scene.elapsed_s - self._last_s < _EVERY_S and scene.stage is not Stage.ENDED:
            return
        self._last_s = scene.elapsed_s
        if scene.stage is Stage.RELEASING and 0 < scene.share_of_new < 1:
            self._still = len(self._film)
        self._film.add(Picture(scene))

    def note(self, elapsed_s: float, text: str) -> None:
        """Tell it on the screen."""
        self._screen.note(elapsed_s, text)

    def save(self, path: Path, closing: RenderableType) -> None:
        """Write the recording, the closing report as its last frame. Raises MeshsimError."""
        self._film.add(closing)
        try:
            path.write_text(self._film.svg(self._still), encoding="utf-8")
        except OSError as error:
            raise MeshsimError(f"{path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._screen.__exit__(kind, error, traceback)
