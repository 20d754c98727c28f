"""Draws a Scene on a terminal, as tall as it is. Pure but for what rich asks of the console."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from meshsim.cli.argo.paint import icon
from meshsim.cli.argo.pod_reason import pod_icon
from meshsim.cli.argo.views import PodView, ReplicaSetView
from meshsim.cli.live.chart import share_chart
from meshsim.cli.live.scene import Scene, Stage, VersionState
from meshsim.cli.steps import Step, StepState

OLD_COLOUR: Final = "#56b4e9"
NEW_COLOUR: Final = "#e69f00"
"""Blue and orange of Okabe's and Ito's palette: told apart by everybody."""
_OLD_AREA: Final = "#2f6f94"
_DIM: Final = "grey62"
_BAD: Final = "bold red"
_GOOD: Final = "green"
_PHASE_STYLES: Final = {"Healthy": _GOOD, "Degraded": _BAD, "Paused": "bold", "Progressing": "bright_blue"}
_POD_STYLES: Final = {"✔": _GOOD, "◌": _DIM}
_TALL: Final = 36
_FIXED_ROWS: Final = 10
"""Header, sentence, the frames of three panels, the heads of the table and the foot of the chart."""
_MIN_CHART: Final = 3
_MAX_CHART: Final = 12
_WIDE: Final = 96
_BAR_WIDTH: Final = 10
_COLUMNS: Final = ("WEIGHT", "OBSERVED", "99% BAND", "RPS", "ERRORS", "P99", "CPU", "PODS")
_WIDE_COLUMNS: Final = ("WEIGHT", "OBSERVED", "99% BAND", "REQUESTS", "RPS", "ERRORS", "P50", "P99", "CPU", "PODS")


class Picture:
    """A Scene as rich draws it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scene = self._scene
        height = options.height or options.max_height
        is_tall = height >= _TALL
        is_wide = options.max_width >= _WIDE
        yield _header(scene)
        if scene.rollout is None:
            yield _panel(Text(scene.title, style=_DIM), "starting")
            return
        upper = Table.grid(expand=True)
        upper.add_column(ratio=1)
        upper.add_column(width=44 if is_wide else 34)
        rows = max(16 if is_tall else 7, len(scene.steps))
        upper.add_row(
            _panel(_padded(list(_tree(scene, is_tall)), rows), f"rollout {scene.host}"),
            _panel(_padded([_step_line(step, is_wide) for step in scene.steps], rows), "steps"),
        )
        yield upper
        yield _panel(_versions(scene, is_wide), "traffic", f"curl -H 'Host: {scene.host}' {scene.traffic_url}/")
        chart_rows = max(_MIN_CHART, min(_MAX_CHART, height - rows - len(scene.versions) - _FIXED_ROWS))
        has_colours = console.color_system is not None and not console.no_color
        chart = share_chart(
            scene.slices,
            scene.new,
            width=options.max_width - 4,
            height=chart_rows,
            colours=(_OLD_AREA, NEW_COLOUR) if has_colours else None,
            marked=scene.share_of_new,
        )
        yield _panel(chart, f"share of {scene.new}")
        yield _sentence(scene)


def _panel(content: RenderableType, title: str, subtitle: str = "") -> Panel:
    return Panel(
        content,
        title=Text(title, style="bold"),
        title_align="left",
        subtitle=Text(subtitle, style=_DIM) if subtitle else None,
        subtitle_align="right",
        border_style=_DIM,
        box=box.ROUNDED,
    )


def _padded(lines: list[Text], rows: int) -> Group:
    fitting = Group(*(line or Text() for line, _ in zip_longest(lines, range(rows))))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return fitting


def _header(scene: Scene) -> RenderableType:
    header = Table.grid(expand=True)
    header.add_column(ratio=1)
    header.add_column(justify="right")
    title = Text.assemble(
        (" meshsim ", "bold reverse"),
        ("  ", ""),
        (scene.host, "bold"),
        ("  ", ""),
        (scene.old, OLD_COLOUR),
        (" → ", _DIM),
        (scene.new, NEW_COLOUR),
    )
    speed = "" if scene.speed == 1 else f"   pauses ×{scene.speed:g} faster"
    header.add_row(title, Text(f"{scene.elapsed_s:.0f} s{speed} ", style=_DIM))
    return header


# --- the rollout --------------------------------------------------------------------------------------------------


def _tree(scene: Scene, is_tall: bool) -> Iterator[Text]:
    """As `get rollout` has it, without what doesn't change."""
    view = scene.rollout
    assert view is not None
    phase = Text.assemble((f"{icon(view.phase)} {view.phase}", _PHASE_STYLES.get(view.phase, "")))
    message = f"  {view.message}" if view.message else ""
    yield Text.assemble((f"⟳ {view.rollout.metadata.name}  ", "bold"), phase, (message, _DIM))
    shown = [one for one in view.replica_sets if one.pods or one.roles]
    for index, replica_set in enumerate(shown):
        is_last = index == len(shown) - 1
        branch, below = ("└──", "   ") if is_last else ("├──", "│  ")
        yield Text.assemble((f"{branch} # revision:{replica_set.revision}", _DIM))
        yield _replica_set(replica_set, scene, below)
        if is_tall:
            yield from _pods(replica_set, f"{below}   ")
        else:
            yield _pod_tiles(replica_set, f"{below}   ")


def _replica_set(view: ReplicaSetView, scene: Scene, below: str) -> Text:
    version = next((image.rpartition(":")[2] for image in view.images), "")
    return Text.assemble(
        (f"{below}└──", _DIM),
        (f"⧉ {view.name} ", ""),
        (f"{version} ", _colour(version, scene)),
        (f"{','.join(view.roles)} ", _DIM),
        (f"{icon(view.health)} {view.health}", _GOOD if view.health == "Healthy" else _DIM),
    )


def _pods(view: ReplicaSetView, below: str) -> Iterator[Text]:
    for index, pod in enumerate(view.pods):
        branch = "└──" if index == len(view.pods) - 1 else "├──"
        mark = pod_icon(pod.state.reason)
        yield Text.assemble(
            (f"{below}{branch}", _DIM),
            (f"□ {pod.name} ", ""),
            (f"{mark} {pod.state.reason}", _POD_STYLES.get(mark, _BAD)),
            (f" {pod.state.ready}", _DIM),
        )


def _pod_tiles(view: ReplicaSetView, below: str) -> Text:
    tiles = Text.assemble((f"{below}", _DIM))
    for pod in view.pods:
        tiles.append(*_tile(pod))
    tiles.append(f" {len(view.pods)} pods" if view.pods else "no pods", _DIM)
    return tiles


def _tile(pod: PodView) -> tuple[str, str]:
    mark = pod_icon(pod.state.reason)
    is_ready = mark == "✔" and pod.state.ready.partition("/")[0] == pod.state.ready.partition("/")[2]
    return ("■ ", _GOOD) if is_ready else ("□ ", _POD_STYLES.get(mark, _BAD))


def _step_line(step: Step, is_wide: bool) -> Text:
    match step.state:
        case StepState.DONE:
            return Text.assemble((" ✔ ", _GOOD), (f"{step.number} {step.text}", _DIM))
        case StepState.TODO:
            return Text(f"   {step.number} {step.text}")
        case StepState.CURRENT:
            line = Text.assemble((" ▶ ", "bold"), (f"{step.number} {step.text}", "bold"))
            if step.left_s is not None and step.total_s:
                passed = 1 - step.left_s / step.total_s
                line.append("  ")
                line.append_text(_bar(passed, _BAR_WIDTH))
                line.append(f" {step.left_s:.0f}s{' left' if is_wide else ''}", _DIM)
            return line


def _bar(share: float, width: int) -> Text:
    full = round(share * width)
    return Text.assemble(("━" * full, "bold"), ("━" * (width - full), "grey35"))


# --- the traffic --------------------------------------------------------------------------------------------------


def _versions(scene: Scene, is_wide: bool) -> Table:
    table = Table(box=None, expand=True, header_style=_DIM, padding=(0, 1))
    table.add_column("VERSION", no_wrap=True)
    for name in _WIDE_COLUMNS if is_wide else _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for state in scene.versions:
        cells = {**_numbers(state), **_observed(state)}
        mark = Text.assemble(("● ", _colour(state.version, scene)), (state.version, "bold"))
        if is_wide:
            mark.append(f" {state.role}", _DIM)
        table.add_row(mark, *(cells[str(column.header)] for column in table.columns[1:]))
    return table


def _numbers(state: VersionState) -> dict[str, Text | str]:
    return {
        "WEIGHT": f"{state.share:.0%}",
        "RPS": f"{state.recent.rps:.0f}",
        "ERRORS": Text(str(state.failed), style=_BAD if state.failed else _GOOD),
        "P50": _milliseconds(state.recent.p50_s),
        "P99": _milliseconds(state.recent.p99_s),
        "CPU": f"{state.cpu_cores * 1000:.0f}m",
        "PODS": f"{state.pods_ready}/{state.pods}" if state.pods else "–",
    }


def _observed(state: VersionState) -> dict[str, Text | str]:
    seen = state.observation
    if seen is None or not seen.requests:
        return {"OBSERVED": Text("changing" if seen is None else "–", style=_DIM), "99% BAND": "", "REQUESTS": ""}
    low, high = (100 * count / seen.requests for count in (seen.band.low, seen.band.high))
    return {
        "OBSERVED": Text(f"{seen.observed:.1%}", style=_GOOD if seen.is_in_band else _BAD),
        "99% BAND": Text(f"{low:.1f}–{high:.1f}%", style=_DIM),
        "REQUESTS": Text(f"{seen.requests:,}", style=_DIM),
    }


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.1f}ms"


def _colour(version: str, scene: Scene) -> str:
    return {scene.old: OLD_COLOUR, scene.new: NEW_COLOUR}.get(version, "")


def _sentence(scene: Scene) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right")
    failed = Text.assemble(
        (f"{scene.requests:,} requests, ", _DIM),
        (f"{scene.failed} failed ", _BAD if scene.failed else _GOOD),
    )
    title = Text(
        f" {scene.title}", style=_GOOD if scene.stage is Stage.ENDED else "", no_wrap=True, overflow="ellipsis"
    )
    line.add_row(title, failed)
    return line
