"""What `--analyses` adds to the plugin's output: what each analysis asked, was told, and made of it. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from meshsim.api.analysis import AnalysisRun, Measurement, Metric, MetricResult
from meshsim.cli.argo.paint import Paint, icon
from meshsim.kit.durations import human_duration
from meshsim.kit.timestamps import from_rfc3339

_SHOWN: Final = 5
"""How many of a metric's newest measurements are shown."""
_NOTHING: Final = ("[]", "null")
_NO_DATA: Final = "no data returned from the metric provider"
_VERDICT: Final = "meshsim.dev/verdict"
_JOB_NAME: Final = "job-name"
_RESOLVED: Final = "Resolved"
"""Metadata of a metric's result that begins so holds its query as it was sent."""
_HIDDEN: Final = "*****"
_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def render_analyses(runs: Iterable[AnalysisRun], now: float, paint: Paint) -> str:
    """Each run, its metrics, and their last measurements; ages are counted to `now`."""
    lines = [line for run in runs for line in _run(run, now, paint)]
    return "".join(["\nAnalyses:\n", *(f"{line}\n" for line in lines or ["  none"])])


def _run(run: AnalysisRun, now: float, paint: Paint) -> Iterator[str]:
    status = run.status
    yield f"  α {run.metadata.name}  {_phase(status.phase or 'Pending', paint)}"
    if status.message:
        yield f"    {status.message}"
    arguments = _arguments(run)
    for metric in run.spec.metrics:
        result = status.result(metric.name)
        yield from _asked(metric, result, arguments, paint)
        yield from _told(result, now, paint)


def _asked(metric: Metric, result: MetricResult | None, arguments: Mapping[str, str], paint: Paint) -> Iterator[str]:
    dry_run = "  dry run: never counts" if result and result.dry_run else ""
    yield f"    {metric.name}  {_phase(result.phase if result else 'Pending', paint)}{dry_run}"
    rows = [
        (_provider(metric), _question(metric, result)),
        ("successCondition", metric.success_condition),
        ("failureCondition", metric.failure_condition),
    ]
    for name, text in rows:
        if text:
            yield f"      {name}: {' '.join(_filled_in(text, arguments).split())}"


def _told(result: MetricResult | None, now: float, paint: Paint) -> Iterator[str]:
    measurements = result.measurements if result else ()
    if not measurements:
        yield "      nothing measured yet"
        return
    hidden = len(measurements) - _SHOWN
    if hidden > 0:
        yield f"      … {hidden} earlier"
    for measurement in measurements[-_SHOWN:]:
        yield f"      {_measurement(measurement, now, paint)}"


def _measurement(measurement: Measurement, now: float, paint: Paint) -> str:
    stamp = measurement.finished_at or measurement.started_at
    age = f"{human_duration(now - from_rfc3339(stamp))} ago" if stamp else ""
    parts = (_phase(measurement.phase, paint), age, _value(measurement), _why(measurement))
    return "  ".join(part for part in parts if part)


def _value(measurement: Measurement) -> str:
    if measurement.value in _NOTHING:
        return f"{measurement.value} (no data)"
    if _NO_DATA in measurement.message:
        return "no data"
    job = measurement.metadata.get(_JOB_NAME)
    return f"job {job}" if job else measurement.value


def _why(measurement: Measurement) -> str:
    why = measurement.message or measurement.metadata.get(_VERDICT, "")
    if measurement.phase == "Successful" and measurement.value in _NOTHING:
        return f"{why}: it holds though nothing was measured" if why else "nothing was measured, and nothing is asked"
    return why


def _phase(phase: str, paint: Paint) -> str:
    return f"{paint(icon(phase))} {phase}"


def _arguments(run: AnalysisRun) -> dict[str, str]:
    """What stands for `args.<name>`: the values, and something else for what a Secret holds."""
    return {f"args.{arg.name}": _HIDDEN if arg.value is None or arg.value_from else arg.value for arg in run.spec.args}


def _filled_in(text: str, arguments: Mapping[str, str]) -> str:
    return _TAG.sub(lambda tag: arguments.get(tag[1].strip(), tag[0]), text)


def _provider(metric: Metric) -> str:
    return next(iter(metric.provider), "provider")


def _question(metric: Metric, result: MetricResult | None) -> str:
    sent = next((text for name, text in (result.metadata if result else {}).items() if name.startswith(_RESOLVED)), "")
    if sent:
        return sent
    spec: Any = metric.provider.get(_provider(metric))
    spec = spec if isinstance(spec, dict) else {}
    if "url" in spec:
        path = f" {spec['jsonPath']}" if spec.get("jsonPath") else ""
        return f"{spec.get('method') or 'GET'} {spec['url']}{path}"
    if "queries" in spec:
        return f"{spec.get('formula') or ''} {msgspec.json.encode(spec['queries']).decode()}".strip()
    return str(spec.get("query") or "")
