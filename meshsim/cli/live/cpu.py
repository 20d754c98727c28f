"""CPU by version, from what the node reports. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

_FAMILY: Final = "container_cpu_usage_seconds"
_WINDOW_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The CPU seconds that a pod has used so far."""

    version: str
    cpu_s: float


def usage_by_pod(metrics: str) -> dict[str, Usage]:
    """Every pod in the text of the node's `/metrics`."""
    lines = "\n".join(line for line in metrics.splitlines() if line.removeprefix("# TYPE ").startswith(_FAMILY))
    return {
        sample.labels["pod"]: Usage(sample.labels["version"], sample.value)
        for family in text_string_to_metric_families(lines + "\n")
        for sample in family.samples
    }


class CpuRates:
    """Cores in use by version, over the last few seconds."""

    def __init__(self) -> None:
        self._readings: list[tuple[float, dict[str, Usage]]] = []

    def add(self, now_s: float, usage: dict[str, Usage]) -> None:
        """Take in a reading of that moment."""
        self._readings.append((now_s, usage))
        while len(self._readings) > 2 and self._readings[1][0] <= now_s - _WINDOW_S:
            self._readings.pop(0)

    def cores(self) -> Mapping[str, float]:
        """Version → cores. A pod counts from when it was first seen; what it used before is nobody's."""
        if len(self._readings) < 2:
            return {}
        (began_s, first), (ended_s, last) = self._readings[0], self._readings[-1]
        used: dict[str, float] = defaultdict(float)
        for pod, usage in last.items():
            before = first.get(pod)
            used[usage.version] += usage.cpu_s - (before.cpu_s if before else 0.0)
        return {version: cpu_s / (ended_s - began_s) for version, cpu_s in used.items()}
