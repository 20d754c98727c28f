"""How `get rollout` and `get experiment` print what they show, character for character as the plugin does. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meshsim.api.progress import current_set_weight
from meshsim.cli.argo.paint import Paint, columns, icon
from meshsim.cli.argo.pod_reason import pod_icon
from meshsim.cli.argo.views import (
    ExperimentView,
    JobView,
    PodView,
    ReplicaSetView,
    RolloutView,
    RunView,
    experiment_images,
)
from meshsim.kit.durations import human_duration
from meshsim.kit.timestamps import from_rfc3339

_HEADER: Final = ("NAME", "KIND", "STATUS", "AGE", "INFO")
_OUTCOMES: Final = (("successful", "✔"), ("failed", "✖"), ("inconclusive", "?"), ("error", "⚠"))


@dataclass(frozen=True, slots=True)
class _Node:
    """One line of the tree and what hangs below it."""

    name: str
    kind: str = ""
    status: str = " "
    age: str = ""
    about: str = ""
    children: tuple["_Node", ...] = ()


def render_rollout(view: RolloutView, now: float, paint: Paint) -> str:
    """The whole output of `get rollout`; ages are counted to `now`."""
    rollout = view.rollout
    status = rollout.status
    head = [
        ("Name:", rollout.metadata.name),
        ("Namespace:", rollout.metadata.namespace),
        ("Status:", f"{paint(icon(view.phase))} {view.phase}"),
    ]
    if view.message:
        head.append(("Message:", view.message))
    head.append(("Strategy:", view.strategy))
    if view.strategy == "Canary":
        head += [
            ("  Step:", view.step),
            ("  SetWeight:", str(current_set_weight(rollout))),
            ("  ActualWeight:", str(view.actual_weight)),
        ]
    head += _image_lines(view.images, paint)
    desired = 1 if rollout.spec.replicas is None else rollout.spec.replicas
    counts = [
        ("  Desired:", str(desired)),
        ("  Current:", str(status.replicas)),
        ("  Updated:", str(status.updated_replicas)),
        ("  Ready:", str(status.ready_replicas)),
        ("  Available:", str(status.available_replicas)),
    ]
    return f"{_lines(head)}Replicas:\n{_lines(counts)}\n{_table(_Shape(now, paint).rollout(view))}"


def render_experiment(view: ExperimentView, now: float, paint: Paint) -> str:
    """The whole output of `get experiment`; ages are counted to `now`."""
    head = [
        ("Name:", view.name),
        ("Namespace:", view.namespace),
        ("Status:", f"{paint(icon(view.phase))} {view.phase}"),
    ]
    if view.message:
        head.append(("Message:", view.message))
    head += _image_lines(experiment_images(view), paint)
    return f"{_lines(head)}\n{_table(_Shape(now, paint).experiment(view))}"


def _image_lines(images: Mapping[str, Sequence[str]], paint: Paint) -> list[tuple[str, str]]:
    texts = [f"{image} ({', '.join(map(paint, tags))})" if tags else image for image, tags in images.items()]
    return [("Images:" if index == 0 else "", text) for index, text in enumerate(texts)]


def _lines(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{label:<17}{value}\n" for label, value in rows)


def _table(root: _Node) -> str:
    rows: list[Sequence[str]] = [_HEADER]
    _add_rows(rows, root, "", "")
    return columns(rows)


def _add_rows(rows: list[Sequence[str]], node: _Node, prefix: str, below: str) -> None:
    rows.append((prefix + node.name, node.kind, node.status, node.age, node.about))
    for index, child in enumerate(node.children):
        is_last = index == len(node.children) - 1
        _add_rows(rows, child, below + ("└──" if is_last else "├──"), below + ("   " if is_last else "│  "))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Turns views into lines."""

    now: float
    paint: Paint

    def rollout(self, view: RolloutView) -> _Node:
        metadata = view.rollout.metadata
        revisions = {one.revision for one in view.replica_sets}
        revisions |= {one.revision for one in view.experiments} | {one.revision for one in view.runs}
        return _Node(
            f"⟳ {metadata.name}",
            "Rollout",
            self._status(icon(view.phase), view.phase),
            self._age(metadata.creation_timestamp),
            children=tuple(self._revision(view, revision) for revision in sorted(revisions, reverse=True)),
        )

    def _revision(self, view: RolloutView, revision: int) -> _Node:
        return _Node(
            f"# revision:{revision}",
            children=(
                *(self._replica_set(one) for one in view.replica_sets if one.revision == revision),
                *(self.experiment(one) for one in view.experiments if one.revision == revision),
                *(self._run(one) for one in view.runs if one.revision == revision),
            ),
        )

    def experiment(self, view: ExperimentView) -> _Node:
        return _Node(
            f"Σ {self.paint(view.name, view.phase)}",
            "Experiment",
            self._status(icon(view.phase), view.phase),
            self._age(view.created),
            children=(*map(self._replica_set, view.replica_sets), *map(self._run, view.runs)),
        )

    def _replica_set(self, view: ReplicaSetView) -> _Node:
        name, about = view.name, []
        for role in view.roles:
            name = self.paint(name, role)
            about.append(self.paint(role))
        if view.scale_down_deadline:
            about.append(f"delay:{self._delay(view.scale_down_deadline)}")
        return _Node(
            f"⧉ {name}",
            "ReplicaSet",
            self._status(icon(view.health), view.health),
            self._age(view.created),
            ",".join(about),
            tuple(map(self._pod, view.pods)),
        )

    def _pod(self, view: PodView) -> _Node:
        state = view.state
        restarts = f",restarts:{state.restarts}" if state.restarts else ""
        return _Node(
            f"□ {view.name}",
            "Pod",
            self._status(pod_icon(state.reason), state.reason),
            self._age(view.created),
            f"ready:{state.ready}{restarts}",
        )

    def _run(self, view: RunView) -> _Node:
        counts = [f"{self.paint(mark)} {view.counts[name]}" for name, mark in _OUTCOMES if view.counts[name]]
        return _Node(
            f"α {self.paint(view.name, view.phase)}",
            "AnalysisRun",
            self._status(icon(view.phase), view.phase),
            self._age(view.created),
            ",".join(counts),
            tuple(map(self._job, view.jobs)),
        )

    def _job(self, view: JobView) -> _Node:
        return _Node(
            f"⊞ {self.paint(view.name, view.phase)}",
            "Job",
            self._status(icon(view.phase), view.phase),
            self._age(view.started),
        )

    def _status(self, mark: str, word: str) -> str:
        return f"{self.paint(mark)} {word}"

    def _age(self, stamp: str) -> str:
        return human_duration(self.now - from_rfc3339(stamp)) if stamp else ""

    def _delay(self, deadline: str) -> str:
        """How long until a version is scaled down; empty for a deadline that cannot be read."""
        try:
            left_s = from_rfc3339(deadline) - self.now
        except ValueError:
            return ""
        return "passed" if left_s < 0 else human_duration(left_s)
