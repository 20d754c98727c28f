"""What every provider is to a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from controller.analysis.conditions import ConditionError, Value, judge, verdict
from meshsim.api.analysis import AnalysisRun, Measurement, Metric
from meshsim.kit.clock import Clock
from meshsim.kit.errors import MeshsimError
from meshsim.kit.timestamps import to_rfc3339
from meshsim.telemetry.promql.values import number_text

VERDICT: Final = "meshsim.dev/verdict"
"""In a measurement's metadata: which condition made its phase. Argo leaves that to be worked out."""


class ProviderError(MeshsimError):
    """Nothing could be measured; `str(error)` is the measurement's message."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider found: the value that conditions judge, and as it is shown."""

    value: Value
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Takes the measurements of one metric. What goes wrong is a measurement too: none of this raises."""

    async def run(self, run: AnalysisRun, metric: Metric) -> Measurement:
        """Begin a measurement; most also end at once."""

    async def resume(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:
        """Look after one that goes on."""

    async def terminate(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:
        """End one that goes on."""

    async def forget(self, metric: Metric, measurements: Sequence[Measurement]) -> None:
        """Clear away what belongs to measurements that are no longer kept. Raises ApiError."""

    def metadata(self, metric: Metric) -> Mapping[str, str]:
        """What is shown with the metric's result."""


class Query(Protocol):
    """Asks one question and gets one answer."""

    async def read(self, metric: Metric) -> Reading:
        """The answer. Raises ProviderError."""

    def metadata(self, metric: Metric) -> Mapping[str, str]:
        """What is shown with the metric's result."""


class QueryProvider:
    """A provider whose measurements are answers, judged by the metric's conditions."""

    def __init__(self, query: Query, clock: Clock) -> None:
        self._query = query
        self._clock = clock

    async def run(self, run: AnalysisRun, metric: Metric) -> Measurement:  # noqa: ARG002 - the answer is anybody's
        started_at = to_rfc3339(self._clock.now())
        try:
            reading = await self._query.read(metric)
            phase = judge(metric.success_condition, metric.failure_condition, reading.value, self._clock.now())
        except (ProviderError, ConditionError) as error:
            return failed(Measurement(started_at=started_at), str(error), self._clock)
        why = verdict(metric.success_condition, metric.failure_condition, phase)
        return Measurement(
            phase=phase,
            started_at=started_at,
            finished_at=to_rfc3339(self._clock.now()),
            value=reading.text,
            metadata=dict(reading.metadata) | ({VERDICT: why} if why else {}),
        )

    async def resume(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002
        # One that was cut off in the middle is asked again.
        return await self.run(run, metric)

    async def terminate(self, run: AnalysisRun, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002
        return measurement

    async def forget(self, metric: Metric, measurements: Sequence[Measurement]) -> None:
        """Answers leave nothing behind."""

    def metadata(self, metric: Metric) -> Mapping[str, str]:
        return self._query.metadata(metric)


def failed(measurement: Measurement, message: str, clock: Clock) -> Measurement:
    """The measurement as an Error that says why."""
    return Measurement(
        phase="Error",
        message=message,
        started_at=measurement.started_at,
        finished_at=measurement.finished_at or to_rfc3339(clock.now()),
        value=measurement.value,
        metadata=measurement.metadata,
    )


def list_text(values: Sequence[float]) -> str:
    """`[0.97,1]`."""
    return f"[{','.join(map(number_text, values))}]"
