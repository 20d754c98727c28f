"""Everything the demo has seen so far, put together into scenes and into the closing report."""

from collections.abc import Iterable
from dataclasses import dataclass

from meshsim.cli.live.closing import CONFIDENCE, StepResult, step_result
from meshsim.cli.live.cluster import Seen
from meshsim.cli.live.configured import Split
from meshsim.cli.live.cpu import CpuRates
from meshsim.cli.live.scene import Scene, Stage, VersionState
from meshsim.cli.live.sentence import sentence
from meshsim.cli.live.spans import Observation, Spans, observe
from meshsim.cli.live.traffic import Recent, Traffic
from meshsim.cli.steps import Step, steps_of
from meshsim.kit.clock import Clock
from meshsim.load.samples import Sample

_LIVE_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Release:
    """What the demo releases, and where."""

    host: str
    old: str
    new: str
    speed: float
    traffic_url: str = ""


class Observer:
    """Takes in what happens; tells how it looks. Pure but for the clock it reads."""

    def __init__(self, release: Release, wall: Clock, slice_s: float) -> None:
        self.release = release
        self.stage = Stage.STARTING
        self.doing = ""
        """What the demo itself is at; empty while it only watches the rollout."""
        self.spans = Spans()
        self.traffic = Traffic(slice_s)
        self.cpu = CpuRates()
        self._wall = wall
        self._began_s = wall.monotonic()
        self._in_span: list[Sample] = []

    @property
    def elapsed_s(self) -> float:
        """Real seconds since the demo began."""
        return self._wall.monotonic() - self._began_s

    def ended(self, samples: Iterable[Sample]) -> None:
        """These requests ended."""
        samples = list(samples)
        self.traffic.add(samples)
        span = self.spans.current
        if span is not None:
            self._in_span += [sample for sample in samples if span.covers(sample.began)]

    def is_steady(self, title: str, split: Split) -> bool:
        """That is what the proxy has done for a while."""
        return self.spans.is_current(title, split)

    def steady(self, title: str, split: Split) -> None:
        """From now on the proxy splits like this, until `moving`."""
        if not self.is_steady(title, split):
            now = self._wall.now()
            self.spans.steady(now, title, split)
            self.traffic.mark(now, f"{split.get(self.release.new, 0.0):.0%}")
            self._in_span.clear()

    def moving(self) -> None:
        """The split may change from now on."""
        self.spans.moving(self._wall.now())
        self._in_span.clear()

    def scene(self, seen: Seen | None, now: float) -> Scene:
        """The present moment; `now` is the cluster's."""
        release, wall_now = self.release, self._wall.now()
        steps: tuple[Step, ...] = ()
        if seen is not None:
            is_released = self.stage not in (Stage.STARTING, Stage.BEFORE)
            steps = steps_of(seen.view.rollout, now, is_released=is_released)
        return Scene(
            stage=self.stage,
            title=self.doing or sentence(seen, steps, release.speed),
            old=release.old,
            new=release.new,
            speed=release.speed,
            elapsed_s=self.elapsed_s,
            traffic_url=release.traffic_url,
            host=release.host,
            rollout=seen.view if seen else None,
            steps=steps,
            versions=self._versions(seen, wall_now) if seen else (),
            slices=self.traffic.slices(wall_now, 300),
            requests=len(self.traffic.samples),
            failed=self.traffic.failed,
        )

    def step_results(self) -> tuple[StepResult, ...]:
        """Weight against observed share of the new version, for every time the weights stood still."""
        return tuple(
            step_result(span.title, observe(self.traffic.samples, span, self.release.new, CONFIDENCE))
            for span in self.spans.told
        )

    def _versions(self, seen: Seen, wall_now: float) -> tuple[VersionState, ...]:
        recent, cores = self.traffic.recent(wall_now), self.cpu.cores()
        roles = {
            image.rpartition(":")[2]: ",".join(replica_set.roles)
            for replica_set in seen.view.replica_sets
            for image in replica_set.images
        }
        return tuple(
            VersionState(
                version=version,
                role=roles.get(version, ""),
                share=seen.split.get(version, 0.0),
                observation=self._observation(version),
                recent=recent.get(version, Recent()),
                failed=self.traffic.failed_by_version[version],
                cpu_cores=cores.get(version, 0.0),
                pods_ready=seen.ready.get(version, 0),
                pods=seen.pods.get(version, 0),
            )
            for version in (self.release.old, self.release.new)
        )

    def _observation(self, version: str) -> Observation | None:
        span = self.spans.current
        return None if span is None else observe(self._in_span, span, version, _LIVE_CONFIDENCE)
